package io.capsuledb.jepsen.history;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Writes a history as it happens, to {@code NAME.jsonl} and {@code NAME.edn}.
 *
 * <p>Invariants: the order of events in memory and in both files is that of their times; an invoke
 * is handed to the operating system before {@link #invoke} returns, so before a request leaves; a
 * process has at most one operation under way, and none after an INFO. Thread-safe.
 */
public final class HistoryRecorder implements AutoCloseable {

  /** Most events; a longer run is a longer list of runs. */
  public static final int MAX_EVENTS = 20_000_000;

  private final LongSupplier clock;
  private final Writer json;
  private final Writer edn;
  private final List<Op> events = new ArrayList<>();
  private final Map<Integer, Op> underWay = new HashMap<>();
  private final Set<Integer> retired = new HashSet<>();
  private long lastTimeNs;

  private HistoryRecorder(LongSupplier clock, Writer json, Writer edn) {
    this.clock = clock;
    this.json = json;
    this.edn = edn;
  }

  /**
   * Begins a history.
   *
   * @param clock nanoseconds since the run began; the same for all histories of a run
   * @throws UncheckedIOException if the files cannot be made
   */
  @SuppressWarnings("resource") // The recorder closes both.
  public static HistoryRecorder open(Path directory, String name, LongSupplier clock) {
    try {
      Files.createDirectories(directory);
      return new HistoryRecorder(
          clock,
          writer(directory.resolve(name + ".jsonl")),
          writer(directory.resolve(name + ".edn")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static BufferedWriter writer(Path file) throws IOException {
    return Files.newBufferedWriter(file, StandardCharsets.UTF_8);
  }

  /** Records that a process is about to ask for something. */
  public synchronized Op invoke(
      int process, String node, String function, @Nullable String key, Term value) {
    if (retired.contains(process) || underWay.containsKey(process)) {
      throw new IllegalStateException("process " + process + " may not act");
    }
    Op op =
        new Op(
            events.size(), now(), process, node, OpType.INVOKE, function, key, value, true, null);
    underWay.put(process, op);
    add(op);
    return op;
  }

  /** Records how an operation ended. */
  public synchronized Op complete(
      Op invoked, OpType type, Term value, boolean applied, @Nullable String error) {
    if (type == OpType.INVOKE || !invoked.equals(underWay.remove(invoked.process()))) {
      throw new IllegalStateException("not under way: " + invoked);
    }
    if (type == OpType.INFO) {
      retired.add(invoked.process());
    }
    Op op =
        new Op(
            events.size(),
            now(),
            invoked.process(),
            invoked.node(),
            type,
            invoked.function(),
            invoked.key(),
            value,
            applied,
            error);
    add(op);
    return op;
  }

  private long now() {
    lastTimeNs = Math.max(lastTimeNs, clock.getAsLong());
    return lastTimeNs;
  }

  private void add(Op op) {
    if (events.size() == MAX_EVENTS) {
      throw new IllegalStateException("a history holds at most " + MAX_EVENTS + " events");
    }
    events.add(op);
    try {
      json.write(OpCodec.toJson(op));
      json.write('\n');
      edn.write(OpCodec.toEdn(op));
      edn.write('\n');
      if (op.type() == OpType.INVOKE) {
        json.flush();
        edn.flush();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What was recorded so far. */
  public synchronized List<Op> events() {
    return List.copyOf(events);
  }

  @Override
  public synchronized void close() {
    try (json;
        edn) {
      edn.flush();
      json.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Reads a history back.
   *
   * @throws IllegalArgumentException if a line is no event
   * @throws UncheckedIOException if the file cannot be read
   */
  public static List<Op> read(Path jsonLines) {
    try (var lines = Files.lines(jsonLines, StandardCharsets.UTF_8)) {
      return lines
          .filter(line -> !line.isBlank())
          .limit(MAX_EVENTS)
          .map(OpCodec::fromJson)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
