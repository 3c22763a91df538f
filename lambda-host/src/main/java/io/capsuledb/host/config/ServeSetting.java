package io.capsuledb.host.config;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Everything that can be set about a server. One list for both ways of setting it: {@code
 * --max-clients 100} on the command line is {@code max-clients = 100} in a file.
 */
public enum ServeSetting implements Setting {
  DATA(
      "DIR",
      "Directory of the data and its keys, made if it does not exist; capsule-data if not given."),
  LISTEN(
      "HOST:PORT",
      "Address for Redis clients, 127.0.0.1:6380 if not given. One that is not loopback needs TLS"
          + " and users. Port 0 means any free one."),
  HTTP(
      "HOST:PORT|none",
      "Loopback address for /metrics and /healthz, or none; 127.0.0.1:7380 if not given."),
  PASSPHRASE_FILE("FILE", "File whose first line is the passphrase that protects the owner key."),
  TLS_CERT("FILE", "PEM file of the server's certificate chain; with it, clients must use TLS."),
  TLS_KEY("FILE", "PEM file of the certificate's private key (PKCS #8)."),
  TLS_CA("FILE", "PEM file of the authorities that must vouch for clients' certificates."),
  USERS("FILE", "File of users and password hashes, kept with 'capsule users'."),
  REPLICAS(
      "LIST",
      "Keep the data on these replicas: HOST:PORT or HOST:PORT=KEY with commas between, or @FILE"
          + " with one on each line, which is read again when it changes. KEY is required where"
          + " they are not on loopback."),
  QUORUM(
      "N",
      "How many replicas must have signed for a write before it is answered, when the data are"
          + " founded; a majority if not given. Fixed from then on, but for 'capsule replicas'."),
  REPLICA_TRANSPORT(
      "plain|zmq|tls", "What carries links to replicas; plain if not given, for loopback only."),
  REPLICA_TLS_CERT("FILE", "PEM file of the certificate to show to replicas, if they ask for one."),
  REPLICA_TLS_KEY("FILE", "PEM file of that certificate's private key (PKCS #8)."),
  REPLICA_TLS_CA("FILE", "PEM file of the authorities that vouch for replicas."),
  MEMTABLE_MB(
      "N",
      "Size in MiB at which writes in memory, off the heap, go to tables on disk; 1 to 1024; if not"
          + " given the 24th part of the largest heap, 16 to 256. Up to six times as much is used."),
  CACHE_MB(
      "N",
      "Blocks of tables kept in memory, on the heap, in MiB; a quarter of the largest heap if not"
          + " given, at most 1024."),
  HISTORY_MINUTES(
      "N",
      "How long replaced values are kept for CAPSULE.HISTORY and CAPSULE.GET; 10 if not given, 0"
          + " keeps none."),
  COMPACTION_MB_PER_SECOND(
      "N", "Most MiB a second that compaction writes; 32 if not given, 0 for no limit."),
  ENCLAVE(
      "none|process",
      "Whether keys, memory and procedures have a process of their own, without sockets, files and"
          + " most system calls, beside one that has them; none if not given."),
  IO_THREADS("N", "Threads that serve clients; half of the processors if not given, at most 8."),
  MAX_CLIENTS("N", "Most clients connected at once; 10000 if not given."),
  JOIN(
      "LIST",
      "Routers to hear the other workers through, HOST:PORT with commas between, the best first;"
          + " those after it are for when that one is gone. Only for workers."),
  ROUTER(
      "HOST:PORT",
      "Be a router for other workers, too, on this address, below the routers of join if there are"
          + " any; the others then join here. Only for 'capsule worker'."),
  EPOCH_MS("N", "Milliseconds between two consistent cuts; 1000 if not given. For workers."),
  LEASE_MS(
      "N",
      "Milliseconds after which a silent worker or coordinator is replaced; 2000 if not given."
          + " For workers, the same for all."),
  CONSISTENCY(
      "sessions|linearizable",
      "Whether each command is a transaction among all workers; sessions if not given. A server"
          + " alone is linearizable in any case."),
  KEY_DIRECTORY(
      "roster|derived",
      "How workers know each other's keys, when the data are founded; roster if not given. derived:"
          + " one stolen worker's key can become the application's, see docs/keys.md."),
  ROTATE_HOURS(
      "N",
      "Begin a new key generation every so many hours; 0, never, if not given. Needs a passphrase"
          + " that is not asked for."),
  ROTATE_ON_SEAL(
      "yes|no",
      "Begin a new key generation when a worker fell silent and was sealed, at most once a minute;"
          + " no if not given. For workers."),
  ROTATE_EACH_CALL(
      "yes|no", "Begin a new key generation before each FCALL outside MULTI; no if not given."),
  LOG_LEVEL("LEVEL", "How much is logged: error, warn, info (if not given) or debug.");

  private final String valueLabel;
  private final String description;

  ServeSetting(String valueLabel, String description) {
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
