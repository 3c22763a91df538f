package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Bounds that Redis does not have, or has elsewhere: each is reached, and refused one beyond. */
class BoundsTest {

  private static final String KEY_TOO_LONG = "-ERR key is too long (maximum is 65536 bytes)";

  private final CommandRunner runner = new CommandRunner();

  @AfterEach
  void close() {
    runner.close();
  }

  private static String filled(int length) {
    return "a".repeat(length);
  }

  private String run(String... words) {
    return runner.run(words);
  }

  @Test
  void everyCommandRefusesKeysThatAreTooLong() {
    for (CommandSpec spec : KeyspaceCommands.allSpecs(new ScanCursors(new SimEntropy(1)))) {
      if (spec.firstKey() == 0) {
        continue;
      }
      int last = spec.lastKey() < 0 ? Math.abs(spec.arity()) - 1 : spec.lastKey();
      for (int key = spec.firstKey(); key <= last; key += spec.keyStep()) {
        String[] words = new String[Math.max(Math.abs(spec.arity()), key + 1)];
        Arrays.fill(words, "1");
        words[0] = spec.name();
        if (spec.firstKey() == 2) {
          words[1] = spec.name().equals("OBJECT") ? "ENCODING" : "USAGE";
        }
        words[key] = filled(CapsuleDb.MAX_KEY_BYTES + 1);
        assertThat(run(words)).as("%s, key at %d", spec.name(), key).isEqualTo(KEY_TOO_LONG);
      }
    }
    assertThat(run("MGET", "a", filled(CapsuleDb.MAX_KEY_BYTES + 1))).isEqualTo(KEY_TOO_LONG);
    assertThat(run("DEL", "a", filled(CapsuleDb.MAX_KEY_BYTES + 1))).isEqualTo(KEY_TOO_LONG);
    assertThat(run("MSET", "a", "1", filled(CapsuleDb.MAX_KEY_BYTES + 1), "2"))
        .isEqualTo(KEY_TOO_LONG);
    assertThat(run("DBSIZE")).isEqualTo(":0");
  }

  @Test
  void theLongestKeyIsAKey() {
    String key = filled(CapsuleDb.MAX_KEY_BYTES);
    assertThat(run("SET", key, "v")).isEqualTo("+OK");
    assertThat(run("GET", key)).isEqualTo("\"v\"");
    assertThat(run("KEYS", key)).isEqualTo("[\"" + key + "\"]");
  }

  @Test
  void stringsGrowUpToTheBound() {
    String longest = filled(CapsuleDb.MAX_VALUE_BYTES);
    assertThat(run("SET", "k", longest)).isEqualTo("+OK");
    assertThat(run("STRLEN", "k")).isEqualTo(":16777216");

    String tooLong = "-ERR string exceeds maximum allowed size";
    assertThat(run("SET", "x", longest + "a")).isEqualTo(tooLong);
    assertThat(run("SETNX", "x", longest + "a")).isEqualTo(tooLong);
    assertThat(run("GETSET", "x", longest + "a")).isEqualTo(tooLong);
    assertThat(run("SETEX", "x", "9", longest + "a")).isEqualTo(tooLong);
    assertThat(run("MSET", "y", "1", "x", longest + "a")).isEqualTo(tooLong);
    assertThat(run("APPEND", "x", longest + "a")).isEqualTo(tooLong);
    assertThat(run("EXISTS", "x", "y")).isEqualTo(":0");

    String grown = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    assertThat(run("APPEND", "k", "a")).isEqualTo(grown);
    assertThat(run("SETRANGE", "k", "16777216", "a")).isEqualTo(grown);
    assertThat(run("SETRANGE", "x", "16777216", "a")).isEqualTo(grown);
    assertThat(run("SETRANGE", "x", "1", longest)).isEqualTo(grown);
    assertThat(run("SETRANGE", "k", "16777215", "b")).isEqualTo(":16777216");
    assertThat(run("SETRANGE", "x", "16777215", "b")).isEqualTo(":16777216");
    assertThat(run("GETRANGE", "x", "-2", "-1")).isEqualTo("\"\\x00b\"");

    assertThat(run("SETBIT", "z", "134217728", "1"))
        .isEqualTo("-ERR bit offset is not an integer or out of range");
    assertThat(run("SETBIT", "z", "134217727", "1")).isEqualTo(":0");
    assertThat(run("STRLEN", "z")).isEqualTo(":16777216");
    assertThat(run("BITCOUNT", "z")).isEqualTo(":1");
  }

  @Test
  void oneReplyCarriesSoManyBytes() {
    run("SET", "k", filled(CapsuleDb.MAX_VALUE_BYTES));
    assertThat(run("MGET", "k", "k", "k", "nothing")).endsWith("\", nil]");
    assertThat(run("MGET", "k", "k", "k", "k"))
        .isEqualTo("-ERR reply would be too large, get fewer keys at once");
  }

  @Test
  void keysAndScanBoundWhatTheyAnswer() {
    int count = 1100;
    for (int i = 0; i < count; i++) {
      run("SET", String.format("%04d", i) + filled(CapsuleDb.MAX_KEY_BYTES - 4), "");
    }
    assertThat(run("KEYS", "*"))
        .isEqualTo("-ERR reply would be too large, use SCAN or a narrower pattern");
    assertThat(run("KEYS", "0000a*")).startsWith("[\"0000aaa");
    String first = run("SCAN", "0", "COUNT", "5000");
    assertThat(first.length()).isBetween((int) KeyspaceCommands.SCAN_REPLY_BYTES, 24 << 20);
    assertThat(first).doesNotStartWith("[\"0\"");
  }

  @Test
  void scanVisitsSoManyKeysAtOnce() {
    int count = 120_000;
    String[] words = new String[2 * 10_000 + 1];
    words[0] = "MSET";
    for (int i = 0; i < count; ) {
      for (int at = 1; at < words.length; at += 2, i++) {
        words[at] = Integer.toString(i);
        words[at + 1] = "";
      }
      assertThat(run(words)).isEqualTo("+OK");
    }
    assertThat(run("DBSIZE")).isEqualTo(":120000");
    String all = run("SCAN", "0", "COUNT", "9223372036854775807");
    assertThat(all).doesNotStartWith("[\"0\"");
    assertThat(elements(all) - 1L)
        .isBetween(KeyspaceCommands.MAX_SCAN_COUNT, KeyspaceCommands.MAX_SCAN_COUNT + 1000);
    assertThat(elements(run("KEYS", "*"))).isEqualTo(count);
  }

  /** How many elements a rendered array of words without commas has. */
  private static long elements(String array) {
    return array.chars().filter(c -> c == ',').count() + 1;
  }

  @Test
  void patternsCannotHoldTheServerUp() {
    for (int i = 0; i < 300; i++) {
      run("SET", String.format("%03d", i) + filled(60_000), "");
    }
    String costly = "*" + filled(60) + "b";
    String reply = run("SCAN", "0", "COUNT", "10000", "MATCH", costly);
    assertThat(reply).doesNotStartWith("[\"0\"").endsWith(", []]");
    String absurd = "*" + filled(30_000) + "b";
    assertThat(run("SCAN", "0", "COUNT", "10000", "MATCH", absurd))
        .isEqualTo("-ERR pattern needs too much work, use a shorter or simpler one");
  }

  @Test
  void lcsBoundsItsTable() {
    int side = (int) Math.sqrt(LongestCommonSubsequence.MAX_CELLS);
    run("SET", "a", filled(side - 1));
    run("SET", "b", filled(side));
    assertThat(run("LCS", "a", "a", "LEN")).isEqualTo(":" + (side - 1));
    assertThat(run("LCS", "a", "b"))
        .isEqualTo("-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }

  @Test
  void collectionsStayWithinAValue() {
    String half = filled(CapsuleDb.MAX_VALUE_BYTES / 2);
    String refused = "-ERR collection exceeds maximum allowed size";
    assertThat(run("RPUSH", "l", half)).isEqualTo(":1");
    assertThat(run("RPUSH", "l", half)).isEqualTo(refused);
    assertThat(run("LPUSH", "l", half)).isEqualTo(refused);
    assertThat(run("LPUSH", "new", half, half)).isEqualTo(refused);
    assertThat(run("LLEN", "l")).isEqualTo(":1");
    assertThat(run("SADD", "s", half)).isEqualTo(":1");
    assertThat(run("SADD", "s", half + "b")).isEqualTo(refused);
    assertThat(run("SCARD", "s")).isEqualTo(":1");
    assertThat(run("EXISTS", "new")).isEqualTo(":0");
  }

  @Test
  void storedCollectionsAreNotBelieved() {
    try (Transaction transaction = runner.db().begin()) {
      transaction.put(CommandRunner.bytes("l"), ValueType.LIST, new byte[] {1, 9, 0, 0, 0}, 0);
      transaction.put(CommandRunner.bytes("s"), ValueType.SET, new byte[0], 0);
      transaction.commit();
    }
    assertThatThrownBy(() -> run("LLEN", "l")).isInstanceOf(IntegrityException.class);
    assertThatThrownBy(() -> run("LPUSH", "l", "x")).isInstanceOf(IntegrityException.class);
    assertThatThrownBy(() -> run("SCARD", "s")).isInstanceOf(IntegrityException.class);
    assertThat(run("DEL", "l", "s")).isEqualTo(":2");
  }
}
