package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import redis.clients.jedis.Jedis;

/** Stored procedures as clients see them, on a real node. */
class FunctionsTest {

  private static final String BANK =
      """
      #!js name=bank engine=duktape
      register_function('move', function (keys, args) {
        var amount = Number(args[0]);
        incr(keys[0], -amount);
        incr(keys[1], amount);
        if (Number(get(keys[0], 'text')) < 0) throw new Error('not enough');
        console.log('moved', amount);
        return get(keys[0], 'text');
      });
      register_function('peek', function (keys) { return get(keys[0], 'text') },
        {flags: ['no-writes'], description: 'looks'});
      register_function('sneak', function (keys) { put(keys[0], 'x') }, {flags: ['no-writes']});
      register_function('spin', function (keys) { put(keys[0], 'spun'); get('a'); while (1); });
      register_function('shapes', function () {
        return [1, 1.5, 'a', new Uint8Array([255]), null, true, false, {ok: 'FINE'}, {a: 2}] });
      register_function('fail', function () { return {err: 'no luck'} });
      register_function('list', function () {
        put('s:2', 'new'); del('s:1');
        return scan('s:', 10).map(function (e) { return text(e[0]) }) });
      register_function('hidden', function (keys) { return get(keys[0]) });
      register_function('half', function () {
        put('h:1', '1');
        try { transaction(function () { put('h:2', '2'); throw new Error('back') }) }
        catch (e) { put('h:3', e.message) } });
      register_function('locks', function () { lock('a') });
      register_function('adds', function (keys, args) {
        merge(keys[0], 'counter', args[0]); merge(keys[0], 'COUNTER', '2');
        merge(keys[1], 'union', args[1]);
        return get(keys[0], 'text') });
      """;

  @TempDir private Path directory;
  private Node node;
  private RespClient client;

  @BeforeEach
  void start() {
    node =
        Node.start(
            ServeOptions.builder()
                .set(ServeSetting.DATA, "data", directory)
                .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                .set(ServeSetting.HTTP, "none", directory)
                .set(ServeSetting.MEMTABLE_MB, "32", directory)
                .build(),
            isProtected -> null,
            "test",
            () -> {});
    client = connect();
  }

  @AfterEach
  void stop() {
    client.close();
    node.close();
  }

  private RespClient connect() {
    return RespClient.open(
        ClientOptions.builder()
            .address(new HostPort("127.0.0.1", node.address().getPort()))
            .build());
  }

  private static void send(RespClient to, String... words) {
    byte[][] command = new byte[words.length][];
    for (int i = 0; i < words.length; i++) {
      command[i] = words[i].getBytes(StandardCharsets.UTF_8);
    }
    to.send(command);
    to.flush();
  }

  private static String ask(RespClient to, String... words) {
    send(to, words);
    return render(to.receive());
  }

  private String ask(String... words) {
    return ask(client, words);
  }

  private static String render(Reply reply) {
    return switch (reply) {
      case Reply.Text(String value) -> "+" + value;
      case Reply.Failure(String message) -> "-" + message;
      case Reply.Count(long value) -> ":" + value;
      case Reply.Absent _ -> "null";
      case Reply.Bulk bulk -> new String(bulk.bytes(), StandardCharsets.ISO_8859_1);
      case Reply.Sequence(List<Reply> elements) ->
          elements.stream().map(FunctionsTest::render).toList().toString();
    };
  }

  @Test
  void loadsCallsAndUndoes() {
    assertThat(ask("FUNCTION", "LOAD", BANK)).isEqualTo("bank");
    assertThat(ask("FUNCTION", "LOAD", BANK)).isEqualTo("-ERR Library 'bank' already exists");
    assertThat(ask("FUNCTION", "LOAD", "REPLACE", BANK)).isEqualTo("bank");
    assertThat(ask("SET", "a", "10")).isEqualTo("+OK");
    assertThat(ask("FCALL", "move", "2", "a", "b", "4")).isEqualTo("6");
    assertThat(ask("MGET", "a", "b")).isEqualTo("[6, 4]");
    assertThat(ask("FCALL", "move", "2", "a", "b", "7"))
        .startsWith("-ERR bank:")
        .contains("Error: not enough");
    assertThat(ask("MGET", "a", "b")).isEqualTo("[6, 4]");
    assertThat(ask("CAPSULE.FNLOG", "move", "COUNT", "2")).contains("moved 4", "not enough");
    assertThat(ask("FCALL_RO", "peek", "1", "a")).isEqualTo("6");
    assertThat(ask("FCALL_RO", "move", "2", "a", "b", "1"))
        .isEqualTo("-ERR Can not execute a script with write flag using *_ro command.");
    assertThat(ask("FCALL", "sneak", "1", "a")).startsWith("-ERR").contains("no-writes");
    assertThat(ask("FCALL", "shapes", "0"))
        .isEqualTo("[:1, 1.5, a, \u00ff, null, :1, :0, +FINE, [a, :2]]");
    assertThat(ask("FCALL", "fail", "0")).isEqualTo("-ERR no luck");
    assertThat(ask("FCALL", "locks", "0")).isEqualTo("null");
    assertThat(ask("SADD", "set", "a")).isEqualTo(":1");
    assertThat(ask("FCALL", "adds", "2", "sum", "set", "5", "b")).isEqualTo("7");
    assertThat(ask("GET", "sum")).isEqualTo("7");
    assertThat(ask("SMEMBERS", "set")).contains("a", "b");
    assertThat(ask("FCALL", "adds", "2", "set", "set", "5", "b")).contains("does not apply");
    assertThat(ask("FCALL", "adds", "2", "sum", "set", "x", "b")).contains("no operand");
    assertThat(ask("FCALL", "nothing", "0")).isEqualTo("-ERR Function not found");
    assertThat(ask("FCALL", "peek", "x")).isEqualTo("-ERR Bad number of keys provided");
    assertThat(ask("FCALL", "peek", "2", "a"))
        .isEqualTo("-ERR Number of keys can't be greater than number of args");
    assertThat(ask("EVAL", "return 1", "0")).contains("FUNCTION LOAD", "FCALL");
    ask("MSET", "s:1", "1", "s:3", "3");
    assertThat(ask("FCALL", "list", "0")).isEqualTo("[s:2, s:3]");
    assertThat(ask("FCALL", "half", "0")).isEqualTo("null");
    assertThat(ask("MGET", "h:1", "h:2", "h:3")).isEqualTo("[1, null, back]");
    assertThat(ask("FUNCTION", "LOAD", "#!js name=bad\nvar x = 1;\nvar y = ;"))
        .startsWith("-ERR Error compiling function: bad:3");
    assertThat(ask("FUNCTION", "LOAD", "#!lua name=bad\n"))
        .isEqualTo("-ERR Engine 'lua' not found");
    assertThat(ask("FUNCTION", "LOAD", "var x")).isEqualTo("-ERR Missing library metadata");
    assertThat(ask("FUNCTION", "LOAD", "#!js name=two\nregister_function('peek', function () {})"))
        .isEqualTo("-ERR Function peek already exists");
  }

  @Test
  void librariesStayOverRestartsAndFlushes() {
    ask("FUNCTION", "LOAD", BANK);
    ask("SET", "a", "1");
    String before = ask("FUNCTION", "LIST", "WITHCODE");
    assertThat(before).contains("version, :1, loaded_by, default");
    assertThat(ask("FLUSHALL")).isEqualTo("+OK");
    assertThat(ask("DBSIZE")).isEqualTo(":0");
    stop();
    start();
    assertThat(ask("FUNCTION", "LIST", "WITHCODE")).isEqualTo(before);
    assertThat(ask("FCALL", "peek", "1", "a")).isEqualTo("null");
    send(client, "FUNCTION", "DUMP");
    byte[] dump = ((Reply.Bulk) client.receive()).bytes();
    assertThat(ask("FUNCTION", "DELETE", "bank")).isEqualTo("+OK");
    assertThat(ask("FUNCTION", "DELETE", "bank")).isEqualTo("-ERR Library not found");
    assertThat(ask("FCALL", "peek", "1", "a")).isEqualTo("-ERR Function not found");
    assertThat(render(restore(dump, "APPEND"))).isEqualTo("+OK");
    assertThat(render(restore(dump, "APPEND"))).isEqualTo("-ERR Library bank already exists");
    assertThat(render(restore(dump, "REPLACE"))).isEqualTo("+OK");
    assertThat(ask("FUNCTION", "LIST", "WITHCODE")).contains("version, :2");
    assertThat(ask("FUNCTION", "RESTORE", "nonsense-nonsense"))
        .isEqualTo("-ERR DUMP payload version or checksum are wrong");
    assertThat(ask("FUNCTION", "FLUSH")).isEqualTo("+OK");
    assertThat(ask("FUNCTION", "LIST")).isEqualTo("[]");
    stop();
    start();
    assertThat(ask("FUNCTION", "LIST")).isEqualTo("[]");
  }

  private Reply restore(byte[] dump, String policy) {
    client.send(
        RespClient.ascii("FUNCTION"), RespClient.ascii("RESTORE"), dump, RespClient.ascii(policy));
    client.flush();
    return client.receive();
  }

  @Test
  void theKeysOfLibrariesAreNobodys() {
    ask("FUNCTION", "LOAD", BANK);
    byte[] prefix = HexFormat.of().parseHex("2bb0e2b3a96fe8c7c532a6ab2371d8c2");
    byte[] key = java.util.Arrays.copyOf(prefix, prefix.length + 4);
    System.arraycopy(RespClient.ascii("bank"), 0, key, prefix.length, 4);
    for (byte[][] command :
        List.of(
            new byte[][] {RespClient.ascii("GET"), key},
            new byte[][] {RespClient.ascii("SET"), key, key},
            new byte[][] {RespClient.ascii("DEL"), key},
            new byte[][] {RespClient.ascii("TYPE"), key},
            new byte[][] {RespClient.ascii("DUMP"), key},
            new byte[][] {RespClient.ascii("WATCH"), key},
            new byte[][] {RespClient.ascii("MGET"), key},
            new byte[][] {RespClient.ascii("CAPSULE.HISTORY"), key},
            new byte[][] {RespClient.ascii("CAPSULE.PROOF"), key})) {
      client.send(command);
      client.flush();
      assertThat(render(client.receive()))
          .as(new String(command[0], StandardCharsets.US_ASCII))
          .startsWith("-NOPERM");
    }
    assertThat(ask("KEYS", "*")).isEqualTo("[]");
    assertThat(ask("SCAN", "0")).isEqualTo("[0, []]");
    assertThat(ask("RANDOMKEY")).isEqualTo("null");
    assertThat(ask("DBSIZE")).isEqualTo(":0");
    client.send(RespClient.ascii("FCALL"), RespClient.ascii("hidden"), RespClient.ascii("1"), key);
    client.flush();
    assertThat(render(client.receive())).startsWith("-ERR").contains("server's own");
    assertThat(ask("FUNCTION", "LIST")).contains("bank");
  }

  @Test
  void aFunctionThatSpinsDisturbsNobodyAndIsKilled() {
    ask("FUNCTION", "LOAD", BANK);
    assertThat(ask("FUNCTION", "KILL")).isEqualTo("-NOTBUSY No scripts in execution right now.");
    try (RespClient other = connect()) {
      send(other, "FCALL", "spin", "1", "k");
      while (!ask("FUNCTION", "STATS").contains("spin")) {
        Thread.onSpinWait();
      }
      // Writes of others go on meanwhile, also of what it read.
      assertThat(ask("SET", "a", "1")).isEqualTo("+OK");
      assertThat(ask("FUNCTION", "STATS")).contains("spin");
      assertThat(ask("FUNCTION", "KILL")).isEqualTo("+OK");
      assertThat(render(other.receive())).contains("killed by user with FUNCTION KILL");
    }
    assertThat(ask("GET", "k")).isEqualTo("null");
  }

  @Test
  void callsInsideMultiAreItsPart() {
    ask("FUNCTION", "LOAD", BANK);
    ask("MULTI");
    ask("SET", "a", "10");
    ask("FCALL", "move", "2", "a", "b", "3");
    ask("FCALL", "move", "2", "a", "b", "30");
    ask("FCALL", "spin", "1", "k");
    ask("GET", "a");
    assertThat(ask("EXEC"))
        .startsWith("[+OK, 7, -ERR bank:")
        .contains("UNAVAILABLE")
        .endsWith(", 7]");
    assertThat(ask("MGET", "a", "b", "k")).isEqualTo("[7, 3, null]");
    ask("MULTI");
    ask("FCALL", "peek", "1", "a");
    ask("PING");
    assertThat(ask("EXEC")).startsWith("-EXECABORT");
    ask("WATCH", "a");
    try (RespClient other = connect()) {
      ask(other, "SET", "a", "8");
    }
    ask("MULTI");
    ask("FCALL", "move", "2", "a", "b", "3");
    assertThat(ask("EXEC")).isEqualTo("null");
  }

  @Test
  void callsThatMeetOneAnotherLoseNothing() {
    ask("FUNCTION", "LOAD", BANK);
    ask("SET", "a", "1000");
    List<RespClient> clients = new ArrayList<>();
    int rounds = 50;
    for (int i = 0; i < 8; i++) {
      clients.add(connect());
    }
    for (int round = 0; round < rounds; round++) {
      clients.forEach(one -> send(one, "FCALL", "move", "2", "a", "b", "1"));
    }
    for (RespClient one : clients) {
      for (int round = 0; round < rounds; round++) {
        assertThat(render(one.receive())).doesNotStartWith("-");
      }
      one.close();
    }
    assertThat(ask("MGET", "a", "b")).isEqualTo("[600, 400]");
  }

  @Test
  void jedisKnowsItsWay() {
    try (Jedis jedis = new Jedis("127.0.0.1", node.address().getPort())) {
      assertThat(jedis.functionLoad(BANK)).isEqualTo("bank");
      jedis.set("a", "5");
      assertThat(jedis.fcall("move", List.of("a", "b"), List.of("2"))).isEqualTo("3");
      assertThat(jedis.fcallReadonly("peek", List.of("b"), List.of())).isEqualTo("2");
      assertThat(jedis.functionList()).hasSize(1);
      assertThat(jedis.functionList().getFirst().getLibraryName()).isEqualTo("bank");
      byte[] dump = jedis.functionDump();
      assertThat(jedis.functionDelete("bank")).isEqualTo("OK");
      assertThat(jedis.functionRestore(dump)).isEqualTo("OK");
      assertThat(jedis.functionStats().getRunningScript()).isNull();
      assertThat(jedis.functionFlush()).isEqualTo("OK");
    }
  }
}
