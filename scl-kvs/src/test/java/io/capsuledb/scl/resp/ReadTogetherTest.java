package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.sim.SimEntropy;
import io.netty.buffer.Unpooled;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Reads of several keys see all of a write or nothing of it, whatever other connections do. */
class ReadTogetherTest {

  private static final int WRITES = 5000;

  private static final Pattern SAME_TWICE = Pattern.compile("\\[(\"\\d+\"), \\1]");

  @Test
  void severalKeysAreReadAsOfOneMoment() throws Exception {
    try (CommandRunner runner = new CommandRunner();
        ExecutorService pool = Executors.newSingleThreadExecutor()) {
      runner.run("MSET", "a", "0", "b", "0");
      runner.run("SET", "here", "");
      AtomicBoolean done = new AtomicBoolean();
      Callable<Integer> readUntilDone =
          () -> {
            CommandContext context = new CommandContext(runner.db(), runner.clock);
            int reads = 0;
            do {
              assertThat(read(context, "MGET", "a", "b")).matches(SAME_TWICE);
              assertThat(read(context, "EXISTS", "here", "there")).isEqualTo(":1");
              reads++;
            } while (!done.get());
            return reads;
          };
      Future<Integer> reader = pool.submit(readUntilDone);
      for (int i = 1; i <= WRITES && !reader.isDone(); i++) {
        String value = Integer.toString(i);
        runner.run("MSET", "a", value, "b", value);
        runner.run("RENAME", i % 2 == 1 ? "here" : "there", i % 2 == 1 ? "there" : "here");
      }
      done.set(true);
      assertThat(reader.get(1, TimeUnit.MINUTES)).isPositive();
    }
  }

  private static String read(CommandContext context, String... words) {
    byte[][] arguments = new byte[words.length][];
    for (int i = 0; i < words.length; i++) {
      arguments[i] = CommandRunner.bytes(words[i]);
    }
    var out = Unpooled.buffer();
    context.prepare(arguments, null, new RespWriter(out));
    KeyspaceCommands.allSpecs(new ScanCursors(new SimEntropy(1))).stream()
        .filter(spec -> spec.name().equals(words[0]))
        .findFirst()
        .orElseThrow()
        .body()
        .run(context);
    return Replies.render(out);
  }
}
