package io.capsuledb.scl.resp;

import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.engine.CapsuleDb;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What all connections and event loops of a server share. Thread-safe.
 *
 * <p>Built in two steps, because commands refer to it and it to the commands: {@link #table} is set
 * once, before the first connection.
 */
final class ServerState {

  private static final int RUN_ID_BYTES = 20;

  private final CapsuleDb db;
  private final RespServerOptions options;
  private final Clock clock;
  private final Telemetry telemetry;
  private final Authenticator authenticator;
  private final Workers workers = new Workers();
  private final ScanCursors scanCursors;
  private final PauseGate gate;
  private final Procedures procedures;
  private final RefusalCounters refusals;
  private final MemoryBudget input;
  private final MemoryBudget output;
  private final Map<Long, RespConnection> connections = new ConcurrentHashMap<>();
  private final AtomicInteger connectionCount = new AtomicInteger();
  private final AtomicLong connectionsAccepted = new AtomicLong();
  private final AtomicLong nextClientId = new AtomicLong(1);
  private final List<LoopState> loops = new CopyOnWriteArrayList<>();
  private final String runId;
  private final long startedWallMs;
  private final long startedNanos;

  private volatile CommandTable table = new CommandTable(List.of());
  private volatile int maxClients;
  private volatile long idleTimeoutMs;
  private volatile long opsPerSecond;
  private volatile String transport = "none";
  private volatile List<java.net.InetSocketAddress> addresses = List.of();

  ServerState(
      CapsuleDb db, RespServerOptions options, Clock clock, Entropy entropy, Telemetry telemetry) {
    this.db = db;
    this.options = options;
    this.clock = clock;
    this.telemetry = telemetry;
    this.authenticator = new Authenticator(options.users(), entropy);
    this.scanCursors = new ScanCursors(entropy);
    this.gate = new PauseGate(clock);
    this.procedures = new Procedures(db, options.procedures(), clock, options.sharing());
    this.refusals = new RefusalCounters(clock);
    this.input = new MemoryBudget(options.maxInputBytes());
    this.output = new MemoryBudget(options.maxOutputBytes());
    this.maxClients = options.maxClients();
    this.idleTimeoutMs = options.idleTimeoutMs();
    byte[] id = new byte[RUN_ID_BYTES];
    entropy.fill(id);
    this.runId = HexFormat.of().formatHex(id);
    this.startedWallMs = clock.wallMs();
    this.startedNanos = clock.monotonicNanos();
  }

  CapsuleDb db() {
    return db;
  }

  RespServerOptions options() {
    return options;
  }

  Clock clock() {
    return clock;
  }

  Telemetry telemetry() {
    return telemetry;
  }

  Authenticator authenticator() {
    return authenticator;
  }

  Workers workers() {
    return workers;
  }

  ScanCursors scanCursors() {
    return scanCursors;
  }

  Procedures procedures() {
    return procedures;
  }

  PauseGate gate() {
    return gate;
  }

  RefusalCounters refusals() {
    return refusals;
  }

  MemoryBudget input() {
    return input;
  }

  MemoryBudget output() {
    return output;
  }

  CommandTable table() {
    return table;
  }

  void table(CommandTable commands) {
    this.table = commands;
  }

  List<LoopState> loops() {
    return loops;
  }

  String runId() {
    return runId;
  }

  long startedWallMs() {
    return startedWallMs;
  }

  long startedNanos() {
    return startedNanos;
  }

  int maxClients() {
    return maxClients;
  }

  void maxClients(int most) {
    this.maxClients = most;
  }

  long idleTimeoutMs() {
    return idleTimeoutMs;
  }

  void idleTimeoutMs(long milliseconds) {
    this.idleTimeoutMs = milliseconds;
  }

  /** Commands per second, lately. */
  long opsPerSecond() {
    return opsPerSecond;
  }

  void opsPerSecond(long rate) {
    this.opsPerSecond = rate;
  }

  String transport() {
    return transport;
  }

  void transport(String name) {
    this.transport = name;
  }

  /** Addresses the server listens on, with their real ports. */
  List<java.net.InetSocketAddress> addresses() {
    return addresses;
  }

  void addresses(List<java.net.InetSocketAddress> bound) {
    this.addresses = List.copyOf(bound);
  }

  /** Takes a place for a connection; false if all are taken. */
  boolean admit() {
    if (connectionCount.incrementAndGet() > maxClients) {
      connectionCount.decrementAndGet();
      return false;
    }
    connectionsAccepted.incrementAndGet();
    return true;
  }

  /** Gives the place back. */
  void leave() {
    connectionCount.decrementAndGet();
  }

  long nextClientId() {
    return nextClientId.getAndIncrement();
  }

  /** Open connections by client id. */
  Map<Long, RespConnection> connections() {
    return connections;
  }

  int connectionCount() {
    return connectionCount.get();
  }

  /** Sums up what the loops count. */
  RespServerStats stats() {
    long pendingReplies = 0;
    long pendingBytes = 0;
    long bytesIn = 0;
    long bytesOut = 0;
    long failed = 0;
    Map<String, Long> commands = new LinkedHashMap<>();
    for (LoopState loop : loops) {
      pendingReplies += loop.pendingReplies();
      pendingBytes += loop.pendingBytes();
      bytesIn += loop.bytesIn();
      bytesOut += loop.bytesOut();
      failed += loop.counters().failures();
    }
    for (CommandTable.Command command : table.all()) {
      long calls = 0;
      for (LoopState loop : loops) {
        calls += loop.counters().calls(command.id());
      }
      if (calls > 0) {
        commands.put(command.spec().name().toLowerCase(Locale.ROOT), calls);
      }
    }
    return new RespServerStats(
        connectionCount(),
        connectionsAccepted.get(),
        pendingReplies,
        pendingBytes,
        input.usedBytes(),
        output.usedBytes(),
        bytesIn,
        bytesOut,
        failed,
        commands,
        refusals.snapshot());
  }

  /** CONFIG RESETSTAT. */
  void resetStats() {
    connectionsAccepted.set(0);
    loops.forEach(LoopState::resetStats);
  }
}
