package io.capsuledb.scl.resp;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.scl.procedure.ProcedureEngine;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** How the RESP server listens and what it bounds. Immutable; made by {@link #builder()}. */
public final class RespServerOptions {

  /** Where a server listens by default. */
  public static final InetSocketAddress DEFAULT_ADDRESS =
      new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 6380);

  /** Most I/O threads. */
  public static final int MAX_IO_THREADS = 64;

  /** Most connections that may be allowed. */
  public static final int MAX_CLIENTS = 1_000_000;

  /** Longest idle timeout, in milliseconds. */
  public static final long MAX_IDLE_TIMEOUT_MS = TimeUnit.DAYS.toMillis(365);

  private static final int MAX_LISTEN_ADDRESSES = 16;
  private static final long MIN_OUTPUT_BYTES = 1L << 20;
  private static final long MIN_CLIENT_OUTPUT_BYTES = 20L << 20;
  private static final long MAX_CLIENT_OUTPUT_BYTES = 1L << 30;
  private static final long MIN_INPUT_BYTES = 1L << 20;
  private static final long MAX_BUDGET_BYTES = 1L << 40;
  private static final long MAX_STOP_MS = TimeUnit.MINUTES.toMillis(10);
  private static final long MAX_REPLY_TIMEOUT_MS = TimeUnit.HOURS.toMillis(1);
  private static final int MAX_BACKLOG = 65_535;
  private static final int MAX_INFO_SUPPLIERS = 32;

  /** How sockets are driven. */
  public enum Transport {
    /** The first of the others that works here, in their order. */
    AUTO,
    /** Linux io_uring. */
    IO_URING,
    /** Linux epoll. */
    EPOLL,
    /** What every JDK has. */
    NIO
  }

  /**
   * Certificate and key of the server.
   *
   * @param certificate PEM file: the certificate, followed by those it is issued by
   * @param key PEM file: its private key, PKCS#8, not encrypted
   * @param clientAuthority PEM file: clients must show a certificate issued by one of these; null
   *     if they need not
   */
  public record Tls(Path certificate, Path key, @Nullable Path clientAuthority) {}

  private final List<InetSocketAddress> listen;
  private final Transport transport;
  private final int ioThreads;
  private final int maxClients;
  private final int backlog;
  private final long idleTimeoutMs;
  private final @Nullable Tls tls;
  private final AclUsers users;
  private final long maxClientOutputBytes;
  private final long maxOutputBytes;
  private final long maxInputBytes;
  private final long stopTimeoutMs;
  private final long replyTimeoutMs;
  private final String version;
  private final Runnable onShutdown;
  private final ProcedureEngine procedures;
  private final Map<String, Supplier<Map<String, String>>> info;
  private final @Nullable Sharing sharing;
  private final @Nullable IntSupplier keyRotation;
  private final boolean rotateEachCall;
  private final @Nullable ClientStreams door;

  private RespServerOptions(Builder builder) {
    this.listen = List.copyOf(builder.listen);
    this.transport = builder.transport;
    this.ioThreads = builder.ioThreads;
    this.maxClients = builder.maxClients;
    this.backlog = builder.backlog;
    this.idleTimeoutMs = builder.idleTimeoutMs;
    this.tls = builder.tls;
    this.users = builder.users;
    this.maxClientOutputBytes = builder.maxClientOutputBytes;
    this.maxOutputBytes = builder.maxOutputBytes;
    this.maxInputBytes = builder.maxInputBytes;
    this.stopTimeoutMs = builder.stopTimeoutMs;
    this.replyTimeoutMs = builder.replyTimeoutMs;
    this.version = builder.version;
    this.onShutdown = builder.onShutdown;
    this.procedures = builder.procedures;
    this.info = new LinkedHashMap<>(builder.info);
    this.sharing = builder.sharing;
    this.keyRotation = builder.keyRotation;
    this.rotateEachCall = builder.rotateEachCall;
    this.door = builder.door;
  }

  /** Options with their defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Addresses to listen on, at least one. */
  public List<InetSocketAddress> listen() {
    return listen;
  }

  /** How sockets are driven. */
  public Transport transport() {
    return transport;
  }

  /** Number of event loops. */
  public int ioThreads() {
    return ioThreads;
  }

  /** Most connections at a time, at start; CONFIG SET maxclients changes it. */
  public int maxClients() {
    return maxClients;
  }

  /** Connections the kernel may hold before they are accepted. */
  public int backlog() {
    return backlog;
  }

  /** Idle connections are closed after this long; 0 means never. CONFIG SET timeout changes it. */
  public long idleTimeoutMs() {
    return idleTimeoutMs;
  }

  /** Certificate and key, or null: connections are not encrypted. */
  public @Nullable Tls tls() {
    return tls;
  }

  /** Who may connect. */
  public AclUsers users() {
    return users;
  }

  /** Replies one client may leave unread, in bytes; it is closed beyond that. */
  public long maxClientOutputBytes() {
    return maxClientOutputBytes;
  }

  /** Replies all clients together may leave unread, in bytes. */
  public long maxOutputBytes() {
    return maxOutputBytes;
  }

  /** Unfinished commands of all clients together, in bytes. */
  public long maxInputBytes() {
    return maxInputBytes;
  }

  /** How long stopping waits for replies to leave. */
  public long stopTimeoutMs() {
    return stopTimeoutMs;
  }

  /** A reply that waits for durability for this long becomes an error; 0: replies wait for ever. */
  public long replyTimeoutMs() {
    return replyTimeoutMs;
  }

  /** CapsuleDB's version, for INFO. */
  public String version() {
    return version;
  }

  ProcedureEngine procedures() {
    return procedures;
  }

  Runnable onShutdown() {
    return onShutdown;
  }

  /** The other workers; null where a node serves its capsule alone. */
  @Nullable Sharing sharing() {
    return sharing;
  }

  /** Begins the next key generation and returns its number; null where that cannot be. */
  @Nullable IntSupplier keyRotation() {
    return keyRotation;
  }

  /** Whether a key generation begins before each call of a procedure. */
  boolean rotateEachCall() {
    return rotateEachCall;
  }

  /** Where the sockets are; null where they are the server's own. */
  @Nullable ClientStreams door() {
    return door;
  }

  Map<String, Supplier<Map<String, String>>> info() {
    return java.util.Collections.unmodifiableMap(info);
  }

  /** Collects options; not thread-safe. */
  public static final class Builder {
    private List<InetSocketAddress> listen = List.of(DEFAULT_ADDRESS);
    private Transport transport = Transport.AUTO;
    private int ioThreads = 1;
    private int maxClients = 10_000;
    private int backlog = 511;
    private long idleTimeoutMs;
    private @Nullable Tls tls;
    private AclUsers users = AclUsers.NONE;
    private long maxClientOutputBytes = 64L << 20;
    private long maxOutputBytes = 512L << 20;
    private long maxInputBytes = 256L << 20;
    private long stopTimeoutMs = 5_000;
    private long replyTimeoutMs = 10_000;
    private String version = "unknown";
    private Runnable onShutdown = () -> {};
    private @Nullable ClientStreams door;
    private ProcedureEngine procedures =
        ProcedureEngine.off("procedures are off: this server was started without them");
    private final Map<String, Supplier<Map<String, String>>> info = new LinkedHashMap<>();
    private @Nullable Sharing sharing;
    private @Nullable IntSupplier keyRotation;
    private boolean rotateEachCall;

    private Builder() {}

    /** Default 127.0.0.1:6380. Port 0 takes any free one. */
    public Builder listen(InetSocketAddress... addresses) {
      this.listen = List.of(addresses);
      return this;
    }

    /** Default {@link Transport#AUTO}. */
    public Builder transport(Transport choice) {
      this.transport = choice;
      return this;
    }

    /** Default 1, at most {@value #MAX_IO_THREADS}. */
    public Builder ioThreads(int threads) {
      this.ioThreads = threads;
      return this;
    }

    /** Default 10,000. */
    public Builder maxClients(int clients) {
      this.maxClients = clients;
      return this;
    }

    /** Default 511. */
    public Builder backlog(int connections) {
      this.backlog = connections;
      return this;
    }

    /** Default 0: never. */
    public Builder idleTimeoutMs(long milliseconds) {
      this.idleTimeoutMs = milliseconds;
      return this;
    }

    /** Default null: connections are not encrypted. */
    public Builder tls(@Nullable Tls certificateAndKey) {
      this.tls = certificateAndKey;
      return this;
    }

    /** Default {@link AclUsers#NONE}. */
    public Builder users(AclUsers allowed) {
      this.users = allowed;
      return this;
    }

    /** Default 64 MiB; at least 20 MiB, because a value has up to 16. */
    public Builder maxClientOutputBytes(long bytes) {
      this.maxClientOutputBytes = bytes;
      return this;
    }

    /** Default 512 MiB. */
    public Builder maxOutputBytes(long bytes) {
      this.maxOutputBytes = bytes;
      return this;
    }

    /** Default 256 MiB. */
    public Builder maxInputBytes(long bytes) {
      this.maxInputBytes = bytes;
      return this;
    }

    /** Default 5 s. */
    public Builder stopTimeoutMs(long milliseconds) {
      this.stopTimeoutMs = milliseconds;
      return this;
    }

    /**
     * A reply that waits for durability for this long, give or take a second, becomes an error that
     * begins with UNKNOWN; 0 means that replies wait for ever. Default 10 s, at most an hour.
     */
    public Builder replyTimeoutMs(long milliseconds) {
      this.replyTimeoutMs = milliseconds;
      return this;
    }

    /** Default "unknown". */
    public Builder version(String text) {
      this.version = text;
      return this;
    }

    /** What runs FUNCTION's libraries; the caller's. Default: nothing does. */
    public Builder procedures(ProcedureEngine engine) {
      this.procedures = engine;
      return this;
    }

    /** What SHUTDOWN runs, on a thread of its own. Default: nothing. */
    public Builder onShutdown(Runnable callback) {
      this.onShutdown = callback;
      return this;
    }

    /**
     * What CAPSULE.ROTATE runs: it begins the next key generation and returns its number. None by
     * default.
     *
     * @param eachCall whether it also runs before each call of a procedure
     */
    public Builder keyRotation(IntSupplier rotation, boolean eachCall) {
      this.keyRotation = rotation;
      this.rotateEachCall = eachCall;
      return this;
    }

    /**
     * Has the server open no socket: another process has them, and listens on {@link #listen}. See
     * {@link RespServer#clients}.
     *
     * @param streams is told what clients are sent
     */
    public Builder door(ClientStreams streams) {
      this.door = streams;
      return this;
    }

    /** Other workers write the same capsule; none by default. */
    public Builder sharing(Sharing others) {
      this.sharing = others;
      return this;
    }

    /**
     * Adds fields to a section of INFO; a section that is not there yet is added.
     *
     * @param section lower case, for example {@code memory}
     * @param fields called on an event loop for each INFO: must return at once; names and values
     *     without line breaks
     */
    public Builder info(String section, Supplier<Map<String, String>> fields) {
      this.info.put(section, fields);
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException naming the option, its value and what is allowed
     */
    public RespServerOptions build() {
      range("listen addresses", listen.size(), 1, MAX_LISTEN_ADDRESSES);
      range("ioThreads", ioThreads, 1, MAX_IO_THREADS);
      range("maxClients", maxClients, 1, MAX_CLIENTS);
      range("backlog", backlog, 1, MAX_BACKLOG);
      range("idleTimeoutMs", idleTimeoutMs, 0, MAX_IDLE_TIMEOUT_MS);
      range(
          "maxClientOutputBytes",
          maxClientOutputBytes,
          MIN_CLIENT_OUTPUT_BYTES,
          MAX_CLIENT_OUTPUT_BYTES);
      range("maxOutputBytes", maxOutputBytes, MIN_OUTPUT_BYTES, MAX_BUDGET_BYTES);
      range("maxInputBytes", maxInputBytes, MIN_INPUT_BYTES, MAX_BUDGET_BYTES);
      range("stopTimeoutMs", stopTimeoutMs, 0, MAX_STOP_MS);
      range("replyTimeoutMs", replyTimeoutMs, 0, MAX_REPLY_TIMEOUT_MS);
      range("info suppliers", info.size(), 0, MAX_INFO_SUPPLIERS);
      for (String section : info.keySet()) {
        if (!section.equals(section.toLowerCase(Locale.ROOT)) || section.isBlank()) {
          throw new InvalidRequestException(
              "info section is '" + section + "'; allowed is a lower-case word");
        }
      }
      if (tls != null) {
        readable("tls certificate", tls.certificate());
        readable("tls key", tls.key());
        if (tls.clientAuthority() != null) {
          readable("tls client authority", tls.clientAuthority());
        }
      }
      listen.forEach(this::checkAddress);
      return new RespServerOptions(this);
    }

    private void checkAddress(InetSocketAddress address) {
      if (address.isUnresolved()) {
        throw new InvalidRequestException(
            "listen address is "
                + address
                + ", a name that does not resolve; allowed is HOST:PORT with a known host");
      }
      if (address.getAddress().isLoopbackAddress()) {
        return;
      }
      boolean credentials = !users.isEmpty() || (tls != null && tls.clientAuthority() != null);
      if (tls == null || !credentials) {
        throw new InvalidRequestException(
            "listen address is "
                + address
                + ", which others can reach, without "
                + (tls == null ? credentials ? "TLS" : "TLS and credentials" : "credentials")
                + ": anybody on the network could read or change the data. Give a certificate and"
                + " key (--tls-cert, --tls-key) and users or a client authority (--tls-ca), or"
                + " listen on a loopback address such as 127.0.0.1:"
                + address.getPort());
      }
    }

    private static void range(String option, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            option + " is " + value + "; allowed is " + least + " to " + most);
      }
    }

    private static void readable(String option, Path file) {
      if (!Files.isReadable(file) || Files.isDirectory(file)) {
        throw new InvalidRequestException(
            option + " is " + file + ", which is not a readable file; allowed is a PEM file");
      }
    }
  }
}
