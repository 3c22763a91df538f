package io.capsuledb.core.port;

import io.capsuledb.core.error.Rejection;

/**
 * Where trusted code reports what it counted and measured. Implementations are thread-safe, cheap
 * and never throw. Nothing reported here contains keys, values or secrets.
 */
public interface Telemetry {

  /** Things that are counted. */
  enum Counter {
    OPERATIONS_WRITTEN,
    RECORDS_SEALED,
    RECORDS_DURABLE,
    BYTES_SEALED,
    RECORDS_REPLAYED,
    KEYS_EXPIRED,
    MEMTABLES_FLUSHED,
    COMPACTIONS,
    COMPACTION_BYTES_READ,
    COMPACTION_BYTES_WRITTEN,
    BLOCKS_READ,
    BLOCK_CACHE_HITS,
    CONNECTIONS_ACCEPTED,
    CONNECTIONS_REFUSED,
    COMMANDS_FAILED,
    AUTHENTICATIONS_FAILED,
    BYTES_IN,
    BYTES_OUT
  }

  /** Things whose distribution matters. Units are in the names. */
  enum Distribution {
    BATCH_OPERATIONS,
    BATCH_BYTES,
    SEAL_SECONDS,
    STORE_SYNC_SECONDS,
    COMMIT_SECONDS,
    FLUSH_SECONDS,
    WRITE_DELAY_SECONDS,
    READ_COMMAND_SECONDS,
    WRITE_COMMAND_SECONDS
  }

  /** Discards everything. */
  Telemetry NONE =
      new Telemetry() {
        @Override
        public void count(Counter counter, long amount) {}

        @Override
        public void observe(Distribution distribution, double value) {}

        @Override
        public void rejected(Rejection.Reason reason) {}
      };

  void count(Counter counter, long amount);

  void observe(Distribution distribution, double value);

  /** Untrusted bytes were rejected for {@code reason}. */
  void rejected(Rejection.Reason reason);
}
