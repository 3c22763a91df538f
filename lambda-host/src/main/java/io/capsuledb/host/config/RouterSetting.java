package io.capsuledb.host.config;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Everything that can be set about a router; see {@link ServeSetting}. */
public enum RouterSetting implements Setting {
  LISTEN(
      "HOST:PORT",
      "Address for workers and other routers, 127.0.0.1:7500 if not given. One that is not"
          + " loopback needs TLS, and tls-ca, allow or any-peer. Port 0 means any free one."),
  ADVERTISE("HOST:PORT", "Where others reach it, if that is not where it listens: told to them."),
  PARENT(
      "LIST",
      "Routers above it, HOST:PORT with commas between, the best first: it is below the first that"
          + " takes it, and goes to the next when that one is gone. Not given: it is the root."),
  FAN_OUT("N", "Most routers below it, 1 to 256; 8 if not given."),
  MAX_CLIENTS("N", "Most workers that join it, 0 to 4096; 64 if not given."),
  MAX_FRAMES_PER_SECOND(
      "N",
      "Most frames a second from one worker, and 16 times as many from a router; more are dropped."
          + " 20000 if not given."),
  MAX_MB_PER_SECOND("N", "The same in MiB; 128 if not given."),
  KEY(
      "FILE",
      "The key file of its links, made if it does not exist; if not given a key is drawn at each"
          + " start."),
  PASSPHRASE_FILE("FILE", "File whose first line is the passphrase that protects the key file."),
  ALLOW(
      "KEY",
      "Public key of a link that may join, 66 hex digits; more than once for more. Not given:"
          + " everybody's."),
  ANY_PEER("", "Let everybody join, though others than this machine can reach it."),
  HTTP(
      "HOST:PORT|none",
      "Loopback address for /metrics and /healthz, or none; 127.0.0.1:7580 if not given."),
  TRANSPORT("plain|tls", "What carries links; plain if not given, which is for loopback only."),
  TLS_CERT("FILE", "PEM file of this router's certificate chain."),
  TLS_KEY("FILE", "PEM file of the certificate's private key (PKCS #8)."),
  TLS_CA("FILE", "PEM file of the authorities that must vouch for the other side's certificate."),
  LOG_LEVEL("LEVEL", "How much is logged: error, warn, info (if not given) or debug.");

  private final String valueLabel;
  private final String description;

  RouterSetting(String valueLabel, String description) {
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
    return this == ALLOW;
  }

  /** The setting with that name in files, or null if there is none. */
  static @Nullable RouterSetting ofKey(String key) {
    for (RouterSetting setting : values()) {
      if (setting.key().equals(key)) {
        return setting;
      }
    }
    return null;
  }
}
