package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What client libraries and tools send when they connect, and what each needs to hear. */
class ClientHandshakeTest {

  private final Wire wire = new Wire();

  @AfterEach
  void close() {
    wire.close();
  }

  private static String lines(String... lines) {
    return String.join("\r\n", lines) + "\r\n";
  }

  /** The reply to HELLO 3, element by element. */
  private static String greeting(long id) {
    return lines(
        "%7",
        "$6",
        "server",
        "$5",
        "redis",
        "$7",
        "version",
        "$5",
        "7.2.0",
        "$5",
        "proto",
        ":3",
        "$2",
        "id",
        ":" + id,
        "$4",
        "mode",
        "$10",
        "standalone",
        "$4",
        "role",
        "$6",
        "master",
        "$7",
        "modules",
        "*0");
  }

  /** Everything in one piece, before any reply: as node-redis does. */
  @Test
  void pipelinedHelloAndClientInfo() {
    Wire.Client client = wire.connect();

    String replies =
        client.ask(
            "HELLO 3",
            "CLIENT SETINFO LIB-NAME node-redis",
            "CLIENT SETINFO LIB-VER 6.0.0",
            "CLIENT SETNAME app",
            "GET missing",
            "SET a 1",
            "MGET a missing");

    assertThat(replies)
        .isEqualTo(
            greeting(client.connection.session().id())
                + lines("+OK", "+OK", "+OK", "_", "+OK", "*2", "$1", "1", "_"));
    assertThat(client.ask("CLIENT INFO"))
        .startsWith("=")
        .contains(" name=app ", " resp=3 ", " lib-name=node-redis ", " lib-ver=6.0.0\n");
  }

  @Test
  void jedis() {
    Wire.Client client = wire.connect();
    assertThat(client.ask("HELLO 3")).isEqualTo(greeting(client.connection.session().id()));
    assertThat(client.ask("CLIENT SETINFO LIB-NAME jedis", "CLIENT SETINFO LIB-VER 8.0.2"))
        .isEqualTo("+OK\r\n+OK\r\n");
    assertThat(client.ask("CLIENT SETINFO LIB-VER 8.0.2(x y)".replace("x y", "x\u0000y")))
        .startsWith("-ERR lib-ver cannot contain spaces");
  }

  /** An unknown subcommand is an error, and the connection stays. */
  @Test
  void lettuce() {
    Wire.Client client = wire.connect();
    client.ask("HELLO 3");

    assertThat(
            client.ask(
                "CLIENT SETINFO lib-name Lettuce",
                "CLIENT SETINFO lib-ver 7.7.0",
                "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type external-ip",
                "PING"))
        .isEqualTo(
            lines(
                "+OK",
                "+OK",
                "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
                "+PONG"));
  }

  @Test
  void ioredis() {
    Wire.Client client = wire.connect();
    assertThat(client.ask("hello 3")).startsWith("%7\r\n");
    assertThat(client.ask("info")).startsWith("=").contains("txt:# Server\r\n", "loading:0\r\n");
    assertThat(client.ask("quit")).isEqualTo("+OK\r\n");
    assertThat(client.open()).isFalse();
  }

  @Test
  void redisBenchmark() {
    Wire.Client client = wire.connect();
    assertThat(client.ask("CONFIG GET save", "CONFIG GET appendonly"))
        .isEqualTo(lines("*2", "$4", "save", "$0", "", "*2", "$10", "appendonly", "$3", "yes"));
    client.send("PING\r\n");
    assertThat(client.received()).isEqualTo("+PONG\r\n");
  }

  @Test
  void redisCli() {
    Wire.Client client = wire.connect();
    String docs = client.ask("COMMAND DOCS");
    assertThat(docs)
        .startsWith("*" + 2 * wire.state.table().size() + "\r\n")
        .contains(lines("$3", "get", "*6", "$7", "summary"));
    assertThat(client.ask("COMMAND DOCS GET NOSUCH"))
        .isEqualTo(
            lines(
                "*2",
                "$3",
                "get",
                "*6",
                "$7",
                "summary",
                "$16",
                "Return a string.",
                "$5",
                "since",
                "$5",
                "1.0.0",
                "$5",
                "group",
                "$7",
                "generic"));
    // --bigkeys
    client.ask("SET a hello");
    assertThat(client.ask("DBSIZE", "SCAN 0", "TYPE a", "STRLEN a"))
        .isEqualTo(lines(":1", "*2", "$1", "0", "*1", "$1", "a", "+string", ":5"));
  }

  /** The ten elements clients build their tables from. */
  @Test
  void commandInfo() {
    Wire.Client client = wire.connect();
    assertThat(client.ask("COMMAND COUNT")).isEqualTo(":" + wire.state.table().size() + "\r\n");
    assertThat(client.ask("COMMAND")).startsWith("*" + wire.state.table().size() + "\r\n*10\r\n");
    assertThat(client.ask("COMMAND INFO get nosuch"))
        .isEqualTo(
            lines(
                "*2",
                "*10",
                "$3",
                "get",
                ":2",
                "*1",
                "+readonly",
                ":1",
                ":1",
                ":1",
                "*2",
                "+@read",
                "+@keyspace",
                "*0",
                "*1",
                "*6",
                "$5",
                "flags",
                "*2",
                "+RO",
                "+ACCESS",
                "$12",
                "begin_search",
                "*4",
                "$4",
                "type",
                "$5",
                "index",
                "$4",
                "spec",
                "*2",
                "$5",
                "index",
                ":1",
                "$9",
                "find_keys",
                "*4",
                "$4",
                "type",
                "$5",
                "range",
                "$4",
                "spec",
                "*6",
                "$7",
                "lastkey",
                ":0",
                "$7",
                "keystep",
                ":1",
                "$5",
                "limit",
                ":0",
                "*0",
                "$-1"));
    client.ask("HELLO 3");
    assertThat(client.ask("COMMAND INFO set"))
        .startsWith(
            lines("*1", "*10", "$3", "set", ":-3", "~2", "+write", "+denyoom", ":1", ":1", ":1"));
    assertThat(client.ask("COMMAND INFO client")).contains("client|setinfo");
  }

  /** Redis' test suite prepares an external server so, and restores what it read afterwards. */
  @Test
  void redisTestSuite() {
    Wire.Client client = wire.connect();
    assertThat(client.ask("FLUSHALL", "FUNCTION FLUSH", "SCRIPT FLUSH", "CONFIG RESETSTAT"))
        .isEqualTo("+OK\r\n".repeat(4));
    String[] all = client.ask("CONFIG GET *").split("\r\n", -1);
    assertThat(all.length).isGreaterThan(100);
    for (int i = 1; i + 3 < all.length; i += 4) {
      String name = all[i + 1];
      String value = all[i + 3];
      client.send(
          String.join(
              "\r\n",
              List.of(
                  "*4",
                  "$6",
                  "CONFIG",
                  "$3",
                  "SET",
                  "$" + name.length(),
                  name,
                  "$" + value.length(),
                  value,
                  "")));
      assertThat(client.received()).as(name).isEqualTo("+OK\r\n");
    }
    assertThat(client.ask("CONFIG SET hz 100 list-max-listpack-size 5", "CONFIG GET h?"))
        .isEqualTo(lines("+OK", "*2", "$2", "hz", "$3", "100"));
    assertThat(client.ask("CONFIG SET hz 50 nosuch 1", "CONFIG GET hz"))
        .isEqualTo(
            lines(
                "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
                "*2",
                "$2",
                "hz",
                "$3",
                "100"));
    assertThat(client.ask("CONFIG SET databases 16"))
        .isEqualTo(
            "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set"
                + " immutable config\r\n");
    assertThat(client.ask("DEBUG SET-ACTIVE-EXPIRE 0", "DEBUG JMAP", "DEBUG RELOAD"))
        .isEqualTo(
            lines(
                "+OK",
                "-ERR unknown subcommand 'JMAP'. Try DEBUG HELP.",
                "-ERR unknown subcommand 'RELOAD'. Try DEBUG HELP."));
  }

  @Test
  void everyContainerHelps() {
    Wire.Client client = wire.connect();
    for (String container :
        List.of("CLIENT", "CONFIG", "COMMAND", "ACL", "DEBUG", "SCRIPT", "FUNCTION", "SLOWLOG")) {
      assertThat(client.ask(container + " HELP"))
          .contains("+" + container + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
          .endsWith("+    Print this help.\r\n");
    }
  }
}
