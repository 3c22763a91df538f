package io.capsuledb.host.bench;

import io.capsuledb.core.port.Clock;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Compares FCALL of this server with that of Redis, which runs the same as a Lua function: both
 * durable before the reply, on the same machine, disk and load, measured in turn.
 */
public final class ProcedureBench {

  private static final int CLIENTS = 50;
  private static final List<Integer> PIPELINES = List.of(1, 16);

  /** How much longer than a figure is measured for a function is called before the first. */
  private static final int WARM_UPS = 4;

  private static final List<String> FUNCTIONS = List.of("empty", "getput");

  private static final String JAVASCRIPT =
      """
      #!js name=bench engine=duktape
      register_function('empty', function () {});
      register_function('getput', function (keys) { put(keys[1], get(keys[0])) });
      """;

  private static final String LUA =
      """
      #!lua name=bench
      redis.register_function('empty', function() end)
      redis.register_function('getput', function(keys)
        redis.call('SET', keys[2], redis.call('GET', keys[1])) end)
      """;

  private final Path directory;
  private final @Nullable String redisProgram;
  private final long eachMs;
  private final Clock clock;
  private final Consumer<String> progress;

  /**
   * A bench.
   *
   * @param directory where the servers' directories are made
   * @param redisProgram the program {@code redis-server}, or null to leave Redis out
   * @param eachMs how long each figure is measured for
   * @param progress told what is being measured, one sentence each
   */
  public ProcedureBench(
      Path directory,
      @Nullable String redisProgram,
      long eachMs,
      Clock clock,
      Consumer<String> progress) {
    this.directory = directory;
    this.redisProgram = redisProgram;
    this.eachMs = eachMs;
    this.clock = clock;
    this.progress = progress;
  }

  /**
   * One line of the comparison.
   *
   * @param function what was called
   * @param pipeline calls that a client sent before it waited
   * @param ours calls per second
   * @param redis calls per second of Redis; 0 if it is not there
   */
  public record Row(String function, int pipeline, double ours, double redis) {}

  /** Runs all measurements, with 50 clients. */
  public List<Row> run() {
    try (ServerProcess ours = ServerProcess.capsule(directory, clock)) {
      prepare(ours, JAVASCRIPT);
      if (redisProgram == null) {
        return rows(ours, null);
      }
      try (ServerProcess redis = ServerProcess.redis(redisProgram, directory, clock)) {
        prepare(redis, LUA);
        return rows(ours, redis);
      }
    }
  }

  private List<Row> rows(ServerProcess ours, @Nullable ServerProcess redis) {
    List<Row> rows = new ArrayList<>();
    for (String function : FUNCTIONS) {
      progress.accept("FCALL " + function + ", warming up");
      withLoad(ours, function, PIPELINES.getLast(), this::warmUp);
      if (redis != null) {
        withLoad(redis, function, PIPELINES.getLast(), this::warmUp);
      }
      for (int pipeline : PIPELINES) {
        progress.accept("FCALL " + function + ", pipeline " + pipeline);
        rows.add(
            new Row(
                function,
                pipeline,
                measure(ours, function, pipeline),
                redis == null ? 0 : measure(redis, function, pipeline)));
      }
    }
    return rows;
  }

  private static RespClient connect(ServerProcess server) {
    return RespClient.open(
        ClientOptions.builder()
            .address(new HostPort("127.0.0.1", server.address().getPort()))
            .build());
  }

  private static byte[][] words(String... words) {
    byte[][] bytes = new byte[words.length][];
    for (int i = 0; i < words.length; i++) {
      bytes[i] = words[i].getBytes(StandardCharsets.UTF_8);
    }
    return bytes;
  }

  private static void prepare(ServerProcess server, String library) {
    try (RespClient client = connect(server)) {
      client.update(words("FUNCTION", "LOAD", library));
      client.update(words("SET", "from", "0123456789".repeat(10)));
    }
  }

  private double warmUp(FcallLoad load) {
    load.warmUp(WARM_UPS * eachMs, clock);
    return 0;
  }

  private double measure(ServerProcess server, String function, int pipeline) {
    return withLoad(server, function, pipeline, load -> load.perSecond(eachMs, clock));
  }

  private static double withLoad(
      ServerProcess server, String function, int pipeline, ToDoubleFunction<FcallLoad> what) {
    List<RespClient> clients = new ArrayList<>();
    try {
      for (int i = 0; i < CLIENTS; i++) {
        clients.add(connect(server));
      }
      return what.applyAsDouble(
          new FcallLoad(clients, words("FCALL", function, "2", "from", "to"), pipeline));
    } finally {
      clients.forEach(RespClient::close);
    }
  }
}
