package io.capsuledb.host.config;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.log.EventLog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a replica's process is to run. Immutable; made by a {@link Builder} from flags and a file.
 */
public final class ReplicaProcessOptions {

  private static final int MAX_MB_PER_SECOND = 16 << 10;
  private static final int MAX_MIN_FREE_MB = 1 << 30;
  private static final int MAX_MAX_CAPSULES = 1_000_000;
  private static final int MAX_OWNERS = 1024;

  private final Path data;
  private final Path key;
  private final HostPort listen;
  private final @Nullable HostPort http;
  private final @Nullable Path passphraseFile;
  private final List<ReplicaAddress> peers;
  private final List<PublicKey> owners;
  private final LinkSecurity links;
  private final int healMbPerSecond;
  private final int scrubMbPerSecond;
  private final int minFreeMb;
  private final int maxCapsules;
  private final EventLog.Detail logLevel;

  private ReplicaProcessOptions(Builder builder, LinkSecurity links) {
    this.data = builder.data;
    this.key = builder.key == null ? builder.data.resolve("replica.key") : builder.key;
    this.listen = builder.listen;
    this.http = builder.http;
    this.passphraseFile = builder.passphraseFile;
    this.peers = List.copyOf(builder.peers);
    this.owners = List.copyOf(builder.owners);
    this.links = links;
    this.healMbPerSecond = builder.healMbPerSecond;
    this.scrubMbPerSecond = builder.scrubMbPerSecond;
    this.minFreeMb = builder.minFreeMb;
    this.maxCapsules = builder.maxCapsules;
    this.logLevel = builder.logLevel;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Takes settings as text, later ones over earlier ones; {@link #build} checks them together. */
  public static final class Builder {
    private Path data = Path.of("replica-data");
    private @Nullable Path key;
    private HostPort listen = new HostPort("127.0.0.1", 7400);
    private @Nullable HostPort http = new HostPort("127.0.0.1", 7480);
    private @Nullable Path passphraseFile;
    private List<ReplicaAddress> peers = List.of();
    private List<PublicKey> owners = List.of();
    private boolean anyOwner;
    private LinkSecurity.Transport transport = LinkSecurity.Transport.PLAIN;
    private @Nullable Path tlsCert;
    private @Nullable Path tlsKey;
    private @Nullable Path tlsCa;
    private int healMbPerSecond = 64;
    private int scrubMbPerSecond = 4;
    private int minFreeMb = 256;
    private int maxCapsules = 10_000;
    private EventLog.Detail logLevel = EventLog.Detail.INFO;

    private Builder() {}

    /**
     * Sets one setting.
     *
     * @param base the directory that a relative path is relative to
     * @throws InvalidRequestException if the value is not allowed; the message does not say where
     *     the value came from, that is for the caller to add
     */
    public Builder set(ReplicaSetting setting, String value, Path base) {
      switch (setting) {
        case DATA -> data = SettingValues.path(setting, value, base);
        case KEY -> key = SettingValues.path(setting, value, base);
        case LISTEN -> listen = SettingValues.hostPort(setting, value, "");
        case HTTP ->
            http =
                value.equals("none") ? null : SettingValues.hostPort(setting, value, ", or none");
        case PASSPHRASE_FILE -> passphraseFile = SettingValues.path(setting, value, base);
        case PEERS -> peers = SettingValues.replicas(setting, value, base);
        case OWNER -> owners = owners(setting, value);
        case ANY_OWNER -> anyOwner = SettingValues.flag(setting, value);
        case TRANSPORT -> transport = LinkSecurity.parse(value);
        case TLS_CERT -> tlsCert = SettingValues.path(setting, value, base);
        case TLS_KEY -> tlsKey = SettingValues.path(setting, value, base);
        case TLS_CA -> tlsCa = SettingValues.path(setting, value, base);
        case HEAL_MB_PER_SECOND ->
            healMbPerSecond = SettingValues.number(setting, value, 0, MAX_MB_PER_SECOND);
        case SCRUB_MB_PER_SECOND ->
            scrubMbPerSecond = SettingValues.number(setting, value, 0, MAX_MB_PER_SECOND);
        case MIN_FREE_MB -> minFreeMb = SettingValues.number(setting, value, 0, MAX_MIN_FREE_MB);
        case MAX_CAPSULES ->
            maxCapsules = SettingValues.number(setting, value, 1, MAX_MAX_CAPSULES);
        case LOG_LEVEL -> logLevel = SettingValues.detail(setting, value);
      }
      return this;
    }

    private static List<PublicKey> owners(Setting setting, String value) {
      List<PublicKey> keys = new ArrayList<>();
      try {
        for (String hex : value.split(",", -1)) {
          PublicKey owner = ReplicaAddress.key(hex.strip());
          if (!keys.contains(owner)) {
            keys.add(owner);
          }
        }
      } catch (InvalidRequestException e) {
        throw new InvalidRequestException(setting.key() + ": " + e.getMessage(), e);
      }
      if (keys.size() > MAX_OWNERS) {
        throw new InvalidRequestException(
            setting.key() + " names " + keys.size() + " keys: allowed are at most " + MAX_OWNERS);
      }
      return keys;
    }

    /**
     * Checks the settings against each other.
     *
     * @throws InvalidRequestException if they do not fit together
     */
    public ReplicaProcessOptions build() {
      LinkSecurity links = LinkSecurity.of("", transport, tlsCert, tlsKey, tlsCa);
      if (links.isTls() && tlsCert == null) {
        throw new InvalidRequestException(
            "transport is 'tls' and tls-cert and tls-key are not set: a replica needs both");
      }
      if (anyOwner && !owners.isEmpty()) {
        throw new InvalidRequestException(
            "any-owner and owner are both set: either everybody's capsules are held, or those of"
                + " the owners that are named");
      }
      if (!listen.resolve().getAddress().isLoopbackAddress()) {
        if (!links.isTls()) {
          throw new InvalidRequestException(
              "listen is '"
                  + listen
                  + "', which others can reach, and the transport is in clear, which everybody on the"
                  + " way can read: set transport to tls with tls-cert, tls-key and tls-ca, or"
                  + " listen on a loopback address such as 127.0.0.1:7400");
        }
        if (owners.isEmpty() && !anyOwner) {
          throw new InvalidRequestException(
              "listen is '"
                  + listen
                  + "', which others can reach, and no owner is set, so anybody could fill this"
                  + " disk: name the public key of each owner whose capsules are to be held with"
                  + " owner, or set any-owner");
        }
      }
      LinkSecurity.requireLoopbackWithoutTls("peers", peers, links);
      if (http != null && http.port() != 0 && http.port() == listen.port()) {
        throw new InvalidRequestException(
            "http is '" + http + "': the port is that of listen; allowed is another one, or none");
      }
      return new ReplicaProcessOptions(this, links);
    }
  }

  /** Where its store is. */
  public Path data() {
    return data;
  }

  /** The file of its key. */
  public Path key() {
    return key;
  }

  /** Where clients and peers connect. */
  public HostPort listen() {
    return listen;
  }

  /** Where metrics and health are served, if at all. */
  public Optional<HostPort> http() {
    return Optional.ofNullable(http);
  }

  /** The file with the passphrase of the key, if one was named. */
  public Optional<Path> passphraseFile() {
    return Optional.ofNullable(passphraseFile);
  }

  /** The other replicas. */
  public List<ReplicaAddress> peers() {
    return peers;
  }

  /** Whose capsules are held; empty: everybody's. */
  public List<PublicKey> owners() {
    return owners;
  }

  /** What carries links. */
  public LinkSecurity links() {
    return links;
  }

  /** Most that is fetched from peers, in MiB a second; 0: no limit. */
  public int healMbPerSecond() {
    return healMbPerSecond;
  }

  /** What is read to find damage, in MiB a second; 0: nothing. */
  public int scrubMbPerSecond() {
    return scrubMbPerSecond;
  }

  /** MiB of the disk that stay free. */
  public int minFreeMb() {
    return minFreeMb;
  }

  /** Most capsules held. */
  public int maxCapsules() {
    return maxCapsules;
  }

  /** How much is logged. */
  public EventLog.Detail logLevel() {
    return logLevel;
  }
}
