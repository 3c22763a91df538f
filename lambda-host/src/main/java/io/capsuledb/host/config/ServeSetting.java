package io.capsuledb.host.config;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Everything that can be set about a server. One list for both ways of setting it: {@code
 * --max-clients 100} on the command line is {@code max-clients = 100} in a file.
 */
public enum ServeSetting {
  DATA("DIR", "Directory of the data and its keys; made if it does not exist."),
  LISTEN(
      "HOST:PORT",
      "Address for Redis clients. One that is not loopback needs TLS and users. Port 0: any free."),
  HTTP("HOST:PORT|none", "Loopback address for /metrics and /healthz, or none."),
  PASSPHRASE_FILE("FILE", "File whose first line is the passphrase that protects the owner key."),
  TLS_CERT("FILE", "PEM file of the server's certificate chain; with it, clients must use TLS."),
  TLS_KEY("FILE", "PEM file of the certificate's private key (PKCS #8)."),
  TLS_CA("FILE", "PEM file of the authorities that must vouch for clients' certificates."),
  USERS("FILE", "File of users and password hashes, kept with 'capsule users'."),
  MEMTABLE_MB("N", "Most memory for keys and values, off the heap, in MiB."),
  IO_THREADS("N", "Threads that serve clients."),
  MAX_CLIENTS("N", "Most clients connected at once."),
  LOG_LEVEL("LEVEL", "How much is logged: error, warn, info or debug.");

  private final String valueLabel;
  private final String description;

  ServeSetting(String valueLabel, String description) {
    this.valueLabel = valueLabel;
    this.description = description;
  }

  /** The name in files; with two dashes before it, the flag. */
  public String key() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** What the value is, for help texts. */
  public String valueLabel() {
    return valueLabel;
  }

  /** One sentence or two for help texts. */
  public String description() {
    return description;
  }

  /** The setting with that name in files, or null if there is none. */
  static @Nullable ServeSetting ofKey(String key) {
    for (ServeSetting setting : values()) {
      if (setting.key().equals(key)) {
        return setting;
      }
    }
    return null;
  }
}
