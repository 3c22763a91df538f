package io.capsuledb.host.bench.replication;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.replica.ReplicaCaller;
import io.capsuledb.host.replica.SignedFrontiers;
import io.capsuledb.replication.protocol.Statement;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Durable writes a second on replicas, beside Redis and etcd on the same machine, disk and load;
 * and how fast a replica that lost everything is whole again.
 *
 * <p>One target is measured at a time. Those that are compared run all the while and take turns, in
 * an order that alternates, so that what else the machine does meets all alike.
 */
public final class ReplicationBench {

  /** Most replicas. */
  public static final int MAX_REPLICAS = 7;

  /** Of the peers: so many machines hold the data. */
  private static final int PEER_REPLICAS = 3;

  private static final int MAX_OUTSTANDING = 1000;
  private static final int MAX_VALUE_BYTES = 1 << 20;
  private static final int MAX_SECONDS = 3600;
  private static final int MAX_REBUILD_MB = 1 << 20;
  private static final int MAX_HEAL_MB = 16 << 10;
  private static final int WARM_UP_PART = 3;

  /** Replicas are warmed up so many times as long as a measurement takes. */
  private static final int WARM_UP_FACTOR = 3;

  private static final int WARM_UP_OUTSTANDING = 8;
  private static final int WARM_UP_VALUE_BYTES = 100;

  private static final int MEBI = 20;

  private static final int FILL_OUTSTANDING = 64;
  private static final int REBUILD_OUTSTANDING = 16;
  private static final int REBUILD_VALUE_BYTES = 1024;
  private static final long REBUILD_SECONDS = 3600;
  private static final long CALL_MS = 10_000;

  private final Options options;
  private final Clock clock;
  private final Consumer<String> progress;
  private final List<String> notes = new ArrayList<>();

  /**
   * Programs beside which to measure; what is null is left out.
   *
   * @param redis the program redis-server
   * @param etcd the program etcd
   * @param openssl the program openssl, which etcd's certificates need
   */
  public record Peers(@Nullable String redis, @Nullable String etcd, @Nullable String openssl) {
    /** No peer. */
    public static final Peers NONE = new Peers(null, null, null);
  }

  /**
   * What to measure.
   *
   * @param directory where everything is made, and removed again
   * @param replicas numbers of replicas
   * @param outstanding numbers of writes under way
   * @param valueSizes lengths of values, in bytes
   * @param seconds of each measurement, after a third of that to warm up
   * @param rebuildMb MiB of values that a replica is to lose; 0: no rebuild
   * @param healMbPerSecond most MiB a second that a replica fetches; 0: no limit
   * @param peers what to compare with
   * @param inProcess whether the replicas live in this process, for a try
   */
  public record Options(
      Path directory,
      List<Integer> replicas,
      List<Integer> outstanding,
      List<Integer> valueSizes,
      int seconds,
      int rebuildMb,
      int healMbPerSecond,
      Peers peers,
      boolean inProcess) {

    /** Checks every option. */
    public Options {
      replicas = List.copyOf(replicas);
      outstanding = List.copyOf(outstanding);
      valueSizes = List.copyOf(valueSizes);
      replicas.forEach(count -> check("replicas", count, 1, MAX_REPLICAS));
      outstanding.forEach(count -> check("outstanding", count, 1, MAX_OUTSTANDING));
      valueSizes.forEach(size -> check("sizes", size, 1, MAX_VALUE_BYTES));
      check("seconds", seconds, 1, MAX_SECONDS);
      check("rebuild-mb", rebuildMb, 0, MAX_REBUILD_MB);
      check("heal-mb-per-second", healMbPerSecond, 0, MAX_HEAL_MB);
      if (!Files.isDirectory(directory)) {
        throw new InvalidRequestException("dir is " + directory + ": allowed is a directory");
      }
    }

    private static void check(String name, int value, int least, int most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            name + " is " + value + ": allowed are " + least + " to " + most);
      }
    }
  }

  /**
   * One load on one target.
   *
   * @param target capsule, redis or etcd
   * @param replicas how many processes hold the data
   * @param outstanding writes under way
   * @param valueBytes length of values
   * @param sample what came out
   */
  public record Row(String target, int replicas, int outstanding, int valueBytes, Sample sample) {}

  /**
   * How a replica that lost everything became whole again.
   *
   * @param replicas how many there are
   * @param bytes of the records that it had lost
   * @param records how many
   * @param seconds from when its process was ready until it signed that it holds them again
   * @param before load on the others and it, before
   * @param during the same load meanwhile
   */
  public record Rebuild(
      int replicas, long bytes, long records, double seconds, Sample before, Sample during) {}

  /**
   * All of it.
   *
   * @param fileSystem the kind of file system everything was on
   * @param notes how the peers were measured, and what was left out
   * @param rebuild null if none was asked for
   */
  public record Report(
      String fileSystem, List<String> notes, List<Row> rows, @Nullable Rebuild rebuild) {

    /** Copies the lists. */
    public Report {
      notes = List.copyOf(notes);
      rows = List.copyOf(rows);
    }

    /** The row of a target, or null. */
    public @Nullable Row row(String target, int replicas, int outstanding, int valueBytes) {
      for (Row row : rows) {
        if (row.target().equals(target)
            && row.replicas() == replicas
            && row.outstanding() == outstanding
            && row.valueBytes() == valueBytes) {
          return row;
        }
      }
      return null;
    }

    /** How many times as many writes as a peer under the same load; 0 if it was not measured. */
    public double ratio(Row capsule, String peer) {
      Row other = row(peer, PEER_REPLICAS, capsule.outstanding(), capsule.valueBytes());
      return other == null ? 0 : capsule.sample().rate() / other.sample().rate();
    }
  }

  /** A run that has not begun. */
  public ReplicationBench(Options options, Clock clock, Consumer<String> progress) {
    this.options = options;
    this.clock = clock;
    this.progress = progress;
  }

  /** Runs all measurements; takes minutes. */
  public Report run() {
    try (Workplace workplace = new Workplace(options.directory())) {
      notes.add(
          "capsule: the engine in this process, writes gathered into signed records by load;"
              + " durable when a quorum has signed that it is on disk");
      List<Row> rows = new ArrayList<>();
      int compared =
          options.replicas().contains(PEER_REPLICAS)
              ? PEER_REPLICAS
              : options.replicas().isEmpty() ? 0 : options.replicas().getFirst();
      for (int count : options.replicas()) {
        if (count == compared) {
          try (Peer redis = redis(workplace);
              Peer etcd = etcd(workplace)) {
            List<Target> peers = new ArrayList<>();
            redis.addTo(peers);
            etcd.addTo(peers);
            measure(workplace, count, peers, rows);
          }
        } else {
          measure(workplace, count, List.of(), rows);
        }
      }
      Rebuild rebuild = options.rebuildMb() == 0 ? null : rebuild(workplace);
      return new Report(workplace.fileSystem(), notes, rows, rebuild);
    }
  }

  /** A peer that is there, or not. */
  private record Peer(@Nullable Target target) implements AutoCloseable {
    void addTo(List<Target> targets) {
      if (target != null) {
        targets.add(target);
      }
    }

    @Override
    public void close() {
      if (target != null) {
        target.close();
      }
    }
  }

  private Peer redis(Workplace workplace) {
    String program = options.peers().redis();
    if (program == null) {
      return new Peer(null);
    }
    progress.accept("starting redis with two replicas");
    notes.add(
        "redis: appendfsync always everywhere, two replicas, a connection for each writer, SET and"
            + " WAIT 1 in one piece; WAIT means a replica's memory, not its disk");
    return new Peer(new RedisTarget(program, workplace, clock));
  }

  private Peer etcd(Workplace workplace) {
    String program = options.peers().etcd();
    String openssl = options.peers().openssl();
    if (program == null || openssl == null) {
      return new Peer(null);
    }
    progress.accept("starting etcd with three members");
    notes.add(EtcdTarget.how());
    return new Peer(new EtcdTarget(program, openssl, workplace, clock));
  }

  private void measure(Workplace workplace, int count, List<Target> peers, List<Row> rows) {
    progress.accept("starting " + count + (count == 1 ? " replica" : " replicas"));
    Path directory = workplace.directory("capsule-" + count);
    try (Replicas replicas =
        Replicas.start(directory, count, options.inProcess(), options.healMbPerSecond())) {
      warmUp(workplace, count, replicas);
      boolean turned = false;
      for (int size : options.valueSizes()) {
        try (CapsuleTarget capsule =
            new CapsuleTarget(
                replicas.addresses(),
                workplace.directory("capsule-" + count + "/cache-" + size),
                clock)) {
          List<Target> targets = new ArrayList<>();
          targets.add(capsule);
          targets.addAll(peers);
          for (int outstanding : options.outstanding()) {
            Map<String, Row> measured = new TreeMap<>();
            for (Target target : turned ? targets.reversed() : targets) {
              int holders = target.equals(capsule) ? count : PEER_REPLICAS;
              progress.accept(
                  String.format(
                      Locale.ROOT,
                      "%s: %d replicas, %d outstanding, %,d bytes",
                      target.name(),
                      holders,
                      outstanding,
                      size));
              measured.put(
                  target.name(),
                  new Row(
                      target.name(),
                      holders,
                      outstanding,
                      size,
                      target.run(load(outstanding, size))));
            }
            rows.addAll(measured.values());
            turned = !turned;
          }
        }
      }
    }
    Workplace.delete(directory);
  }

  /** New JVMs run slowly; what is measured is how replicas run that have been up for a while. */
  private void warmUp(Workplace workplace, int count, Replicas replicas) {
    progress.accept("warming up " + count + (count == 1 ? " replica" : " replicas"));
    try (CapsuleTarget capsule =
        new CapsuleTarget(
            replicas.addresses(), workplace.directory("capsule-" + count + "/cache-warm"), clock)) {
      long nanos = TimeUnit.SECONDS.toNanos((long) WARM_UP_FACTOR * options.seconds());
      capsule.run(Load.timed(WARM_UP_OUTSTANDING, WARM_UP_VALUE_BYTES, 0, nanos));
    }
  }

  private Load load(int outstanding, int size) {
    long nanos = TimeUnit.SECONDS.toNanos(options.seconds());
    return Load.timed(outstanding, size, nanos / WARM_UP_PART, nanos);
  }

  // ------------------------------------------------------------------ rebuild

  private @Nullable Rebuild rebuild(Workplace workplace) {
    int count = options.replicas().stream().mapToInt(Integer::intValue).max().orElse(0);
    if (options.replicas().contains(PEER_REPLICAS)) {
      count = PEER_REPLICAS;
    }
    if (count < PEER_REPLICAS) {
      notes.add("no rebuild: with less than three replicas, no write is possible without one");
      return null;
    }
    progress.accept("rebuild: starting " + count + " replicas");
    Path directory = workplace.directory("rebuild");
    try (Replicas replicas =
            Replicas.start(directory, count, options.inProcess(), options.healMbPerSecond());
        CapsuleTarget capsule =
            new CapsuleTarget(replicas.addresses(), workplace.directory("rebuild/cache"), clock);
        ReplicaCaller caller =
            ReplicaCaller.open(replicas.addresses(), LinkSecurity.PLAIN, CALL_MS)) {
      warmUp(workplace, count, replicas);
      progress.accept("rebuild: writing " + options.rebuildMb() + " MiB");
      long writes = Math.max(1, ((long) options.rebuildMb() << MEBI) / REBUILD_VALUE_BYTES);
      capsule.run(
          new Load(
              FILL_OUTSTANDING,
              REBUILD_VALUE_BYTES,
              0,
              TimeUnit.SECONDS.toNanos(REBUILD_SECONDS),
              done -> done >= writes));
      progress.accept("rebuild: measuring before");
      Sample before = capsule.run(load(REBUILD_OUTSTANDING, REBUILD_VALUE_BYTES));
      ReplicaAddress lost = replicas.addresses().getLast();
      replicas.wipeLast();
      Map<Long, ChainHead> wanted =
          SignedFrontiers.ask(caller, caller.replicas().subList(0, count - 1), capsule.capsule())
              .highest();
      Map<Long, Long> heads =
          wanted.entrySet().stream()
              .collect(Collectors.toMap(Map.Entry::getKey, entry -> entry.getValue().sequence()));
      long bytes = capsule.recordBytes(heads);
      long records = heads.values().stream().mapToLong(Long::longValue).sum();
      progress.accept("rebuild: writing while the replica that was emptied comes back");
      replicas.restartLast();
      long begin = clock.monotonicNanos();
      AtomicBoolean whole = new AtomicBoolean();
      CompletableFuture<Double> rebuilt =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  awaitWhole(caller, lost, capsule, wanted);
                  return (clock.monotonicNanos() - begin) / 1e9;
                } finally {
                  whole.set(true);
                }
              });
      Sample during =
          capsule.run(
              new Load(
                  REBUILD_OUTSTANDING,
                  REBUILD_VALUE_BYTES,
                  0,
                  TimeUnit.SECONDS.toNanos(REBUILD_SECONDS),
                  done -> whole.get()));
      return new Rebuild(count, bytes, records, result(rebuilt), before, during);
    } finally {
      Workplace.delete(directory);
    }
  }

  private static double result(CompletableFuture<Double> rebuilt) {
    try {
      return rebuilt.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof CapsuleException known) {
        throw known;
      }
      throw e;
    }
  }

  /** Waits until a replica signs that it holds what the others held. */
  private void awaitWhole(
      ReplicaCaller caller,
      ReplicaAddress replica,
      CapsuleTarget capsule,
      Map<Long, ChainHead> wanted) {
    long deadline = clock.monotonicNanos() + TimeUnit.SECONDS.toNanos(REBUILD_SECONDS);
    while (clock.monotonicNanos() - deadline < 0) {
      Statement statement =
          SignedFrontiers.ask(caller, List.of(replica), capsule.capsule())
              .statements()
              .get(replica);
      if (statement != null && SignedFrontiers.lacking(statement, wanted) == 0) {
        return;
      }
      Workplace.pause();
    }
    throw new UnavailableException("the replica is not whole after " + REBUILD_SECONDS + " s");
  }
}
