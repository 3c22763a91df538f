package io.capsuledb.host.config;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.log.EventLog;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How a server is to run. Immutable; made by a {@link Builder} from flags and a file. */
public final class ServeOptions {

  private static final int MIN_DEFAULT_MEMTABLE_MB = 16;
  private static final int MAX_DEFAULT_MEMTABLE_MB = 256;
  private static final int MAX_MEMTABLE_MB = 1024;
  private static final int MAX_DEFAULT_CACHE_MB = 1024;
  private static final int MAX_CACHE_MB = 1 << 20;
  private static final int DEFAULT_HISTORY_MINUTES = 10;
  private static final int MAX_ROTATE_HOURS = 10 * 365 * 24;
  private static final int MAX_HISTORY_MINUTES = 10 * 365 * 24 * 60;
  private static final int DEFAULT_COMPACTION_MB_PER_SECOND = 32;
  private static final int MAX_COMPACTION_MB_PER_SECOND = 1 << 20;
  private static final int MAX_IO_THREADS = 64;
  private static final int MAX_DEFAULT_IO_THREADS = 8;
  private static final int DEFAULT_MAX_CLIENTS = 10_000;
  private static final int MAX_MAX_CLIENTS = 100_000;

  private final Path data;
  private final HostPort listen;
  private final @Nullable HostPort http;
  private final @Nullable Path passphraseFile;
  private final @Nullable Path tlsCert;
  private final @Nullable Path tlsKey;
  private final @Nullable Path tlsCa;
  private final @Nullable Path users;
  private final List<ReplicaAddress> replicas;
  private final @Nullable Path replicasFile;
  private final int quorum;
  private final LinkSecurity replicaLinks;
  private final int memtableMb;
  private final int cacheMb;
  private final int historyMinutes;
  private final int compactionMbPerSecond;
  private final int ioThreads;
  private final int maxClients;
  private final EventLog.Detail logLevel;
  private final boolean shared;
  private final boolean enclave;
  private final List<HostPort> join;
  private final @Nullable HostPort router;
  private final int epochMs;
  private final int leaseMs;
  private final boolean linearizable;
  private final boolean derivedKeys;
  private final int rotateHours;
  private final boolean rotateEachCall;
  private final boolean rotateOnSeal;

  private ServeOptions(Builder builder, LinkSecurity replicaLinks) {
    this.replicas = List.copyOf(builder.replicas);
    this.replicasFile = builder.replicasFile;
    this.quorum = builder.quorum;
    this.replicaLinks = replicaLinks;
    this.data = builder.data;
    this.listen = builder.listen;
    this.http = builder.http;
    this.passphraseFile = builder.passphraseFile;
    this.tlsCert = builder.tlsCert;
    this.tlsKey = builder.tlsKey;
    this.tlsCa = builder.tlsCa;
    this.users = builder.users;
    this.memtableMb = builder.memtableMb;
    this.cacheMb = builder.cacheMb;
    this.historyMinutes = builder.historyMinutes;
    this.compactionMbPerSecond = builder.compactionMbPerSecond;
    this.ioThreads = builder.ioThreads;
    this.maxClients = builder.maxClients;
    this.logLevel = builder.logLevel;
    this.shared = builder.shared;
    this.join = List.copyOf(builder.join);
    this.router = builder.router;
    this.epochMs = builder.epochMs;
    this.leaseMs = builder.leaseMs;
    this.linearizable = builder.linearizable;
    this.derivedKeys = builder.derivedKeys;
    this.rotateHours = builder.rotateHours;
    this.rotateEachCall = builder.rotateEachCall;
    this.rotateOnSeal = builder.rotateOnSeal;
    this.enclave = builder.enclave;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Takes settings as text, later ones over earlier ones; {@link #build} checks them together. */
  public static final class Builder {
    private Path data = Path.of("capsule-data");
    private HostPort listen = new HostPort("127.0.0.1", 6380);
    private @Nullable HostPort http = new HostPort("127.0.0.1", 7380);
    private @Nullable Path passphraseFile;
    private @Nullable Path tlsCert;
    private @Nullable Path tlsKey;
    private @Nullable Path tlsCa;
    private @Nullable Path users;
    private List<ReplicaAddress> replicas = List.of();
    private @Nullable Path replicasFile;
    private int quorum;
    private LinkSecurity.Transport replicaTransport = LinkSecurity.Transport.PLAIN;
    private @Nullable Path replicaTlsCert;
    private @Nullable Path replicaTlsKey;
    private @Nullable Path replicaTlsCa;
    private int memtableMb = defaultMemtableMb();
    private int cacheMb = defaultCacheMb();
    private int historyMinutes = DEFAULT_HISTORY_MINUTES;
    private int compactionMbPerSecond = DEFAULT_COMPACTION_MB_PER_SECOND;
    private int ioThreads = defaultIoThreads();
    private int maxClients = DEFAULT_MAX_CLIENTS;
    private EventLog.Detail logLevel = EventLog.Detail.INFO;
    private boolean shared;
    private boolean enclave;
    private List<HostPort> join = List.of();
    private @Nullable HostPort router;
    private int epochMs = 1_000;
    private int leaseMs = 2_000;
    private boolean linearizable;
    private boolean derivedKeys;
    private int rotateHours;
    private boolean rotateEachCall;
    private boolean rotateOnSeal;
    private @Nullable ServeSetting forWorkers;

    private Builder() {}

    private static boolean yes(ServeSetting setting, String value) {
      return switch (value) {
        case "no" -> false;
        case "yes" -> true;
        default -> throw SettingValues.wrong(setting, value, "yes or no", null);
      };
    }

    /**
     * The 24th part of the largest heap, which the JVM makes a quarter of the memory there is: six
     * of them together take as much as the cache, and writes of a busy while fit them.
     */
    private static int defaultMemtableMb() {
      long part = (Runtime.getRuntime().maxMemory() >> 20) / 24;
      return Math.clamp(part, MIN_DEFAULT_MEMTABLE_MB, MAX_DEFAULT_MEMTABLE_MB);
    }

    /** A quarter of the largest heap: the rest is for clients, compaction and the collector. */
    private static int defaultCacheMb() {
      return (int) Math.min((Runtime.getRuntime().maxMemory() >> 20) / 4, MAX_DEFAULT_CACHE_MB);
    }

    /**
     * Half of the processors, for sealing and storing want theirs too. As measured on two: one
     * thread serves single GETs 15 % faster than two, pipelined ones 30 % slower, and SETs alike.
     */
    private static int defaultIoThreads() {
      int half = Runtime.getRuntime().availableProcessors() / 2;
      return Math.clamp(half, 1, MAX_DEFAULT_IO_THREADS);
    }

    /**
     * Sets one setting.
     *
     * @param base the directory that a relative path is relative to
     * @throws InvalidRequestException if the value is not allowed; the message does not say where
     *     the value came from, that is for the caller to add
     */
    public Builder set(ServeSetting setting, String value, Path base) {
      switch (setting) {
        case DATA -> data = SettingValues.path(setting, value, base);
        case LISTEN -> listen = SettingValues.hostPort(setting, value, "");
        case HTTP ->
            http =
                value.equals("none") ? null : SettingValues.hostPort(setting, value, ", or none");
        case PASSPHRASE_FILE -> passphraseFile = SettingValues.path(setting, value, base);
        case TLS_CERT -> tlsCert = SettingValues.path(setting, value, base);
        case TLS_KEY -> tlsKey = SettingValues.path(setting, value, base);
        case TLS_CA -> tlsCa = SettingValues.path(setting, value, base);
        case USERS -> users = SettingValues.path(setting, value, base);
        case REPLICAS -> {
          replicas = SettingValues.replicas(setting, value, base);
          replicasFile = value.startsWith("@") ? base.resolve(value.substring(1)) : null;
        }
        case QUORUM ->
            quorum = SettingValues.number(setting, value, 1, CapsuleMetadata.MAX_REPLICAS);
        case REPLICA_TRANSPORT -> replicaTransport = LinkSecurity.parse(value);
        case REPLICA_TLS_CERT -> replicaTlsCert = SettingValues.path(setting, value, base);
        case REPLICA_TLS_KEY -> replicaTlsKey = SettingValues.path(setting, value, base);
        case REPLICA_TLS_CA -> replicaTlsCa = SettingValues.path(setting, value, base);
        case MEMTABLE_MB -> memtableMb = SettingValues.number(setting, value, 1, MAX_MEMTABLE_MB);
        case CACHE_MB -> cacheMb = SettingValues.number(setting, value, 0, MAX_CACHE_MB);
        case HISTORY_MINUTES ->
            historyMinutes = SettingValues.number(setting, value, 0, MAX_HISTORY_MINUTES);
        case COMPACTION_MB_PER_SECOND ->
            compactionMbPerSecond =
                SettingValues.number(setting, value, 0, MAX_COMPACTION_MB_PER_SECOND);
        case IO_THREADS -> ioThreads = SettingValues.number(setting, value, 1, MAX_IO_THREADS);
        case MAX_CLIENTS -> maxClients = SettingValues.number(setting, value, 1, MAX_MAX_CLIENTS);
        case JOIN -> {
          join = SettingValues.hostPorts(setting, value, RouterProcessOptions.MAX_PARENTS);
          forWorkers = setting;
        }
        case ROUTER -> {
          router = SettingValues.hostPort(setting, value, "");
          forWorkers = setting;
        }
        case EPOCH_MS -> {
          epochMs = SettingValues.number(setting, value, 10, 3_600_000);
          forWorkers = setting;
        }
        case LEASE_MS -> {
          leaseMs = SettingValues.number(setting, value, 100, 3_600_000);
          forWorkers = setting;
        }
        case KEY_DIRECTORY -> {
          derivedKeys =
              switch (value) {
                case "roster" -> false;
                case "derived" -> true;
                default -> throw SettingValues.wrong(setting, value, "roster or derived", null);
              };
        }
        case ROTATE_HOURS ->
            rotateHours = SettingValues.number(setting, value, 0, MAX_ROTATE_HOURS);
        case ROTATE_EACH_CALL -> rotateEachCall = yes(setting, value);
        case ROTATE_ON_SEAL -> rotateOnSeal = yes(setting, value);
        case CONSISTENCY -> {
          linearizable =
              switch (value) {
                case "sessions" -> false;
                case "linearizable" -> true;
                default ->
                    throw SettingValues.wrong(setting, value, "sessions or linearizable", null);
              };
        }
        case ENCLAVE ->
            enclave =
                switch (value) {
                  case "none" -> false;
                  case "process" -> true;
                  default -> throw SettingValues.wrong(setting, value, "none or process", null);
                };
        case LOG_LEVEL -> logLevel = SettingValues.detail(setting, value);
      }
      return this;
    }

    private static void requireLoopback(String setting, HostPort address) {
      if (!address.resolve().getAddress().isLoopbackAddress()) {
        throw new InvalidRequestException(
            setting
                + ": "
                + address
                + " is not on loopback, and replica-transport is 'plain', which everybody on the"
                + " way can read: use tls");
      }
    }

    private boolean replicaLinksAreTls() {
      return replicaTransport == LinkSecurity.Transport.TLS;
    }

    /** Whether other workers write the same data; not by default. */
    public Builder shared(boolean others) {
      shared = others;
      return this;
    }

    /**
     * Checks the settings against each other.
     *
     * @throws InvalidRequestException if they do not fit together
     */
    public ServeOptions build() {
      ServeSetting forOthers = forWorkers;
      if (shared && replicas.isEmpty()) {
        throw new InvalidRequestException(
            "replicas is not set: a worker shares data that are on replicas");
      }
      if (!shared && forOthers != null) {
        throw new InvalidRequestException(
            forOthers.key()
                + " is set, which is for 'capsule worker': a server alone has no others");
      }
      if (!replicaLinksAreTls()) {
        join.forEach(address -> requireLoopback("join", address));
        if (router != null) {
          requireLoopback("router", router);
        }
      } else if (router != null && (replicaTlsCert == null || replicaTlsKey == null)) {
        throw new InvalidRequestException(
            "router is set without replica-tls-cert and replica-tls-key: who is a router shows a"
                + " certificate");
      }
      if ((tlsCert == null) != (tlsKey == null)) {
        throw new InvalidRequestException(
            (tlsCert == null ? "tls-key" : "tls-cert")
                + " is set without "
                + (tlsCert == null ? "tls-cert" : "tls-key")
                + ": TLS needs both");
      }
      if (tlsCa != null && tlsCert == null) {
        throw new InvalidRequestException(
            "tls-ca is set without tls-cert and tls-key: checking clients' certificates needs TLS");
      }
      if (http != null && http.port() != 0 && http.port() == listen.port()) {
        throw new InvalidRequestException(
            "http is '" + http + "': the port is that of listen; allowed is another one, or none");
      }
      LinkSecurity links =
          LinkSecurity.of(
              "replica-", replicaTransport, replicaTlsCert, replicaTlsKey, replicaTlsCa);
      if (replicas.isEmpty() && (quorum != 0 || links.isTls())) {
        throw new InvalidRequestException(
            (quorum != 0 ? "quorum" : "replica-transport")
                + " is set and replicas is not: name the replicas");
      }
      if (quorum != 0 && (quorum > replicas.size() || quorum < replicas.size() / 2 + 1)) {
        throw new InvalidRequestException(
            "quorum is '"
                + quorum
                + "' of "
                + replicas.size()
                + " replicas: allowed is "
                + (replicas.size() / 2 + 1)
                + " to "
                + replicas.size());
      }
      LinkSecurity.requireLoopbackWithoutTls("replicas", replicas, links);
      return new ServeOptions(this, links);
    }
  }

  /** Where data and keys are. */
  public Path data() {
    return data;
  }

  /** Where Redis clients connect. */
  public HostPort listen() {
    return listen;
  }

  /** Where metrics and health are served, if at all. */
  public Optional<HostPort> http() {
    return Optional.ofNullable(http);
  }

  /** The file with the passphrase of the owner key, if one was named. */
  public Optional<Path> passphraseFile() {
    return Optional.ofNullable(passphraseFile);
  }

  /** The server's certificate chain; present exactly if {@link #tlsKey} is. */
  public Optional<Path> tlsCert() {
    return Optional.ofNullable(tlsCert);
  }

  /** The server's private key. */
  public Optional<Path> tlsKey() {
    return Optional.ofNullable(tlsKey);
  }

  /** Who must vouch for clients' certificates, if anybody. */
  public Optional<Path> tlsCa() {
    return Optional.ofNullable(tlsCa);
  }

  /** The file of users, if clients must authenticate. */
  public Optional<Path> users() {
    return Optional.ofNullable(users);
  }

  /** The replicas that hold the data; empty: this node's disk does. */
  public List<ReplicaAddress> replicas() {
    return replicas;
  }

  /** The file that the list of replicas came from, if it came from one. */
  public Optional<Path> replicasFile() {
    return Optional.ofNullable(replicasFile);
  }

  /** How many replicas make a write durable in data that are founded; 0: a majority. */
  public int quorum() {
    return quorum;
  }

  /** What carries links to replicas. */
  public LinkSecurity replicaLinks() {
    return replicaLinks;
  }

  /** Size at which writes in memory go to tables, in MiB. */
  public int memtableMb() {
    return memtableMb;
  }

  /** Blocks kept in memory, in MiB. */
  public int cacheMb() {
    return cacheMb;
  }

  /** How long replaced values are kept, in minutes; 0: not at all. */
  public int historyMinutes() {
    return historyMinutes;
  }

  /** Most that compaction writes, in MiB a second; 0: no limit. */
  public int compactionMbPerSecond() {
    return compactionMbPerSecond;
  }

  /** Threads that serve clients. */
  public int ioThreads() {
    return ioThreads;
  }

  /** Most clients connected at once. */
  public int maxClients() {
    return maxClients;
  }

  /** Whether other workers write the same data. */
  public boolean shared() {
    return shared;
  }

  /** Routers to hear the others through. */
  public List<HostPort> join() {
    return join;
  }

  /** Where this worker is a router for others, too. */
  public Optional<HostPort> router() {
    return Optional.ofNullable(router);
  }

  /** Between two consistent cuts. */
  public int epochMs() {
    return epochMs;
  }

  /** After which silence a worker is replaced. */
  public int leaseMs() {
    return leaseMs;
  }

  /** Whether a capsule that is founded has derived writers' keys. */
  public boolean derivedKeys() {
    return derivedKeys;
  }

  /** Hours between two key generations; 0: they are begun on demand only. */
  public int rotateHours() {
    return rotateHours;
  }

  /** Whether a key generation begins when a worker was sealed for its silence. */
  public boolean rotateOnSeal() {
    return rotateOnSeal;
  }

  /** Whether a key generation begins before each call of a procedure. */
  public boolean rotateEachCall() {
    return rotateEachCall;
  }

  /** Whether each command is a transaction among all workers. */
  public boolean linearizable() {
    return linearizable;
  }

  /** How much is logged. */
  public EventLog.Detail logLevel() {
    return logLevel;
  }

  /** Whether what is trusted has a process of its own. */
  public boolean enclave() {
    return enclave;
  }
}
