package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.sim.SimClock;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.arbitraries.ListArbitrary;

/** Any sequence of commands has the replies, and leaves the keys, that the model says. */
class CommandsPropertyTest {

  /** Not commands: time passes, and the server is started anew. */
  private static final String ADVANCE = "@ADVANCE";

  private static final String REOPEN = "@REOPEN";

  private static Arbitrary<String> keys() {
    return Arbitraries.of("a", "b", "c", "", "\u00ff");
  }

  private static Arbitrary<String> values() {
    return Arbitraries.frequencyOf(
        Tuple.of(3, Arbitraries.of("", "0", "5", "-17", "9223372036854775800", "abc", " 1")),
        Tuple.of(1, Arbitraries.strings().withCharRange('\0', '\u00ff').ofMaxLength(6)));
  }

  private static Arbitrary<String> numbers(long from, long to) {
    return Arbitraries.longs().between(from, to).map(n -> Long.toString(n));
  }

  /** A number and the word that says how to read it, around the time a sequence takes. */
  private static Arbitrary<List<String>> expiries() {
    long startMs = SimClock.START_WALL_MS;
    return Arbitraries.oneOf(
        words("EX", numbers(1, 20)),
        words("PX", numbers(1, 20_000)),
        words("EXAT", numbers(startMs / 1000 - 3, startMs / 1000 + 20)),
        words("PXAT", numbers(startMs - 3000, startMs + 20_000)));
  }

  /** A list of words; each is a constant, an Arbitrary of a word or an Arbitrary of words. */
  private static Arbitrary<List<String>> words(Object... parts) {
    Arbitrary<List<String>> all = Arbitraries.just(List.of());
    for (Object part : parts) {
      Arbitrary<?> next = part instanceof Arbitrary<?> a ? a : Arbitraries.just(part);
      all =
          Combinators.combine(all, next)
              .as(
                  (words, more) -> {
                    List<String> joined = new ArrayList<>(words);
                    if (more instanceof List<?> several) {
                      several.forEach(word -> joined.add((String) word));
                    } else {
                      joined.add((String) more);
                    }
                    return joined;
                  });
    }
    return all;
  }

  private static ListArbitrary<String> some(Arbitrary<String> word) {
    return word.list().ofMinSize(1).ofMaxSize(3);
  }

  private static Arbitrary<List<String>> optional(Object... parts) {
    return Arbitraries.oneOf(Arbitraries.just(List.of()), words(parts));
  }

  private static Arbitrary<List<String>> pairs() {
    return words(keys(), values())
        .list()
        .ofMinSize(1)
        .ofMaxSize(3)
        .map(pairs -> pairs.stream().flatMap(List::stream).toList());
  }

  private static Arbitrary<List<String>> strings() {
    Arbitrary<List<String>> condition = optional(Arbitraries.of("NX", "XX"));
    Arbitrary<List<String>> keep =
        Arbitraries.oneOf(Arbitraries.just(List.of()), words("KEEPTTL"), expiries());
    Arbitrary<String> index = numbers(-8, 8);
    return Arbitraries.oneOf(
        words("SET", keys(), values(), condition, optional("GET"), keep),
        words("SET", keys(), values(), keep, condition),
        words("GET", keys()),
        words(Arbitraries.of("GETSET", "SETNX", "APPEND"), keys(), values()),
        words(Arbitraries.of("GETDEL", "STRLEN", "INCR", "DECR"), keys()),
        words("GETEX", keys(), Arbitraries.oneOf(optional("PERSIST"), expiries())),
        words(Arbitraries.of("MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"), some(keys())),
        words(Arbitraries.of("MSET", "MSETNX"), pairs()),
        words("SETEX", keys(), numbers(1, 20), values()),
        words("PSETEX", keys(), numbers(1, 20_000), values()),
        words(Arbitraries.of("INCRBY", "DECRBY"), keys(), numbers(-10, 10)),
        words("GETRANGE", keys(), index, index),
        words("SETRANGE", keys(), numbers(0, 8), values()),
        words("SETBIT", keys(), numbers(0, 40), Arbitraries.of("0", "1")),
        words("GETBIT", keys(), numbers(0, 40)),
        words("BITCOUNT", keys(), optional(index, index, optional(Arbitraries.of("BIT", "BYTE")))));
  }

  private static Arbitrary<List<String>> keyspace() {
    long startMs = SimClock.START_WALL_MS;
    Arbitrary<List<String>> conditions =
        Arbitraries.of(List.of(), List.of("NX"), List.of("XX"), List.of("GT"), List.of("LT", "XX"));
    return Arbitraries.oneOf(
        words("EXPIRE", keys(), numbers(-2, 20), conditions),
        words("PEXPIRE", keys(), numbers(-2000, 20_000), conditions),
        words("EXPIREAT", keys(), numbers(startMs / 1000 - 3, startMs / 1000 + 20), conditions),
        words("PEXPIREAT", keys(), numbers(startMs - 3000, startMs + 20_000), conditions),
        words(
            Arbitraries.of("PERSIST", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "TYPE"), keys()),
        words(Arbitraries.of("RENAME", "RENAMENX"), keys(), keys()),
        words("COPY", keys(), keys(), optional("REPLACE")).filter(w -> !w.get(1).equals(w.get(2))),
        words(ADVANCE, numbers(1, 5000)),
        words(ADVANCE, numbers(1, 5000)));
  }

  private static Arbitrary<List<String>> collections() {
    Arbitrary<String> index = numbers(-4, 4);
    return Arbitraries.oneOf(
        words(Arbitraries.of("LPUSH", "RPUSH", "SADD", "SREM"), keys(), some(values())),
        words(Arbitraries.of("LPOP", "RPOP"), keys(), optional(numbers(0, 3))),
        words(Arbitraries.of("LLEN", "SCARD", "SMEMBERS"), keys()),
        words("LRANGE", keys(), index, index),
        words("LINDEX", keys(), index),
        words("SISMEMBER", keys(), values()));
  }

  @Provide
  Arbitrary<List<List<String>>> sequences() {
    return Arbitraries.frequencyOf(
            Tuple.of(50, strings()),
            Tuple.of(30, keyspace()),
            Tuple.of(25, collections()),
            Tuple.of(1, words(Arbitraries.of("FLUSHALL", REOPEN))))
        .list()
        .ofMinSize(20)
        .ofMaxSize(80);
  }

  @Property(tries = 300)
  void agreesWithTheModel(@ForAll("sequences") List<List<String>> commands) {
    try (CommandRunner runner = new CommandRunner()) {
      KeyspaceModel model = new KeyspaceModel(runner.clock::wallMs);
      for (List<String> command : commands) {
        switch (command.getFirst()) {
          case ADVANCE -> runner.clock.advanceMs(Long.parseLong(command.get(1)));
          case REOPEN -> runner.reopen();
          default -> check(runner, model, command.toArray(String[]::new));
        }
      }
      checkEverything(runner, model);
      runner.reopen();
      checkEverything(runner, model);
    }
  }

  private static void check(CommandRunner runner, KeyspaceModel model, String... command) {
    assertThat(runner.run(command)).as(String.join(" ", command)).isEqualTo(model.run(command));
  }

  private static void checkEverything(CommandRunner runner, KeyspaceModel model) {
    check(runner, model, "KEYS", "*");
    for (String key : new String[] {"a", "b", "c", "", "\u00ff"}) {
      check(runner, model, "TYPE", key);
      check(runner, model, "GET", key);
      check(runner, model, "LRANGE", key, "0", "-1");
      check(runner, model, "SMEMBERS", key);
      check(runner, model, "PEXPIRETIME", key);
    }
  }
}
