package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.sim.SimDisk;
import java.util.Locale;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a connection does with durability, order, bounds and failures. */
class ConnectionTest {

  private final Wire wire = new Wire();

  @AfterEach
  void close() {
    wire.close();
  }

  @Test
  void aWriteIsAnsweredWhenDurableAndNotBefore() {
    Wire.Client client = wire.connect();

    client.command("SET a 1");
    wire.pump();
    assertThat(client.received()).isEmpty();
    assertThat(wire.state.stats().pendingReplies()).isOne();

    wire.settle();
    assertThat(client.received()).isEqualTo("+OK\r\n");
    assertThat(wire.state.stats().pendingReplies()).isZero();
    assertThat(wire.state.stats().pendingBytes()).isZero();
  }

  @Test
  void whatIsNotDurableIsShownToNobody() {
    Wire.Client writer = wire.connect();
    Wire.Client reader = wire.connect();
    writer.ask("SET a old", "SET b old", "SET c old");

    writer.command("SET a new", "DEL b");
    reader.command("GET a");
    reader.command("PING", "EXISTS b", "GET c");
    wire.pump();
    assertThat(reader.received()).isEmpty();

    Wire.Client other = wire.connect();
    other.command("GET c", "PING");
    assertThat(other.received())
        .as("what does not depend on it")
        .isEqualTo("$3\r\nold\r\n+PONG\r\n");

    wire.settle();
    assertThat(reader.received()).isEqualTo("$3\r\nnew\r\n+PONG\r\n:0\r\n$3\r\nold\r\n");
    assertThat(writer.received()).isEqualTo("+OK\r\n:1\r\n");
  }

  @Test
  void readsOfDurableDataLeaveAtOnceAndRepliesKeepTheirOrder() {
    Wire.Client client = wire.connect();
    client.ask("SET a 1");

    client.command("GET a", "ECHO x", "SET b 2", "GET a", "PING");
    assertThat(client.received()).isEqualTo("$1\r\n1\r\n$1\r\nx\r\n");

    wire.settle();
    assertThat(client.received()).isEqualTo("+OK\r\n$1\r\n1\r\n+PONG\r\n");
  }

  @Test
  void aBatchOfReadsIsAnsweredWithOneWrite() {
    Wire.Client client = wire.connect();
    client.ask("SET a 1");

    client.command("GET a", "GET a", "GET a");

    assertThat(client.channel.outboundMessages()).hasSize(1);
  }

  @Test
  void theWholeKeySpaceIsShownWhenEverythingIsDurable() {
    Wire.Client client = wire.connect();
    client.command("SET a 1");
    Wire.Client other = wire.connect();

    other.command("DBSIZE");
    wire.pump();
    assertThat(other.received()).isEmpty();

    wire.settle();
    assertThat(other.received()).isEqualTo(":1\r\n");
  }

  @Test
  void aRefusalWaitsForWhatItTells() {
    Wire.Client writer = wire.connect();
    Wire.Client reader = wire.connect();
    Wire.Client merger = wire.connect();
    Wire.Client watcher = wire.connect();
    watcher.ask("SET w 1", "WATCH w");

    writer.command("LPUSH list x", "SET w 2");
    reader.command("GET list");
    merger.command("CAPSULE.MERGE list min 1");
    watcher.command("MULTI", "PING", "EXEC");
    wire.pump();
    assertThat(reader.received()).isEmpty();
    assertThat(merger.received()).isEmpty();
    assertThat(watcher.received()).isEqualTo("+OK\r\n+QUEUED\r\n");

    wire.settle();
    assertThat(reader.received()).startsWith("-WRONGTYPE ");
    assertThat(merger.received()).startsWith("-WRONGTYPE ");
    assertThat(watcher.received()).isEqualTo("*-1\r\n");
  }

  @Test
  void manyRepliesWaitThenNothingMoreIsExecuted() {
    Wire.Client client = wire.connect();
    int commands = RespConnection.MAX_PENDING_REPLIES + 5000;

    client.send("*2\r\n$4\r\nINCR\r\n$1\r\na\r\n".repeat(commands));

    assertThat(wire.state.stats().pendingReplies())
        .isEqualTo(RespConnection.MAX_PENDING_REPLIES + 1);
    assertThat(client.channel.config().isAutoRead()).isFalse();
    wire.settle();
    wire.settle();
    wire.settle();
    assertThat(client.channel.config().isAutoRead()).isTrue();
    assertThat(client.received()).endsWith(":" + commands + "\r\n");
  }

  @Test
  void largeRepliesWaitThenNothingMoreIsExecuted() {
    Wire.Client client = wire.connect();
    Wire.Client writer = wire.connect();
    String value = "v".repeat(100_000);
    client.ask("SET a " + value);
    writer.command("SET b 1");

    client.command("GET b");
    client.send("*2\r\n$3\r\nGET\r\n$1\r\na\r\n".repeat(50));

    assertThat(wire.state.stats().pendingBytes())
        .isLessThan(RespConnection.MAX_PENDING_BYTES + value.length() + 100);
    wire.settle();
    for (int i = 0; i < 10; i++) {
      wire.pump();
    }
    assertThat(client.received()).hasSize(7 + 50 * (value.length() + 11));
    assertThat(wire.state.stats().bufferedOutputBytes()).isZero();
  }

  @Test
  void anEngineThatFailsTakesWaitingRepliesWithIt() {
    Wire.Client client = wire.connect();
    Wire.Client bystander = wire.connect();
    client.ask("SET a 1");
    wire.disk.onNextAppend(SimDisk.Fault.error());

    client.command("GET a", "SET b 2", "GET a", "PING");
    wire.settle();

    assertThat(client.received())
        .startsWith("$1\r\n1\r\n-STORAGE ")
        .contains("outcome")
        .doesNotContain("+OK")
        .doesNotContain("PONG")
        .endsWith("\r\n");
    assertThat(client.open()).isFalse();
    assertThat(bystander.ask("GET a")).startsWith("-STORAGE ");
    assertThat(bystander.ask("SET a 3")).startsWith("-STORAGE ");
    assertThat(bystander.ask("MULTI", "SET a 3", "EXEC"))
        .startsWith("+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: STORAGE ");
    assertThat(bystander.ask("PING")).isEqualTo("+PONG\r\n");
    assertThat(bystander.open()).isTrue();
  }

  @Test
  void writesBeyondOneMemtableGoToTables() {
    try (Wire small = new Wire(RespServerOptions.builder().build(), 1 << 20)) {
      Wire.Client client = small.connect();
      String value = "v".repeat(100_000);
      for (int i = 0; i < 60; i++) {
        assertThat(client.ask("SET key" + i + " " + value)).isEqualTo("+OK\r\n");
      }
      assertThat(small.db.stats().levelTables().stream().mapToInt(n -> n).sum()).isPositive();
      assertThat(client.ask("GET key0")).hasSize(value.length() + 11);
      assertThat(client.ask("DEL key0", "EXISTS key0 key1", "DBSIZE"))
          .isEqualTo(":1\r\n:1\r\n:59\r\n");
    }
  }

  @Test
  void insideATransactionItsOwnWritesAreWalked() {
    Wire.Client client = wire.connect();
    client.ask("SET a 1", "SET b 2");
    assertThat(
            client.ask(
                "MULTI",
                "SET c 3",
                "DEL a",
                "KEYS *",
                "DBSIZE",
                "SCAN 0",
                "FLUSHALL",
                "DBSIZE",
                "RANDOMKEY",
                "SET d 4",
                "KEYS *",
                "RANDOMKEY",
                "EXEC"))
        .endsWith(
            "*11\r\n+OK\r\n:1\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n:2\r\n*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb"
                + "\r\n$1\r\nc\r\n+OK\r\n:0\r\n$-1\r\n+OK\r\n*1\r\n$1\r\nd\r\n$1\r\nd\r\n");
    assertThat(client.ask("KEYS *")).isEqualTo("*1\r\n$1\r\nd\r\n");
  }

  @Test
  void aReplyLargerThanTheBoundClosesTheConnection() {
    RespServerOptions options = RespServerOptions.builder().maxClientOutputBytes(20 << 20).build();
    try (Wire bounded = new Wire(options, 256 << 20)) {
      Wire.Client client = bounded.connect();
      client.ask("SET a " + "v".repeat(9 << 20));

      client.command("MGET a a a");
      bounded.settle();

      assertThat(client.open()).isFalse();
      assertThat(bounded.state.stats().refused()).containsEntry("output_limit", 1L);
      Wire.Client next = bounded.connect();
      assertThat(next.ask("MULTI", "GET a", "GET a", "GET a", "EXEC", "PING"))
          .doesNotContain("PONG");
      assertThat(next.open()).isFalse();
      assertThat(bounded.connect().ask("STRLEN a")).isEqualTo(":" + (9 << 20) + "\r\n");
      assertThat(bounded.state.stats().bufferedOutputBytes()).isZero();
    }
  }

  @Test
  void unfinishedCommandsOfAllClientsShareOneBudget() {
    RespServerOptions options = RespServerOptions.builder().maxInputBytes(8 << 20).build();
    try (Wire bounded = new Wire(options, 64 << 20)) {
      Wire.Client first = bounded.connect();
      Wire.Client second = bounded.connect();
      Wire.Client third = bounded.connect();
      String half = "*2\r\n$3\r\nGET\r\n$16000000\r\n" + "k".repeat(3 << 20);
      first.send(half);
      second.send(half);
      assertThat(bounded.state.stats().bufferedInputBytes()).isGreaterThanOrEqualTo(6 << 20);

      third.send(half);

      assertThat(third.received())
          .startsWith("-ERR UNAVAILABLE the server's input buffers are full");
      assertThat(third.open()).isFalse();
      assertThat(first.open()).isTrue();
      assertThat(bounded.state.stats().refused()).containsEntry("input_budget", 1L);
      first.channel.close().syncUninterruptibly();
      second.channel.close().syncUninterruptibly();
      assertThat(bounded.state.stats().bufferedInputBytes()).isZero();
      assertThat(bounded.state.connectionCount()).isZero();
    }
  }

  @Test
  void queuedCommandsCountAgainstTheBudgetAndAreBounded() {
    Wire.Client client = wire.connect();
    client.command("MULTI");
    String value = "v".repeat(15 << 20);

    String replies = client.ask("SET a " + value, "SET b " + value, "SET c " + value, "EXEC");

    assertThat(replies)
        .isEqualTo(
            String.join(
                "\r\n",
                "+OK",
                "+QUEUED",
                "+QUEUED",
                "-ERR transaction too large: at most 33554432 bytes may be queued",
                "-EXECABORT Transaction discarded because of previous errors.",
                ""));
    assertThat(wire.state.stats().bufferedInputBytes()).isZero();
  }

  @Test
  void aProtocolErrorIsAnsweredAfterEverythingBeforeIt() {
    Wire.Client client = wire.connect();

    client.send("SET a 1\r\nPING\r\n*1\r\nfoo\r\nPING\r\n");
    wire.settle();

    assertThat(client.received())
        .isEqualTo("+OK\r\n+PONG\r\n-ERR Protocol error: expected '$', got 'f'\r\n");
    assertThat(client.open()).isFalse();
    assertThat(wire.state.stats().refused()).containsEntry("protocol", 1L);
  }

  @Test
  void quitIsAnsweredAfterEverythingBeforeItAndNothingAfter() {
    Wire.Client client = wire.connect();

    client.command("SET a 1", "QUIT", "SET a 2");
    wire.settle();

    assertThat(client.received()).isEqualTo("+OK\r\n+OK\r\n");
    assertThat(client.open()).isFalse();
    assertThat(wire.connect().ask("GET a")).isEqualTo("$1\r\n1\r\n");
  }

  @Test
  void httpIsTurnedAwayWithoutAWord() {
    for (String request : new String[] {"POST / HTTP/1.1\r\n", "Host: localhost\r\n"}) {
      Wire.Client client = wire.connect();
      client.send(request + "SET a 1\r\n");
      assertThat(client.received()).isEmpty();
      assertThat(client.open()).isFalse();
    }
    assertThat(wire.connect().ask("EXISTS a")).isEqualTo(":0\r\n");
    assertThat(wire.state.stats().refused()).containsEntry("cross_protocol", 2L);
  }

  @Test
  void bytesThatTrickleInGiveTheSameReplies() {
    Wire.Client client = wire.connect();
    String stream =
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nxyz\r\nGET a\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n";

    for (int i = 0; i < stream.length(); i++) {
      client.send(stream.substring(i, i + 1));
    }
    wire.settle();

    assertThat(client.received()).isEqualTo("+OK\r\n$3\r\nxyz\r\n$2\r\nhi\r\n");
  }

  @Test
  void idleConnectionsAreClosedIfAskedFor() {
    Wire.Client client = wire.connect();
    Wire.Client busy = wire.connect();
    assertThat(client.ask("CONFIG SET timeout 10", "CONFIG GET timeout"))
        .isEqualTo("+OK\r\n*2\r\n$7\r\ntimeout\r\n$2\r\n10\r\n");

    wire.pass(9_000);
    client.loop.sweep();
    busy.ask("PING");
    assertThat(client.open()).isTrue();
    wire.pass(2_000);
    client.loop.sweep();
    busy.loop.sweep();

    assertThat(client.open()).isFalse();
    assertThat(busy.open()).isTrue();
    assertThat(wire.state.stats().refused()).containsEntry("idle", 1L);
  }

  @Test
  void waitHoldsThisConnectionOnly() {
    Wire.Client client = wire.connect();
    Wire.Client other = wire.connect();

    client.command("SET a 1", "WAIT 1 500", "PING");
    client.command("ECHO x");
    wire.settle();
    assertThat(client.received()).isEqualTo("+OK\r\n");
    assertThat(other.ask("PING")).isEqualTo("+PONG\r\n");
    wire.pass(400);
    assertThat(client.received()).isEmpty();
    wire.pass(200);
    assertThat(client.received()).isEqualTo(":0\r\n+PONG\r\n$1\r\nx\r\n");
  }

  @Test
  void waitCanBeEndedByAnotherClient() {
    Wire.Client client = wire.connect();
    Wire.Client other = wire.connect();
    String id = client.ask("CLIENT ID").substring(1).trim();

    client.command("WAIT 1 0");
    assertThat(other.ask("CLIENT LIST")).contains("flags=b");
    assertThat(other.ask("CLIENT UNBLOCK " + id)).isEqualTo(":1\r\n");
    wire.pump();
    assertThat(client.received()).isEqualTo(":0\r\n");
    assertThat(other.ask("CLIENT UNBLOCK " + id)).isEqualTo(":0\r\n");

    client.command("WAIT 1 0", "PING");
    other.ask("CLIENT UNBLOCK " + id + " ERROR");
    wire.pump();
    assertThat(client.received())
        .isEqualTo("-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n");
  }

  @Test
  void debugSleepHoldsThisConnectionOnly() {
    Wire.Client client = wire.connect();
    Wire.Client other = wire.connect();

    client.command("DEBUG SLEEP 0.5", "PING");
    assertThat(other.ask("PING")).isEqualTo("+PONG\r\n");
    assertThat(client.received()).isEmpty();
    wire.pass(500);
    assertThat(client.received()).isEqualTo("+OK\r\n+PONG\r\n");
  }

  @Test
  void pauseHoldsCommandsOnKeysBack() {
    Wire.Client client = wire.connect();
    Wire.Client other = wire.connect();
    other.ask("SET a 1");

    assertThat(client.ask("CLIENT PAUSE 60000 WRITE")).isEqualTo("+OK\r\n");
    assertThat(other.ask("GET a", "MULTI", "SET a 2", "EXEC", "GET a"))
        .isEqualTo("$1\r\n1\r\n+OK\r\n+QUEUED\r\n");
    assertThat(client.ask("CLIENT UNPAUSE")).isEqualTo("+OK\r\n");
    wire.settle();
    assertThat(other.received()).isEqualTo("*1\r\n+OK\r\n$1\r\n2\r\n");

    client.ask("CLIENT PAUSE 1000");
    assertThat(other.ask("PING", "GET a")).isEqualTo("+PONG\r\n");
    wire.pass(500);
    assertThat(other.received()).isEmpty();
    wire.pass(600);
    assertThat(other.received()).isEqualTo("$1\r\n2\r\n");
  }

  @Test
  void clientsThatAreHeldCannotFillMemory() {
    Wire.Client client = wire.connect();
    client.command("WAIT 1 0");
    String junk = "PING\r\n".repeat(10_000);

    client.send(junk);
    assertThat(client.channel.config().isAutoRead()).isTrue();
    client.send(junk);

    assertThat(client.channel.config().isAutoRead()).isFalse();
    assertThat(wire.state.stats().bufferedInputBytes()).isGreaterThan(60_000);
  }

  @Test
  void aDefectInACommandIsAnErrorAndNothingElse() {
    CommandSpec broken =
        CommandSpec.keyless(
            "BROKEN",
            1,
            java.util.Set.of(),
            context -> {
              context.reply().array(3);
              throw new IllegalStateException("a defect");
            });
    wire.state.table(new CommandTable(CommandCatalog.all(wire.state, java.util.List.of(broken))));
    Wire.Client client = wire.connect();

    assertThat(client.ask("PING", "BROKEN", "MULTI", "SET a 1", "BROKEN", "EXEC", "GET a"))
        .isEqualTo(
            String.join(
                "\r\n",
                "+PONG",
                "-ERR internal error, see the server's log",
                "+OK",
                "+QUEUED",
                "+QUEUED",
                "-ERR internal error, see the server's log",
                "$-1",
                ""));
  }

  @Test
  void infoSaysWhatToolsLookFor() {
    Wire.Client client = wire.connect();
    client.ask("SET a 1", "SET b 2 EX 100");

    String info = client.ask("INFO").toLowerCase(Locale.ROOT);

    assertThat(info)
        .contains("redis_version:7.2.0\r\n", "capsuledb_version:", "loading:0\r\n")
        .contains("connected_clients:1\r\n", "used_memory:", "blocked_clients:0\r\n")
        .contains("total_commands_processed:3\r\n", "total_connections_received:1\r\n")
        .contains("role:master\r\n", "db0:keys=2,expires=1,avg_ttl=0\r\n")
        .doesNotContain("cmdstat_");
    assertThat(client.ask("INFO commandstats"))
        .contains("cmdstat_set:calls=2\r\n")
        .doesNotContain("redis_version");
    assertThat(client.ask("INFO all")).contains("cmdstat_set:").contains("redis_version");
    assertThat(client.ask("INFO nosuch")).isEqualTo("$0\r\n\r\n");
    client.ask("CONFIG RESETSTAT");
    assertThat(client.ask("INFO stats")).contains("total_commands_processed:1\r\n");
  }
}
