package io.capsuledb.jepsen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.SetArgs;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.api.sync.RedisCommands;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Response;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.SetParams;

/** Programs as users of the two common Java clients write them. */
class ClientsTest {

  @TempDir static Path directory;
  private static ServerProcess server;

  @BeforeAll
  static void start() throws Exception {
    server = ServerProcess.start(directory.resolve("data"), directory.resolve("log"), List.of());
  }

  @AfterAll
  static void stop() throws Exception {
    assertThat(server.stop()).isZero();
  }

  @BeforeEach
  void empty() {
    try (Jedis jedis = new Jedis("127.0.0.1", server.port())) {
      assertThat(jedis.flushAll()).isEqualTo("OK");
    }
  }

  @Test
  void jedis() {
    try (Jedis jedis = new Jedis("127.0.0.1", server.port())) {
      assertThat(jedis.set("a", "1")).isEqualTo("OK");
      assertThat(jedis.get("a")).isEqualTo("1");
      assertThat(jedis.incrBy("a", 41)).isEqualTo(42);
      assertThat(jedis.set("a", "x", SetParams.setParams().nx())).isNull();
      assertThat(jedis.set("b", "y", SetParams.setParams().px(100_000))).isEqualTo("OK");
      assertThat(jedis.pttl("b")).isBetween(1L, 100_000L);
      assertThat(jedis.mget("a", "b", "c")).containsExactly("42", "y", null);
      assertThat(jedis.del("a", "b", "c")).isEqualTo(2);
      assertThatThrownBy(() -> jedis.decrBy("s", Long.MIN_VALUE))
          .isInstanceOf(JedisDataException.class);

      List<Response<String>> replies = new ArrayList<>();
      Pipeline pipeline = jedis.pipelined();
      for (int i = 0; i < 2000; i++) {
        pipeline.set("k" + i, "v" + i);
        replies.add(pipeline.get("k" + i));
      }
      pipeline.sync();
      for (int i = 0; i < 2000; i++) {
        assertThat(replies.get(i).get()).isEqualTo("v" + i);
      }

      Set<String> scanned = new HashSet<>();
      String cursor = ScanParams.SCAN_POINTER_START;
      do {
        var page = jedis.scan(cursor, new ScanParams().match("k1*").count(100));
        scanned.addAll(page.getResult());
        cursor = page.getCursor();
      } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
      assertThat(scanned).hasSize(1 + 10 + 100 + 1000).contains("k1", "k1999");

      jedis.watch("k1");
      Transaction transaction = jedis.multi();
      transaction.incr("n");
      transaction.set("k1", "changed");
      assertThat(transaction.exec()).containsExactly(1L, "OK");
      assertThat(jedis.dbSize()).isEqualTo(2001);
    }
  }

  @Test
  void jedisOverRespThree() {
    try (redis.clients.jedis.RedisClient jedis =
        redis.clients.jedis.RedisClient.builder().hostAndPort("127.0.0.1", server.port()).build()) {
      assertThat(jedis.set("a", "1")).isEqualTo("OK");
      assertThat(jedis.get("a")).isEqualTo("1");
      assertThat(jedis.get("none")).isNull();
      assertThat(jedis.incr("a")).isEqualTo(2);
      assertThat(jedis.exists("a")).isTrue();
    }
  }

  @Test
  void lettuce() throws Exception {
    try (RedisClient client = RedisClient.create("redis://127.0.0.1:" + server.port());
        StatefulRedisConnection<String, String> connection = client.connect()) {
      RedisCommands<String, String> sync = connection.sync();
      assertThat(sync.ping()).isEqualTo("PONG");
      assertThat(sync.set("a", "1", SetArgs.Builder.ex(100))).isEqualTo("OK");
      assertThat(sync.ttl("a")).isBetween(1L, 100L);
      assertThat(sync.getdel("a")).isEqualTo("1");
      assertThat(sync.get("a")).isNull();
      assertThat(sync.append("s", "hello ")).isEqualTo(6);
      assertThat(sync.append("s", "world")).isEqualTo(11);
      assertThat(sync.getrange("s", -5, -1)).isEqualTo("world");

      RedisAsyncCommands<String, String> async = connection.async();
      List<RedisFuture<String>> futures = new ArrayList<>();
      for (int i = 0; i < 2000; i++) {
        futures.add(async.set("k" + i, "v" + i));
      }
      for (RedisFuture<String> future : futures) {
        assertThat(future.get()).isEqualTo("OK");
      }
      assertThat(sync.dbsize()).isEqualTo(2001);

      sync.watch("k0");
      try (StatefulRedisConnection<String, String> other = client.connect()) {
        other.sync().set("k0", "by another");
      }
      sync.multi();
      sync.set("k0", "by me");
      TransactionResult aborted = sync.exec();
      assertThat(aborted.wasDiscarded()).isTrue();
      assertThat(sync.get("k0")).isEqualTo("by another");
      assertThat(sync.info("server")).contains("redis_version:");
    }
  }
}
