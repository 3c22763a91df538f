package io.capsuledb.engine.lsm;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.MergeCursor;
import io.capsuledb.engine.lsm.Manifest.Run;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the levels in shape: merges level 0 into level 1 when it has too many runs, and a table of
 * a level that is too large into the next.
 *
 * <p>A <i>job</i> is one merge. Its input falls into groups of tables that overlap; a table that
 * overlaps no other is moved as it is. Each step writes one table, so that the agent stays
 * responsive and the rate is kept; when all groups are done, one manifest replaces the input by the
 * output. Until then nobody sees any of it: a crash leaves blocks that no manifest names, and the
 * job is begun again.
 *
 * <p>Jobs run one at a time, beside flushes: a flush adds runs above the input and changes nothing
 * below. One thread steps.
 */
final class Compactor {

  /** Runs of level 0 from which on compaction is in a hurry and no rate is kept. */
  private static final int HURRY_RUNS = 16;

  /** Runs of level 0 from which on compaction goes at its full rate, whatever clients do. */
  private static final int FULL_RATE_RUNS = 12;

  /** This part of its rate is what compaction takes from busy clients, as long as it may wait. */
  private static final double BUSY_PART = 1.0 / 8;

  /** Tables of a level above 0 that one job takes from it at most. */
  private static final int MAX_JOB_TABLES = 16;

  /** Tables a job writes between two reminders of which manifest is in force. */
  private static final int REMINDER_TABLES = 16;

  private static final double NANOS_PER_SECOND = 1e9;

  private final Tree tree;
  private final TreeOptions options;
  private final Tree.Ports ports;
  private final TreeChain chain;

  /** Where the next job of each level begins: behind the last key of the one before. */
  private final byte[] @Nullable [] resumeAt = new byte[Manifest.LEVELS][];

  private @Nullable Job job;
  private long nextWriteNanos;
  private volatile boolean busy;

  /** How often everything was asked to be merged. */
  private final AtomicLong requests = new AtomicLong();

  /** The newest of these that a job was picked for, and the newest that is done. */
  private volatile long taken;

  private volatile long done;
  private volatile @Nullable IntegrityException blocked;

  Compactor(Tree tree, TreeOptions options, Tree.Ports ports, TreeChain chain) {
    this.tree = tree;
    this.options = options;
    this.ports = ports;
    this.chain = chain;
  }

  /** Asks for a merge of everything; returns the number of the request. */
  long requestAll() {
    return requests.incrementAndGet();
  }

  /** Whether a request was served, by a merge that began after it. */
  boolean isDone(long request) {
    return done >= request;
  }

  boolean isIdle() {
    return !busy && requests.get() == done;
  }

  private boolean isAllRequested() {
    return requests.get() > taken;
  }

  private void refuseRequests() {
    taken = requests.get();
    done = taken;
  }

  /** Gives up: what is damaged cannot be merged. Reads and flushes go on. */
  void abandon(IntegrityException cause) {
    Job current = job;
    if (current != null) {
      current.releaseView();
      tree.leave(current.work);
    }
    job = null;
    busy = false;
    blocked = cause;
    refuseRequests();
  }

  /** Lets go of the job under way: another worker compacts. */
  void drop() {
    Job current = job;
    if (current != null) {
      current.releaseView();
      tree.leave(current.work);
    }
    job = null;
    busy = false;
    refuseRequests();
  }

  @Nullable IntegrityException blocked() {
    return blocked;
  }

  /** One step; returns whether there may be more to do at once. */
  boolean step() {
    if (blocked != null) {
      refuseRequests();
      return false;
    }
    Job current = job;
    if (current == null) {
      busy = true;
      current = pick();
      job = current;
      if (current == null) {
        busy = false;
        return false;
      }
    }
    if (isTooFast()) {
      return false;
    }
    long written = current.step();
    if (options.compactionBytesPerSecond() > 0) {
      long pauseNanos = (long) (written * NANOS_PER_SECOND / rate());
      nextWriteNanos = Math.max(nextWriteNanos, ports.clock().monotonicNanos()) + pauseNanos;
    }
    if (current.isDone()) {
      current.install();
      done = Math.max(done, current.request);
      job = null;
    }
    return true;
  }

  /**
   * Bytes to write in a second. Level 0 is where compaction may put off its work: while clients are
   * busy it takes little from them, and the more the longer level 0 has become.
   */
  private double rate() {
    if (!tree.load().isBusy()) {
      return options.compactionBytesPerSecond();
    }
    double urgency =
        (double) (tree.level0Runs() - TreeOptions.LEVEL_0_RUNS)
            / (FULL_RATE_RUNS - TreeOptions.LEVEL_0_RUNS);
    return options.compactionBytesPerSecond() * Math.clamp(urgency, BUSY_PART, 1);
  }

  private boolean isTooFast() {
    return options.compactionBytesPerSecond() > 0
        && !isAllRequested()
        && tree.level0Runs() < HURRY_RUNS
        && ports.clock().monotonicNanos() < nextWriteNanos;
  }

  // ------------------------------------------------------------------ picking

  private @Nullable Job pick() {
    ReadView view = tree.acquireTables();
    Job picked = null;
    try {
      picked = pick(view);
      return picked;
    } finally {
      if (picked == null) {
        view.release();
      }
    }
  }

  private @Nullable Job pick(ReadView view) {
    List<Run> runs = view.manifest().runs();
    if (isAllRequested()) {
      taken = requests.get();
      if (runs.isEmpty()) {
        done = taken;
        return null;
      }
      long bytes = 0;
      int deepest = 1;
      for (Run run : runs) {
        bytes += run.bytes();
        deepest = Math.max(deepest, run.level());
      }
      while (deepest < Manifest.LEVELS - 1 && options.levelBytes(deepest) < bytes) {
        deepest++;
      }
      return new Job(view, tablesOf(runs), deepest, taken);
    }
    // The level that is most beyond what it should be. Level 0 alone would starve the others, and
    // with them grow what each of its own merges has to rewrite.
    List<Run> level0 = runs.stream().filter(r -> r.level() == 0).toList();
    double worst = 1;
    Run largest = null;
    for (Run run : runs) {
      if (run.level() > 0 && run.level() < Manifest.LEVELS - 1) {
        double score = (double) run.bytes() / options.levelBytes(run.level());
        if (score > worst) {
          worst = score;
          largest = run;
        }
      }
    }
    if (level0.size() >= TreeOptions.LEVEL_0_RUNS
        && (largest == null || (double) level0.size() / TreeOptions.LEVEL_0_RUNS >= worst)) {
      List<TableDescriptor> input = tablesOf(level0);
      input.addAll(overlapping(runs, 1, input));
      return new Job(view, input, 1, 0);
    }
    if (largest == null) {
      return null;
    }
    List<TableDescriptor> input = nextTables(largest);
    input.addAll(overlapping(runs, largest.level() + 1, input));
    return new Job(view, input, largest.level() + 1, 0);
  }

  private static List<TableDescriptor> tablesOf(List<Run> runs) {
    List<TableDescriptor> tables = new ArrayList<>();
    runs.forEach(run -> tables.addAll(run.tables()));
    return tables;
  }

  private static List<TableDescriptor> overlapping(
      List<Run> runs, int level, List<TableDescriptor> with) {
    List<TableDescriptor> found = new ArrayList<>();
    for (Run run : runs) {
      if (run.level() == level) {
        for (TableDescriptor table : run.tables()) {
          if (with.stream().anyMatch(table::overlaps)) {
            found.add(table);
          }
        }
      }
    }
    return found;
  }

  /** As many tables as the level has too much, in the order of their keys, after those before. */
  private List<TableDescriptor> nextTables(Run run) {
    List<TableDescriptor> tables = run.tables();
    byte[] from = resumeAt[run.level()];
    int first = 0;
    if (from != null) {
      while (first < tables.size()
          && Arrays.compareUnsigned(tables.get(first).firstKey(), from) <= 0) {
        first++;
      }
      first = first == tables.size() ? 0 : first;
    }
    long excess = run.bytes() - options.levelBytes(run.level());
    List<TableDescriptor> next = new ArrayList<>();
    for (int i = first; i < tables.size() && next.size() < MAX_JOB_TABLES; i++) {
      next.add(tables.get(i));
      excess -= tables.get(i).bytes();
      if (excess <= 0) {
        break;
      }
    }
    resumeAt[run.level()] = next.getLast().lastKey();
    return next;
  }

  // ------------------------------------------------------------------ jobs

  /** One merge; holds its view until it is installed or abandoned. */
  private final class Job {
    private final ReadView view;
    private final TreeChain.Work work = chain.work();
    private boolean viewReleased;
    private final Set<Hash32> input = new HashSet<>();
    private final int outputLevel;
    private final long request;
    private final long floorTime;
    private final List<List<TableDescriptor>> groups = new ArrayList<>();
    private final List<TableDescriptor> dead = new ArrayList<>();
    private final List<TableDescriptor> output = new ArrayList<>();
    private final List<Hash32> deadValues = new ArrayList<>();
    private int nextGroup;
    private @Nullable RunWriter writer;

    /**
     * A merge.
     *
     * @param request number of the request to merge everything, also tables that overlap no other;
     *     0 if there is none
     */
    Job(ReadView view, List<TableDescriptor> tables, int outputLevel, long request) {
      boolean rewrite = request > 0;
      this.view = view;
      this.request = request;
      this.outputLevel = outputLevel;
      this.floorTime = tree.retention().raiseFloor(view.manifest().coveredTime());
      for (TableDescriptor table : tables) {
        input.add(table.index());
      }
      List<TableDescriptor> sorted = new ArrayList<>(tables);
      sorted.sort(Comparator.comparing(TableDescriptor::firstKey, Arrays::compareUnsigned));
      List<TableDescriptor> group = new ArrayList<>();
      byte[] lastKey = {};
      for (TableDescriptor table : sorted) {
        if (!group.isEmpty() && Arrays.compareUnsigned(table.firstKey(), lastKey) > 0) {
          close(group, rewrite);
          group = new ArrayList<>();
        }
        if (group.isEmpty() || Arrays.compareUnsigned(table.lastKey(), lastKey) > 0) {
          lastKey = table.lastKey();
        }
        group.add(table);
      }
      close(group, rewrite);
    }

    private void close(List<TableDescriptor> group, boolean rewrite) {
      if (group.size() == 1 && !rewrite) {
        output.add(group.getFirst());
      } else {
        groups.add(group);
        dead.addAll(group);
      }
    }

    boolean isDone() {
      return writer == null && nextGroup == groups.size();
    }

    /** Writes one table; returns its bytes. */
    long step() {
      if (isDone()) {
        return 0;
      }
      RunWriter run = writer;
      if (run == null) {
        run = open(groups.get(nextGroup++));
      }
      writer = run.isDone() ? null : run;
      if (writer == null) {
        return 0;
      }
      TableDescriptor table = run.next();
      writer = run.isDone() ? null : run;
      output.add(table);
      if (output.size() % REMINDER_TABLES == 0) {
        tree.remind();
      }
      ports.telemetry().count(Telemetry.Counter.COMPACTION_BYTES_WRITTEN, table.bytes());
      return table.bytes();
    }

    private RunWriter open(List<TableDescriptor> group) {
      Set<Hash32> members = new HashSet<>();
      group.forEach(table -> members.add(table.index()));
      List<EntryCursor> sources = new ArrayList<>();
      for (TableRun run : view.runs()) {
        List<Table> tables = new ArrayList<>();
        for (Table table : run.tables()) {
          if (members.contains(table.descriptor().index())) {
            tables.add(table);
            ports
                .telemetry()
                .count(Telemetry.Counter.COMPACTION_BYTES_READ, table.descriptor().bytes());
          }
        }
        if (!tables.isEmpty()) {
          sources.add(new TableRun(run.level(), tables).scan());
        }
      }
      EntrySieve sieve =
          new EntrySieve(
              new MergeCursor(sources),
              floorTime,
              view.clears().at(floorTime),
              tree.retention().expiredByMs(),
              this::isBelow,
              this::dropped);
      return new RunWriter(sieve, chain, work, options, ports.entropy());
    }

    private boolean isBelow(byte[] key) {
      for (TableRun run : view.runs()) {
        if (run.level() > outputLevel && run.mayHold(key)) {
          return true;
        }
      }
      return false;
    }

    private void dropped(Entry entry) {
      if (entry.kind() == EntryKind.POINTER) {
        deadValues.add(ValuePointer.decode(entry.value()).orThrow().record());
      }
    }

    /** Once: a job that is given up while it is installed has let go of it already. */
    void releaseView() {
      if (!viewReleased) {
        viewReleased = true;
        view.release();
      }
    }

    void install() {
      releaseView();
      List<Checkpoint.Range> superseded = new ArrayList<>();
      for (TableDescriptor table : dead) {
        superseded.add(
            new Checkpoint.Range(table.writer(), table.firstSequence(), table.lastSequence()));
      }
      for (Hash32 value : deadValues) {
        Checkpoint.Range range = tree.rangeOf(value);
        if (range != null) {
          superseded.add(range);
        }
      }
      tree.install(this::edit, work, null, superseded);
      ports.telemetry().count(Telemetry.Counter.COMPACTIONS, 1);
    }

    private List<Run> edit(Manifest manifest) {
      List<Run> runs = new ArrayList<>();
      List<TableDescriptor> level = new ArrayList<>(output);
      for (Run run : manifest.runs()) {
        List<TableDescriptor> left = new ArrayList<>();
        for (TableDescriptor table : run.tables()) {
          if (!input.contains(table.index())) {
            left.add(table);
          }
        }
        if (run.level() == outputLevel) {
          level.addAll(left);
        } else if (!left.isEmpty()) {
          runs.add(new Run(run.level(), List.copyOf(left)));
        }
      }
      if (!level.isEmpty()) {
        level.sort(Comparator.comparing(TableDescriptor::firstKey, Arrays::compareUnsigned));
        int at = 0;
        while (at < runs.size() && runs.get(at).level() < outputLevel) {
          at++;
        }
        runs.add(at, new Run(outputLevel, List.copyOf(level)));
      }
      return List.copyOf(runs);
    }
  }
}
