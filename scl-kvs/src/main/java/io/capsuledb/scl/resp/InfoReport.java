package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.engine.CapsuleDb;
import io.netty.buffer.PooledByteBufAllocator;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * The text of INFO: Redis' sections and field names, as far as they mean something here, and
 * CapsuleDB's own fields beside them.
 */
final class InfoReport {

  private static final System.Logger LOG = System.getLogger(InfoReport.class.getName());

  private static final Set<String> EVERYTHING = Set.of("all", "everything");
  private static final String DEFAULT = "default";
  private static final String COMMAND_STATS = "commandstats";

  private final ServerState state;
  private final Map<String, Supplier<Map<String, Object>>> sections = new LinkedHashMap<>();

  InfoReport(ServerState state) {
    this.state = state;
    sections.put("server", this::server);
    sections.put("clients", this::clients);
    sections.put("memory", this::memory);
    sections.put("persistence", this::persistence);
    sections.put("stats", this::stats);
    sections.put("replication", this::replication);
    sections.put(COMMAND_STATS, this::commandStats);
    state.options().info().keySet().forEach(name -> sections.putIfAbsent(name, Map::of));
    sections.put("keyspace", this::keyspace);
  }

  /**
   * The report.
   *
   * @param wanted lower-case section names; none means the usual ones
   */
  String text(Set<String> wanted) {
    boolean everything = wanted.stream().anyMatch(EVERYTHING::contains);
    boolean usual = wanted.isEmpty() || wanted.contains(DEFAULT);
    StringBuilder text = new StringBuilder();
    sections.forEach(
        (name, fields) -> {
          if (everything || wanted.contains(name) || (usual && !name.equals(COMMAND_STATS))) {
            append(text, name, fields.get());
          }
        });
    return text.toString();
  }

  private void append(StringBuilder text, String section, Map<String, Object> fields) {
    Map<String, Object> all = new LinkedHashMap<>(fields);
    Supplier<Map<String, String>> extra = state.options().info().get(section);
    if (extra != null) {
      all.putAll(extra.get());
    }
    if (!text.isEmpty()) {
      text.append("\r\n");
    }
    text.append("# ")
        .append(section.substring(0, 1).toUpperCase(Locale.ROOT))
        .append(section.substring(1))
        .append("\r\n");
    all.forEach((name, value) -> text.append(name).append(':').append(value).append("\r\n"));
  }

  private Map<String, Object> server() {
    long upS =
        TimeUnit.NANOSECONDS.toSeconds(state.clock().monotonicNanos() - state.startedNanos());
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("redis_version", ConnectionCommands.REDIS_VERSION);
    fields.put("capsuledb_version", state.options().version());
    fields.put("redis_mode", "standalone");
    fields.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
    fields.put("arch_bits", 64);
    fields.put("java_version", Runtime.version());
    fields.put("multiplexing_api", state.transport());
    fields.put("process_id", ProcessHandle.current().pid());
    fields.put("run_id", state.runId());
    fields.put(
        "tcp_port", state.addresses().isEmpty() ? 0 : state.addresses().getFirst().getPort());
    fields.put("server_time_usec", state.clock().wallMs() * 1000);
    fields.put("uptime_in_seconds", upS);
    fields.put("uptime_in_days", TimeUnit.SECONDS.toDays(upS));
    fields.put("io_threads_active", state.options().ioThreads() > 1 ? 1 : 0);
    return fields;
  }

  private Map<String, Object> clients() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("connected_clients", state.connectionCount());
    fields.put("cluster_connections", 0);
    fields.put("maxclients", state.maxClients());
    fields.put(
        "blocked_clients",
        state.connections().values().stream().filter(RespConnection::blocked).count());
    fields.put("tracking_clients", 0);
    fields.put("pending_replies", state.stats().pendingReplies());
    fields.put("input_buffer_bytes", state.input().usedBytes());
    fields.put("output_buffer_bytes", state.output().usedBytes());
    return fields;
  }

  private Map<String, Object> memory() {
    Runtime runtime = Runtime.getRuntime();
    long heap = runtime.totalMemory() - runtime.freeMemory();
    long direct = PooledByteBufAllocator.DEFAULT.metric().usedDirectMemory();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("used_memory", heap + direct);
    fields.put("used_memory_human", human(heap + direct));
    fields.put("used_memory_rss", runtime.totalMemory() + direct);
    fields.put("used_memory_heap", heap);
    fields.put("used_memory_network", direct);
    fields.put("maxmemory", 0);
    fields.put("maxmemory_human", human(0));
    fields.put("maxmemory_policy", "noeviction");
    fields.put("mem_allocator", "jvm");
    return fields;
  }

  /** As Redis prints sizes: 1.50M. */
  static String human(long bytes) {
    if (bytes < 1024) {
      return bytes + "B";
    }
    double size = bytes;
    String units = "KMGTP";
    int unit = -1;
    while (size >= 1024 && unit < units.length() - 1) {
      size /= 1024;
      unit++;
    }
    return String.format(Locale.ROOT, "%.2f%c", size, units.charAt(unit));
  }

  private Map<String, Object> persistence() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("loading", 0);
    fields.put("async_loading", 0);
    fields.put("rdb_changes_since_last_save", 0);
    fields.put("rdb_bgsave_in_progress", 0);
    fields.put("rdb_last_save_time", state.clock().wallMs() / 1000);
    fields.put("rdb_last_bgsave_status", "ok");
    fields.put("aof_enabled", 1);
    fields.put("aof_rewrite_in_progress", 0);
    fields.put("aof_rewrite_scheduled", 0);
    fields.put("aof_last_bgrewrite_status", "ok");
    fields.put("aof_last_write_status", state.db().failure() == null ? "ok" : "err");
    fields.put("capsule_committed_time", state.db().committedTime());
    fields.put("capsule_durable_time", state.db().durableTime());
    return fields;
  }

  private Map<String, Object> stats() {
    RespServerStats stats = state.stats();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("total_connections_received", stats.connectionsAccepted());
    fields.put("total_commands_processed", stats.commandsProcessed());
    fields.put("instantaneous_ops_per_sec", state.opsPerSecond());
    fields.put("total_net_input_bytes", stats.bytesIn());
    fields.put("total_net_output_bytes", stats.bytesOut());
    fields.put("rejected_connections", state.refusals().of(RefusalCounters.Cause.MAX_CLIENTS));
    fields.put("evicted_keys", 0);
    fields.put("pubsub_channels", 0);
    fields.put("pubsub_patterns", 0);
    fields.put("total_error_replies", stats.commandsFailed());
    fields.put(
        "client_query_buffer_limit_disconnections",
        state.refusals().of(RefusalCounters.Cause.INPUT_BUDGET));
    fields.put(
        "client_output_buffer_limit_disconnections",
        state.refusals().of(RefusalCounters.Cause.OUTPUT_LIMIT)
            + state.refusals().of(RefusalCounters.Cause.OUTPUT_BUDGET));
    return fields;
  }

  private Map<String, Object> replication() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("role", "master");
    fields.put("connected_slaves", 0);
    fields.put("master_failover_state", "no-failover");
    fields.put("master_replid", state.runId());
    fields.put("master_repl_offset", state.db().committedTime());
    fields.put("second_repl_offset", -1);
    fields.put("repl_backlog_active", 0);
    return fields;
  }

  private Map<String, Object> commandStats() {
    Map<String, Object> fields = new LinkedHashMap<>();
    state.stats().commands().entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(entry -> fields.put("cmdstat_" + entry.getKey(), "calls=" + entry.getValue()));
    return fields;
  }

  /** Exact where that takes milliseconds, else about, as far as a sweep of all keys would cost. */
  private Map<String, Object> keyspace() {
    CapsuleDb db = state.db();
    long keys = db.approximateEntries();
    if (keys <= CommandContext.SWEEP_ENTRIES && db.failure() == null) {
      keys = exactly(keys);
    }
    long expires = Math.min(keys, db.stats().expiring());
    return keys == 0
        ? Map.of()
        : Map.of("db0", "keys=" + keys + ",expires=" + expires + ",avg_ttl=0");
  }

  private long exactly(long about) {
    try {
      return ReservedKeys.countOthers(state.db());
    } catch (CapsuleException e) {
      // INFO is how a server is looked at that is not well: it says what it can.
      LOG.log(
          System.Logger.Level.WARNING,
          "event=info.keys_not_counted code={0} detail={1}",
          e.code(),
          e.getMessage());
      return about;
    }
  }
}
