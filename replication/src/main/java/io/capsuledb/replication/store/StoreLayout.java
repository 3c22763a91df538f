package io.capsuledb.replication.store;

import io.capsuledb.core.crypto.Hash32;
import java.nio.charset.StandardCharsets;

/**
 * Where every byte of a stored key and value is; the bytes themselves are made and read by {@link
 * StoreCodec}. Specified in docs/format/store.md. Integers in keys are big endian, so that keys
 * sort as the numbers do; the trailing checksum of a value is little endian.
 */
final class StoreLayout {

  /** The format this version writes, and the only one it reads. */
  static final int FORMAT = 1;

  /** Column family of the store's own facts: RocksDB's default one. */
  static final String DEFAULT_FAMILY = "default";

  static final String RECORDS_FAMILY = "records";
  static final String HASHES_FAMILY = "hashes";
  static final String CAPSULES_FAMILY = "capsules";

  /** Only in a replica's directory; {@link ReplicaLayout}. */
  static final String REPLICA_FAMILY = "replica";

  /** What stands between a family's name and its generation, from 1; generation 0 has neither. */
  static final char GENERATION_MARK = '.';

  /** Length of a capsule's name, which every key of a capsule begins with. */
  static final int CAPSULE_BYTES = 32;

  // Key in "records": capsule, writer, sequence.
  static final int RECORD_KEY_WRITER = CAPSULE_BYTES;
  static final int RECORD_KEY_SEQUENCE = RECORD_KEY_WRITER + Long.BYTES;
  static final int RECORD_KEY_BYTES = RECORD_KEY_SEQUENCE + Long.BYTES;

  // Key in "hashes": capsule, record hash.
  static final int HASH_KEY_HASH = CAPSULE_BYTES;
  static final int HASH_KEY_BYTES = HASH_KEY_HASH + Hash32.BYTES;

  // Body of a value in "hashes": writer, sequence.
  static final int HASH_VALUE_WRITER = 0;
  static final int HASH_VALUE_SEQUENCE = HASH_VALUE_WRITER + Long.BYTES;
  static final int HASH_VALUE_BYTES = HASH_VALUE_SEQUENCE + Long.BYTES;

  /** Length of the CRC-32C over key and body that ends every value. */
  static final int CHECKSUM_BYTES = Integer.BYTES;

  /** Key in "default" under which the format number is stored, four bytes little endian. */
  private static final byte[] FORMAT_KEY =
      "capsuledb.store.format".getBytes(StandardCharsets.US_ASCII);

  static final int FORMAT_VALUE_BYTES = Integer.BYTES;

  /**
   * Key in "default" under which the generation of "records" and "hashes" is stored, four bytes
   * little endian; without it they are of generation 0.
   */
  private static final byte[] GENERATION_KEY =
      "capsuledb.store.generation".getBytes(StandardCharsets.US_ASCII);

  /** Most bytes of one record; what the capsule format allows. */
  static final int MAX_RECORD_BYTES = 32 << 20;

  /** Most bytes of one batch. */
  static final long MAX_BATCH_BYTES = 64L << 20;

  /** File whose lock says who has the directory open. */
  static final String LOCK_FILE = "CAPSULEDB.lock";

  /** File that says how far appends were acknowledged. */
  static final String MARK_FILE = "CAPSULEDB.mark";

  /** File that is there when the tables are to be mended at the next opening. */
  static final String MEND_FILE = "CAPSULEDB.mend";

  private StoreLayout() {}

  static byte[] generationKey() {
    return GENERATION_KEY.clone();
  }

  /** The name of "records" or "hashes" in a generation. */
  static String familyName(String base, int generation) {
    return generation == 0 ? base : base + GENERATION_MARK + generation;
  }

  static byte[] formatKey() {
    return FORMAT_KEY.clone();
  }
}
