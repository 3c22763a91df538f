package io.capsuledb.jepsen.fuzz;

import com.code_intelligence.jazzer.driver.Driver;
import com.code_intelligence.jazzer.driver.FuzzTargetRunner;
import com.code_intelligence.jazzer.utils.Log;
import io.capsuledb.core.sim.FuzzTarget;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A process in which Jazzer works on one decoder after the other. Most of the time that Jazzer
 * takes for a decoder is its start and the instrumenting of classes that decoders have in common:
 * here that is done once. Each decoder has a run of libFuzzer of its own, with its own corpus, time
 * and count. The first finding of any kind ends the process; who started it knows by {@link #BEGIN}
 * and {@link #END} which decoder it was, and starts another process for the rest.
 *
 * <p>{@link FuzzCommand} starts it, with the system properties that begin with {@link #PROPERTIES}.
 */
public final class Jazzed {

  /** What it is told: {@code seconds}, {@code hang}, {@code corpus}, {@code kept}, {@code mark}. */
  static final String PROPERTIES = "capsule.fuzz.";

  /** Before and after a decoder's run these stand on a line, after the mark, before its name. */
  static final String BEGIN = " begin ";

  static final String END = " end ";

  /** After the mark: the process stands still, and is about to say where, and to end itself. */
  static final String STUCK = " stuck";

  /** Longer inputs find nothing that shorter ones do not, but for lengths, which are fields. */
  static final int MAX_INPUT_BYTES = 4096;

  /** The exit code of a process that stood still. */
  static final int HANGS = 79;

  private static final String CURRENT = ".current-";

  private static @Nullable String decoder;
  private static @Nullable FuzzTarget target;
  private static @Nullable CurrentInput current;

  /** Grows by one when a decoder begins with an input, and when it has ended: odd while it runs. */
  private static final AtomicLong STEPS = new AtomicLong();

  private Jazzed() {}

  /** The file that tells what a process was at, by its mark. */
  static Path currentOf(Path corpus, String mark) {
    return corpus.resolve(CURRENT + mark);
  }

  private static String told(String name) {
    return Objects.requireNonNull(System.getProperty(PROPERTIES + name), name);
  }

  /** Fuzzes the decoders that are named, in this order. */
  public static void main(String[] names) throws IOException {
    Log.fixOutErr(System.out, System.err);
    String mark = told("mark");
    Path corpus = Path.of(told("corpus"));
    current = CurrentInput.create(currentOf(corpus, mark), MAX_INPUT_BYTES);
    Thread fuzzer = Thread.currentThread();
    Thread.ofPlatform()
        .daemon()
        .name("hangs")
        .start(() -> watch(fuzzer, 1_000_000_000L * Integer.parseInt(told("hang"))));
    boolean first = true;
    for (String name : names) {
      System.err.println(mark + BEGIN + name);
      decoder = name;
      int code;
      if (first) {
        // Installs the agent that instruments classes as they are loaded, then lets us prepare.
        code = Driver.start(arguments(name), false);
      } else {
        fuzzerInitialize();
        code = FuzzTargetRunner.startLibFuzzer(arguments(name));
      }
      if (code != 0) {
        Runtime.getRuntime().halt(code);
      }
      System.err.println(mark + END + name);
      first = false;
    }
    // Not by way of libFuzzer's handlers of the end of a process.
    Runtime.getRuntime().halt(0);
  }

  private static Path inputs(String name) throws IOException {
    return Files.createDirectories(Path.of(told("corpus"), name, "corpus"));
  }

  private static List<String> arguments(String name) throws IOException {
    Path inputs = inputs(name);
    // libFuzzer ends in the second after the one it is told.
    int seconds = Math.max(1, Integer.parseInt(told("seconds")) - 1);
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "jazzed",
                "-artifact_prefix=" + inputs.getParent() + "/",
                "-max_len=" + MAX_INPUT_BYTES,
                "-rss_limit_mb=3000",
                "-max_total_time=" + seconds,
                // The JVM has handlers of its own. Beginning a second run, libFuzzer would take its
                // own one of the first for what was there before it, and call itself for ever.
                "-handle_segv=0",
                "-handle_bus=0",
                "-handle_fpe=0",
                "-handle_ill=0",
                inputs.toString()));
    Optional.ofNullable(System.getProperty(PROPERTIES + "kept"))
        .map(kept -> Path.of(kept, name))
        .filter(Files::isDirectory)
        .ifPresent(kept -> arguments.add(kept.toString()));
    return arguments;
  }

  /** Called when classes that are loaded are instrumented, before libFuzzer reads the corpus. */
  public static void fuzzerInitialize() throws IOException {
    FuzzTarget next = FuzzTargets.of(Objects.requireNonNull(decoder));
    for (int i = 0; i < next.samples().size(); i++) {
      Files.write(inputs(next.name()).resolve("sample-" + i), next.samples().get(i));
    }
    target = next;
  }

  /** Called with every input. */
  public static void fuzzerTestOneInput(byte[] input) {
    CurrentInput at = Objects.requireNonNull(current);
    at.begins(input);
    STEPS.incrementAndGet();
    try {
      Objects.requireNonNull(target).run(input);
    } finally {
      STEPS.incrementAndGet();
    }
    // Not after a failure: should its report fail, too, the input is still known.
    at.ends();
  }

  /** Ends the process if an input takes too long, and says where it stands. */
  private static void watch(Thread fuzzer, long limitNs) {
    long seen = STEPS.get();
    long since = System.nanoTime();
    while (true) {
      try {
        Thread.sleep(100);
      } catch (InterruptedException e) {
        return;
      }
      long now = System.nanoTime();
      long steps = STEPS.get();
      if (steps != seen || (steps & 1) == 0) {
        seen = steps;
        since = now;
      } else if (now - since > limitNs) {
        System.err.println(told("mark") + STUCK);
        System.err.println("ERROR: an input takes more than " + limitNs / 1_000_000_000 + " s");
        for (StackTraceElement element : fuzzer.getStackTrace()) {
          System.err.println("\tat " + element);
        }
        Runtime.getRuntime().halt(HANGS);
      }
    }
  }
}
