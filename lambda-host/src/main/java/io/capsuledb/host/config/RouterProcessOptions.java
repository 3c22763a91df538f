package io.capsuledb.host.config;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.log.EventLog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How a router's process is to run. Immutable; made by a {@link Builder} from flags and a file. */
public final class RouterProcessOptions {

  /** Most routers in a list of parents. */
  public static final int MAX_PARENTS = 16;

  private static final int MAX_FRAMES = 10_000_000;
  private static final int MAX_MB = 64 << 10;
  private static final int MAX_ALLOWED = 4096;

  private final HostPort listen;
  private final @Nullable HostPort advertise;
  private final @Nullable HostPort http;
  private final List<HostPort> parents;
  private final int fanOut;
  private final int maxClients;
  private final int maxFramesPerSecond;
  private final int maxMbPerSecond;
  private final @Nullable Path key;
  private final @Nullable Path passphraseFile;
  private final List<PublicKey> allowed;
  private final LinkSecurity links;
  private final EventLog.Detail logLevel;

  private RouterProcessOptions(Builder builder, LinkSecurity links) {
    this.listen = builder.listen;
    this.advertise = builder.advertise;
    this.http = builder.http;
    this.parents = List.copyOf(builder.parents);
    this.fanOut = builder.fanOut;
    this.maxClients = builder.maxClients;
    this.maxFramesPerSecond = builder.maxFramesPerSecond;
    this.maxMbPerSecond = builder.maxMbPerSecond;
    this.key = builder.key;
    this.passphraseFile = builder.passphraseFile;
    this.allowed = List.copyOf(builder.allowed);
    this.links = links;
    this.logLevel = builder.logLevel;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Takes settings as text, later ones over earlier ones; {@link #build} checks them together. */
  public static final class Builder {
    private HostPort listen = new HostPort("127.0.0.1", 7500);
    private @Nullable HostPort advertise;
    private @Nullable HostPort http = new HostPort("127.0.0.1", 7580);
    private List<HostPort> parents = List.of();
    private int fanOut = 8;
    private int maxClients = 64;
    private int maxFramesPerSecond = 20_000;
    private int maxMbPerSecond = 128;
    private @Nullable Path key;
    private @Nullable Path passphraseFile;
    private List<PublicKey> allowed = List.of();
    private boolean anyPeer;
    private LinkSecurity.Transport transport = LinkSecurity.Transport.PLAIN;
    private @Nullable Path tlsCert;
    private @Nullable Path tlsKey;
    private @Nullable Path tlsCa;
    private EventLog.Detail logLevel = EventLog.Detail.INFO;

    private Builder() {}

    /**
     * Sets one setting.
     *
     * @param base the directory that a relative path is relative to
     * @throws InvalidRequestException if the value is not allowed; the message does not say where
     *     the value came from, that is for the caller to add
     */
    public Builder set(RouterSetting setting, String value, Path base) {
      switch (setting) {
        case LISTEN -> listen = SettingValues.hostPort(setting, value, "");
        case ADVERTISE -> advertise = SettingValues.hostPort(setting, value, "");
        case PARENT -> parents = SettingValues.hostPorts(setting, value, MAX_PARENTS);
        case FAN_OUT -> fanOut = SettingValues.number(setting, value, 1, 256);
        case MAX_CLIENTS -> maxClients = SettingValues.number(setting, value, 0, 4096);
        case MAX_FRAMES_PER_SECOND ->
            maxFramesPerSecond = SettingValues.number(setting, value, 1, MAX_FRAMES);
        case MAX_MB_PER_SECOND -> maxMbPerSecond = SettingValues.number(setting, value, 1, MAX_MB);
        case KEY -> key = SettingValues.path(setting, value, base);
        case PASSPHRASE_FILE -> passphraseFile = SettingValues.path(setting, value, base);
        case ALLOW -> allowed = keys(setting, value);
        case ANY_PEER -> anyPeer = SettingValues.flag(setting, value);
        case HTTP ->
            http =
                value.equals("none") ? null : SettingValues.hostPort(setting, value, ", or none");
        case TRANSPORT -> transport = LinkSecurity.parse(value);
        case TLS_CERT -> tlsCert = SettingValues.path(setting, value, base);
        case TLS_KEY -> tlsKey = SettingValues.path(setting, value, base);
        case TLS_CA -> tlsCa = SettingValues.path(setting, value, base);
        case LOG_LEVEL -> logLevel = SettingValues.detail(setting, value);
      }
      return this;
    }

    private static List<PublicKey> keys(Setting setting, String value) {
      List<PublicKey> keys = new ArrayList<>();
      try {
        for (String hex : value.split(",", -1)) {
          keys.add(ReplicaAddress.key(hex.strip()));
        }
      } catch (InvalidRequestException e) {
        throw new InvalidRequestException(setting.key() + ": " + e.getMessage(), e);
      }
      if (keys.size() > MAX_ALLOWED) {
        throw new InvalidRequestException(
            setting.key() + " names " + keys.size() + " keys: allowed are at most " + MAX_ALLOWED);
      }
      return keys;
    }

    /**
     * Checks the settings against each other.
     *
     * @throws InvalidRequestException if they do not fit together
     */
    public RouterProcessOptions build() {
      LinkSecurity links = LinkSecurity.of("", transport, tlsCert, tlsKey, tlsCa);
      if (links.isTls() && tlsCert == null) {
        throw new InvalidRequestException(
            "transport is 'tls' and tls-cert and tls-key are not set: a router needs both");
      }
      if (anyPeer && !allowed.isEmpty()) {
        throw new InvalidRequestException(
            "any-peer and allow are both set: either everybody may join, or those that are named");
      }
      if (!listen.resolve().getAddress().isLoopbackAddress()) {
        if (!links.isTls()) {
          throw new InvalidRequestException(
              "listen is '"
                  + listen
                  + "', which others can reach, and transport is 'plain', which everybody on the"
                  + " way can read: set transport to tls with tls-cert, tls-key and tls-ca, or"
                  + " listen on a loopback address such as 127.0.0.1:7500");
        }
        if (tlsCa == null && allowed.isEmpty() && !anyPeer) {
          throw new InvalidRequestException(
              "listen is '"
                  + listen
                  + "', which others can reach, and anybody could join: set tls-ca, so that a"
                  + " certificate is needed, or allow with the keys that may, or any-peer");
        }
      }
      for (HostPort parent : parents) {
        if (!links.isTls() && !parent.resolve().getAddress().isLoopbackAddress()) {
          throw new InvalidRequestException(
              "parent: "
                  + parent
                  + " is not on loopback, and the transport is 'plain', which everybody on the way"
                  + " can read: use tls");
        }
      }
      if (http != null && http.port() != 0 && http.port() == listen.port()) {
        throw new InvalidRequestException(
            "http is '" + http + "': the port is that of listen; allowed is another one, or none");
      }
      return new RouterProcessOptions(this, links);
    }
  }

  /** Where children connect. */
  public HostPort listen() {
    return listen;
  }

  /** Where others are told to connect, if that is elsewhere. */
  public Optional<HostPort> advertise() {
    return Optional.ofNullable(advertise);
  }

  /** Where metrics and health are served, if at all. */
  public Optional<HostPort> http() {
    return Optional.ofNullable(http);
  }

  /** Routers above, the best first. */
  public List<HostPort> parents() {
    return parents;
  }

  /** Most routers below. */
  public int fanOut() {
    return fanOut;
  }

  /** Most workers. */
  public int maxClients() {
    return maxClients;
  }

  /** Most frames a second from one worker. */
  public int maxFramesPerSecond() {
    return maxFramesPerSecond;
  }

  /** Most MiB a second from one worker. */
  public int maxMbPerSecond() {
    return maxMbPerSecond;
  }

  /** The file of the key of its links; none: it is drawn. */
  public Optional<Path> key() {
    return Optional.ofNullable(key);
  }

  /** The file with the passphrase of the key, if one was named. */
  public Optional<Path> passphraseFile() {
    return Optional.ofNullable(passphraseFile);
  }

  /** Who may join; empty: everybody. */
  public List<PublicKey> allowed() {
    return allowed;
  }

  /** What carries links. */
  public LinkSecurity links() {
    return links;
  }

  /** How much is logged. */
  public EventLog.Detail logLevel() {
    return logLevel;
  }
}
