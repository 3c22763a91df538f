package io.capsuledb.scl.resp;

import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * CONFIG: parameters under the names Redis gives them. Three kinds: some can really be changed;
 * some describe how this server is and can only be set to what they are; and some tune machinery
 * CapsuleDB does not have: those are taken and remembered, because tools set them, and do nothing.
 */
final class ConfigCommands {

  private static final int MAX_VALUE_CHARS = 1024;
  private static final long MAX_PATTERN_WORK = 1 << 22;

  /** A parameter's value, and what may be done with it. */
  private interface Parameter {
    String value();

    /**
     * Checks a new value.
     *
     * @return what sets it
     * @throws IllegalArgumentException saying why it is not allowed
     */
    Runnable prepare(String newValue);
  }

  /** A parameter that says how things are. */
  private record Fixed(Supplier<String> current) implements Parameter {
    @Override
    public String value() {
      return current.get();
    }

    @Override
    public Runnable prepare(String newValue) {
      if (!newValue.equals(value())) {
        throw new IllegalArgumentException("can't set immutable config");
      }
      return () -> {};
    }
  }

  /** A number that can be changed. */
  private record Changeable(Supplier<Long> current, long least, long most, LongConsumer setter)
      implements Parameter {
    @Override
    public String value() {
      return current.get().toString();
    }

    @Override
    public Runnable prepare(String newValue) {
      byte[] text = newValue.getBytes(StandardCharsets.UTF_8);
      if (!Operands.isInteger(text, 0, text.length)) {
        throw new IllegalArgumentException("argument couldn't be parsed into an integer");
      }
      long number = Operands.integer(text, 0, text.length);
      if (number < least || number > most) {
        throw new IllegalArgumentException(
            "argument must be between " + least + " and " + most + " inclusive");
      }
      return () -> setter.accept(number);
    }
  }

  /** A parameter without effect. */
  private static final class Remembered implements Parameter {
    private volatile String value;

    Remembered(String initial) {
      this.value = initial;
    }

    @Override
    public String value() {
      return value;
    }

    @Override
    public Runnable prepare(String newValue) {
      if (newValue.length() > MAX_VALUE_CHARS) {
        throw new IllegalArgumentException(
            "argument must not be longer than " + MAX_VALUE_CHARS + " characters");
      }
      return () -> value = newValue;
    }
  }

  /** Names and Redis' defaults of parameters that do nothing here. */
  private static final String[][] REMEMBERED = {
    {"active-expire-effort", "1"},
    {"activedefrag", "no"},
    {"aof-use-rdb-preamble", "yes"},
    {"auto-aof-rewrite-min-size", "67108864"},
    {"auto-aof-rewrite-percentage", "100"},
    {"busy-reply-threshold", "5000"},
    {"client-output-buffer-limit", "normal 0 0 0"},
    {"client-query-buffer-limit", "1073741824"},
    {"crash-log-enabled", "yes"},
    {"dynamic-hz", "yes"},
    {"hash-max-listpack-entries", "128"},
    {"hash-max-listpack-value", "64"},
    {"hash-max-ziplist-entries", "128"},
    {"hash-max-ziplist-value", "64"},
    {"hz", "10"},
    {"io-threads-do-reads", "no"},
    {"latency-monitor-threshold", "0"},
    {"latency-tracking", "yes"},
    {"lazyfree-lazy-eviction", "no"},
    {"lazyfree-lazy-expire", "no"},
    {"lazyfree-lazy-server-del", "no"},
    {"lazyfree-lazy-user-del", "no"},
    {"lazyfree-lazy-user-flush", "no"},
    {"lfu-decay-time", "1"},
    {"lfu-log-factor", "10"},
    {"list-compress-depth", "0"},
    {"list-max-listpack-size", "-2"},
    {"list-max-ziplist-size", "-2"},
    {"loglevel", "notice"},
    {"lua-time-limit", "5000"},
    {"maxmemory-clients", "0"},
    {"maxmemory-eviction-tenacity", "10"},
    {"maxmemory-samples", "5"},
    {"min-replicas-max-lag", "10"},
    {"min-replicas-to-write", "0"},
    {"no-appendfsync-on-rewrite", "no"},
    {"notify-keyspace-events", ""},
    {"oom-score-adj", "no"},
    {"proto-inline-max-size", "65536"},
    {"rdb-key-save-delay", "0"},
    {"rdb-save-incremental-fsync", "yes"},
    {"rdbcompression", "yes"},
    {"repl-backlog-size", "1048576"},
    {"repl-diskless-load", "disabled"},
    {"repl-diskless-sync", "yes"},
    {"repl-diskless-sync-delay", "5"},
    {"repl-ping-replica-period", "10"},
    {"repl-timeout", "60"},
    {"replica-serve-stale-data", "yes"},
    {"sanitize-dump-payload", "no"},
    {"save", ""},
    {"set-max-intset-entries", "512"},
    {"set-max-listpack-entries", "128"},
    {"set-max-listpack-value", "64"},
    {"slowlog-log-slower-than", "10000"},
    {"slowlog-max-len", "128"},
    {"stop-writes-on-bgsave-error", "yes"},
    {"stream-node-max-bytes", "4096"},
    {"stream-node-max-entries", "100"},
    {"tcp-keepalive", "300"},
    {"tracking-table-max-keys", "1000000"},
    {"watchdog-period", "0"},
    {"zset-max-listpack-entries", "128"},
    {"zset-max-listpack-value", "64"},
    {"zset-max-ziplist-entries", "128"},
    {"zset-max-ziplist-value", "64"},
  };

  private final ServerState state;
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();

  ConfigCommands(ServerState state) {
    this.state = state;
    RespServerOptions options = state.options();
    boolean tls = options.tls() != null;
    fixed("appendfsync", () -> "always");
    fixed("appendonly", () -> "yes");
    fixed("bind", this::hosts);
    fixed("cluster-enabled", () -> "no");
    fixed("daemonize", () -> "no");
    fixed("databases", () -> "1");
    fixed("dbfilename", () -> "");
    fixed("dir", () -> "");
    fixed("io-threads", () -> Integer.toString(options.ioThreads()));
    fixed("logfile", () -> "");
    // Data is on disk: memory does not bound it.
    fixed("maxmemory", () -> "0");
    fixed("maxmemory-policy", () -> "noeviction");
    fixed("port", () -> tls ? "0" : port());
    fixed("proto-max-bulk-len", () -> Integer.toString(RespParser.MAX_ARGUMENT_BYTES));
    fixed("protected-mode", () -> "yes");
    fixed("replicaof", () -> "");
    fixed("requirepass", () -> "");
    fixed("tcp-backlog", () -> Integer.toString(options.backlog()));
    fixed("tls-port", () -> tls ? port() : "0");
    fixed("tls-protocols", () -> tls ? "TLSv1.3" : "");
    fixed("unixsocket", () -> "");
    parameters.put(
        "maxclients",
        new Changeable(
            () -> (long) state.maxClients(),
            1,
            RespServerOptions.MAX_CLIENTS,
            value -> state.maxClients((int) value)));
    parameters.put(
        "timeout",
        new Changeable(
            () -> TimeUnit.MILLISECONDS.toSeconds(state.idleTimeoutMs()),
            0,
            TimeUnit.MILLISECONDS.toSeconds(RespServerOptions.MAX_IDLE_TIMEOUT_MS),
            value -> state.idleTimeoutMs(TimeUnit.SECONDS.toMillis(value))));
    for (String[] remembered : REMEMBERED) {
      parameters.put(remembered[0], new Remembered(remembered[1]));
    }
  }

  private void fixed(String name, Supplier<String> current) {
    parameters.put(name, new Fixed(current));
  }

  private String hosts() {
    return state.addresses().stream()
        .map(address -> address.getAddress().getHostAddress())
        .distinct()
        .collect(Collectors.joining(" "));
  }

  private String port() {
    List<InetSocketAddress> addresses = state.addresses();
    return addresses.isEmpty() ? "0" : Integer.toString(addresses.getFirst().getPort());
  }

  List<CommandSpec> specs() {
    Subcommands config =
        new Subcommands("CONFIG")
            .add("GET", -3, "<pattern> ...: return parameters.", this::get)
            .admin("SET", -4, "<name> <value> ...: set parameters.", this::set)
            .admin("RESETSTAT", 2, "Start counters again at zero.", this::resetStat)
            .admin(
                "REWRITE",
                2,
                "Not supported: the configuration file is the operator's.",
                context -> {
                  throw new CommandException("ERR The server is running without a config file");
                });
    return List.of(CommandSpec.keyless("CONFIG", -2, Set.of(), config));
  }

  private void get(CommandContext context) {
    Map<String, String> found = new LinkedHashMap<>();
    for (int i = 2; i < context.count(); i++) {
      byte[] pattern =
          new String(context.argument(i), StandardCharsets.ISO_8859_1)
              .toLowerCase(Locale.ROOT)
              .getBytes(StandardCharsets.ISO_8859_1);
      Glob glob = new Glob(pattern, MAX_PATTERN_WORK);
      parameters.forEach(
          (name, parameter) -> {
            if (glob.matches(name.getBytes(StandardCharsets.US_ASCII))) {
              found.put(name, parameter.value());
            }
          });
    }
    context.reply().map(found.size());
    found.forEach(
        (name, value) -> {
          context.reply().bulk(name);
          context.reply().bulk(value);
        });
  }

  /** Sets all or nothing. */
  private void set(CommandContext context) {
    if (context.count() % 2 != 0) {
      throw Refusals.wrongArity("config|set");
    }
    Map<String, Runnable> changes = new LinkedHashMap<>();
    Set<String> seen = new HashSet<>();
    for (int i = 2; i < context.count(); i += 2) {
      String name =
          new String(context.argument(i), StandardCharsets.UTF_8).toLowerCase(Locale.ROOT);
      @Nullable Parameter parameter = parameters.get(name);
      if (parameter == null) {
        throw new CommandException(
            "ERR Unknown option or number of arguments for CONFIG SET - '" + name + "'");
      }
      if (!seen.add(name)) {
        throw failed(name, "duplicate parameter");
      }
      try {
        changes.put(
            name, parameter.prepare(new String(context.argument(i + 1), StandardCharsets.UTF_8)));
      } catch (IllegalArgumentException e) {
        throw failed(name, e.getMessage());
      }
    }
    changes.values().forEach(Runnable::run);
    context.reply().ok();
  }

  private static CommandException failed(String name, @Nullable String why) {
    return new CommandException(
        "ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + why);
  }

  private void resetStat(CommandContext context) {
    state.resetStats();
    context.reply().ok();
  }
}
