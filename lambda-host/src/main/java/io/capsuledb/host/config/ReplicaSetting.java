package io.capsuledb.host.config;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Everything that can be set about a replica; see {@link ServeSetting}. */
public enum ReplicaSetting implements Setting {
  DATA("DIR", "Directory of what it holds, made if it does not exist; replica-data if not given."),
  LISTEN(
      "HOST:PORT",
      "Address for clients and other replicas, 127.0.0.1:7400 if not given. One that is not"
          + " loopback needs TLS and owners. Port 0 means any free one."),
  KEY(
      "FILE",
      "The key file that makes it who it is, made if it does not exist; replica.key in the data"
          + " directory if not given. Keep it elsewhere to survive the loss of the directory."),
  PASSPHRASE_FILE("FILE", "File whose first line is the passphrase that protects the key file."),
  PEERS(
      "LIST",
      "The other replicas, HOST:PORT or HOST:PORT=KEY with commas between, or @FILE with one on"
          + " each line; it heals itself from them. KEY is required where they are not on"
          + " loopback."),
  OWNER(
      "KEY",
      "Public key of an owner whose capsules it holds, 66 hex digits; more than once for more."
          + " Not given: everybody's, which only loopback allows."),
  ANY_OWNER("", "Hold everybody's capsules, though others than this machine can reach it."),
  HTTP(
      "HOST:PORT|none",
      "Loopback address for /metrics and /healthz, or none; 127.0.0.1:7480 if not given."),
  TRANSPORT("plain|zmq|tls", "What carries links; plain if not given, which is for loopback only."),
  TLS_CERT("FILE", "PEM file of this replica's certificate chain."),
  TLS_KEY("FILE", "PEM file of the certificate's private key (PKCS #8)."),
  TLS_CA("FILE", "PEM file of the authorities that must vouch for the other side's certificate."),
  HEAL_MB_PER_SECOND(
      "N",
      "Most MiB a second that it fetches from other replicas to catch up or rebuild; 64 if not"
          + " given, 0 for no limit."),
  SCRUB_MB_PER_SECOND(
      "N",
      "MiB a second that it reads in the background to find what the disk has damaged; 4 if not"
          + " given, 0 for not at all."),
  MIN_FREE_MB(
      "N",
      "MiB of the disk that it leaves free: with less, it refuses records and goes on with reads;"
          + " 256 if not given."),
  MAX_CAPSULES("N", "Most capsules it holds; 10000 if not given."),
  LOG_LEVEL("LEVEL", "How much is logged: error, warn, info (if not given) or debug.");

  private final String valueLabel;
  private final String description;

  ReplicaSetting(String valueLabel, String description) {
    this.valueLabel = valueLabel;
    this.description = description;
  }

  @Override
  public String key() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  @Override
  public String valueLabel() {
    return valueLabel;
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  public boolean repeats() {
    return this == OWNER;
  }

  /** The setting with that name in files, or null if there is none. */
  static @Nullable ReplicaSetting ofKey(String key) {
    for (ReplicaSetting setting : values()) {
      if (setting.key().equals(key)) {
        return setting;
      }
    }
    return null;
  }
}
