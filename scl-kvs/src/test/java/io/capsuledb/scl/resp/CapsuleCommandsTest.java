package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.CapsuleDbOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** CAPSULE.* over a socket, with blocks so small that few keys make several of them. */
class CapsuleCommandsTest {

  private static final Pattern RECORD = Pattern.compile("record\r\n\\$64\r\n([0-9a-f]{64})\r\n");

  private LiveServer live;
  private Peer peer;

  @BeforeEach
  void start() throws IOException {
    live =
        new LiveServer(
            RespServerOptions.builder(),
            List.of(),
            CapsuleDbOptions.builder().blockBytes(512).cacheBytes(0));
    peer = live.connect();
  }

  @AfterEach
  void stop() throws IOException {
    peer.close();
    live.close();
  }

  private List<String> records(String history) {
    List<String> records = new ArrayList<>();
    Matcher matcher = RECORD.matcher(history);
    while (matcher.find()) {
      records.add(matcher.group(1));
    }
    return records;
  }

  @Test
  void aProofIsOfTheNewestState() throws IOException {
    peer.ask("SET key one");
    assertThat(peer.ask("CAPSULE.PROOF key")).startsWith("$").contains("CAPPROOF", "one");
    assertThat(peer.ask("CAPSULE.PROOF nothing")).startsWith("$").contains("CAPPROOF");
    assertThat(peer.ask("CAPSULE.PROOF")).startsWith("-ERR wrong number of arguments");
  }

  @Test
  void historyTellsEveryVersionAndGetGoesBackToEach() throws IOException {
    peer.ask("SET key one");
    peer.ask("SET key two");
    peer.ask("DEL key");
    peer.ask("RPUSH key a b");
    String history = peer.ask("CAPSULE.HISTORY key");
    assertThat(history).startsWith("*4\r\n");
    List<String> records = records(history);
    assertThat(records).hasSize(4).doesNotHaveDuplicates();
    assertThat(history.split("signature\r\n\\$5\r\nvalid\r\n", -1)).hasSize(5);
    assertThat(history).containsSubsequence("*2\r\n$1\r\na\r\n$1\r\nb", "$-1", "two", "one");
    assertThat(peer.ask("CAPSULE.HISTORY key COUNT 2")).startsWith("*2\r\n");
    assertThat(peer.ask("CAPSULE.HISTORY nothing")).isEqualTo("*0\r\n");

    for (String flushed : List.of("no", "yes")) {
      assertThat(peer.ask("CAPSULE.GET key AT " + records.get(3)))
          .as(flushed)
          .isEqualTo("$3\r\none\r\n");
      assertThat(peer.ask("CAPSULE.GET key at " + records.get(2))).isEqualTo("$3\r\ntwo\r\n");
      assertThat(peer.ask("CAPSULE.GET key AT " + records.get(1))).isEqualTo("$-1\r\n");
      assertThat(peer.ask("CAPSULE.GET key AT " + records.get(0)))
          .isEqualTo("*2\r\n$1\r\na\r\n$1\r\nb\r\n");
      assertThat(peer.ask("CAPSULE.GET other AT " + records.get(0))).isEqualTo("$-1\r\n");
      assertThat(peer.ask("CAPSULE.COMPACT")).isEqualTo("+OK\r\n");
    }
    assertThat(records(peer.ask("CAPSULE.HISTORY key"))).isEqualTo(records);

    assertThat(peer.ask("CAPSULE.GET key AT " + "0".repeat(64)))
        .startsWith("-ERR no record of data has the hash");
    assertThat(peer.ask("CAPSULE.GET key AT x"))
        .isEqualTo("-ERR a record hash is 64 hex digits\r\n");
    assertThat(peer.ask("CAPSULE.GET key IN " + records.get(0))).isEqualTo("-ERR syntax error\r\n");
    assertThat(peer.ask("CAPSULE.HISTORY key COUNT 0")).startsWith("-ERR COUNT is out of range");
    assertThat(peer.ask("CAPSULE.HISTORY key COUNT")).isEqualTo("-ERR syntax error\r\n");
  }

  @Test
  void flushAndCompactReturnWhenItIsDone() throws IOException {
    for (int i = 0; i < 100; i++) {
      peer.ask("SET key" + i + " " + "v".repeat(50));
    }
    assertThat(live.db.stats().memtableEntries()).isEqualTo(100);
    assertThat(peer.ask("CAPSULE.FLUSH")).isEqualTo("+OK\r\n");
    assertThat(live.db.stats().memtableEntries()).isZero();
    assertThat(live.db.stats().tableEntries()).isEqualTo(100);
    for (int i = 0; i < 100; i++) {
      peer.ask("SET key" + i + " again");
    }
    assertThat(peer.ask("CAPSULE.COMPACT")).isEqualTo("+OK\r\n");
    assertThat(live.db.stats().level0Runs()).isZero();
    peer.ask("FLUSHALL");
    assertThat(peer.ask("CAPSULE.COMPACT")).isEqualTo("+OK\r\n");
    assertThat(live.db.isSettled()).isTrue();
    assertThat(live.db.stats().level0Runs()).isZero();
    String info = peer.ask("CAPSULE.INFO");
    assertThat(info)
        .contains("level_bytes", "history_ms\r\n:600000", "write_pressure\r\n$5\r\n0.000");
  }

  /** They wait for what there was when they were asked, and not for what others go on to write. */
  @Test
  void flushAndCompactReturnWhileOthersWrite() throws Exception {
    for (int i = 0; i < 100; i++) {
      peer.ask("SET key" + i + " " + "v".repeat(50));
    }
    java.util.concurrent.atomic.AtomicBoolean stop =
        new java.util.concurrent.atomic.AtomicBoolean();
    Thread writer =
        Thread.ofPlatform()
            .start(
                () -> {
                  for (int i = 0; !stop.get(); i++) {
                    try (io.capsuledb.engine.Transaction txn = live.db.begin()) {
                      txn.put(
                          ("other" + i % 1000).getBytes(java.nio.charset.StandardCharsets.UTF_8),
                          io.capsuledb.engine.ValueType.STRING,
                          new byte[100],
                          0);
                      txn.commit();
                    }
                    if (i % 100 == 0) {
                      // So the engine hardly ever settles.
                      live.db.flush();
                    }
                    java.util.concurrent.locks.LockSupport.parkNanos(100_000);
                  }
                });
    try {
      for (int i = 0; i < 3; i++) {
        long before = live.db.committedTime();
        assertThat(peer.ask("CAPSULE.FLUSH")).isEqualTo("+OK\r\n");
        assertThat(live.db.isFlushed(before)).isTrue();
        assertThat(peer.ask("CAPSULE.COMPACT")).isEqualTo("+OK\r\n");
      }
    } finally {
      stop.set(true);
      writer.join();
    }
    assertThat(peer.ask("GET key7")).isEqualTo("$50\r\n" + "v".repeat(50) + "\r\n");
  }

  @Test
  void aDamagedBlockIsAnErrorOfTheReadsThatNeedIt() throws IOException {
    int keys = 200;
    for (int i = 0; i < keys; i++) {
      peer.ask(String.format("SET key%03d %s", i, "v".repeat(50)));
    }
    assertThat(peer.ask("CAPSULE.FLUSH")).isEqualTo("+OK\r\n");
    damageOneBlock();
    int damaged = 0;
    for (int i = 0; i < keys; i++) {
      String reply = peer.ask(String.format("GET key%03d", i));
      if (reply.startsWith("-INTEGRITY ")) {
        damaged++;
        String key = String.format("key%03d", i);
        assertThat(peer.ask("STRLEN " + key)).startsWith("-INTEGRITY ");
        assertThat(peer.ask("APPEND " + key + " x")).startsWith("-INTEGRITY ");
        peer.send("MULTI\r\nGET " + key + "\r\nSET new 1\r\nEXEC\r\n");
        assertThat(peer.reply() + peer.reply() + peer.reply())
            .isEqualTo("+OK\r\n+QUEUED\r\n+QUEUED\r\n");
        assertThat(peer.reply()).matches("(?s)\\*2\r\n-INTEGRITY [^\r]*\r\n\\+OK\r\n");
        assertThat(peer.ask("SET " + key + " again")).isEqualTo("+OK\r\n");
        assertThat(peer.ask("GET " + key)).isEqualTo("$5\r\nagain\r\n");
      } else {
        assertThat(reply).isEqualTo("$50\r\n" + "v".repeat(50) + "\r\n");
      }
    }
    assertThat(damaged).isBetween(1, keys - 1);
    assertThat(peer.ask("DBSIZE")).startsWith("-INTEGRITY ");
    assertThat(peer.ask("KEYS *")).startsWith("-INTEGRITY ");
    assertThat(peer.ask("SCAN 0 COUNT 1000")).startsWith("-INTEGRITY ");
    assertThat(peer.ask("INFO keyspace")).contains("db0:keys=");
    assertThat(peer.ask("SET more 1")).isEqualTo("+OK\r\n");
    assertThat(live.db.failure()).isNull();
  }

  /** The second block of entries: the first may be an index. */
  private void damageOneBlock() {
    int block = 0;
    for (long writer : live.store.writers()) {
      for (long sequence = 1; sequence <= live.store.newestSequence(writer); sequence++) {
        byte[] bytes = live.store.read(writer, sequence);
        if (bytes != null && RecordCodec.typeOf(bytes) == RecordType.BLOCK && ++block == 3) {
          live.disk.forgeByte(writer, sequence, bytes.length / 2);
          return;
        }
      }
    }
    throw new AssertionError("there are only " + block + " blocks");
  }
}
