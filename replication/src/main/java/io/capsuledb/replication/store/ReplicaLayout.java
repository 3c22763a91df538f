package io.capsuledb.replication.store;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;

/**
 * Where every byte of a row of the family "replica" is; the bytes themselves are made and read by
 * {@link ReplicaCodec}. Specified in docs/format/store.md. All integers are big endian.
 */
final class ReplicaLayout {

  // First byte of a key: what the row is.
  static final int STORE = 1;
  static final int MEMBERSHIP = 2;
  static final int CHAIN = 3;
  static final int SEAL = 4;
  static final int EVIDENCE = 5;
  static final int REBUILDING = 6;
  static final int SCRUB_CURSOR = 7;

  static final int KEY_KIND = 0;
  static final int KEY_CAPSULE = 1;

  /** Length of a key about the store. */
  static final int STORE_KEY_BYTES = KEY_CAPSULE;

  /** Length of a key about a capsule; then follows what of it, if there are several. */
  static final int CAPSULE_KEY_BYTES = KEY_CAPSULE + Hash32.BYTES;

  static final int MEMBERSHIP_KEY_BYTES = CAPSULE_KEY_BYTES + Integer.BYTES;
  static final int WRITER_KEY_BYTES = CAPSULE_KEY_BYTES + Long.BYTES;
  static final int EVIDENCE_KEY_BYTES = CAPSULE_KEY_BYTES + Hash32.BYTES;

  // Body of the store's row.
  static final int STORE_INCARNATION = 0;
  static final int STORE_NUMBER_FLOOR = STORE_INCARNATION + Long.BYTES;
  static final int STORE_BYTES = STORE_NUMBER_FLOOR + Long.BYTES;

  // A head: sequence number, hash.
  static final int HEAD_SEQUENCE = 0;
  static final int HEAD_HASH = HEAD_SEQUENCE + Long.BYTES;
  static final int HEAD_BYTES = HEAD_HASH + Hash32.BYTES;

  // Body of a chain's row; its writer is in the key.
  static final int CHAIN_GENERATION = 0;
  static final int CHAIN_ROLE = CHAIN_GENERATION + Integer.BYTES;
  static final int CHAIN_KEY = CHAIN_ROLE + 1;
  static final int CHAIN_HEAD = CHAIN_KEY + PublicKey.BYTES;
  static final int CHAIN_LAMPORT = CHAIN_HEAD + HEAD_BYTES;
  static final int CHAIN_BYTES = CHAIN_LAMPORT + Long.BYTES;

  // A ballot: term, sealer.
  static final int BALLOT_TERM = 0;
  static final int BALLOT_SEALER = BALLOT_TERM + Long.BYTES;
  static final int BALLOT_BYTES = BALLOT_SEALER + Long.BYTES;

  // Body of a seal's row; its writer is in the key.
  static final int SEAL_PROMISED = 0;
  static final int SEAL_HEAD = SEAL_PROMISED + BALLOT_BYTES;
  static final int SEAL_ACCEPTED = SEAL_HEAD + HEAD_BYTES;
  static final int SEAL_LAST = SEAL_ACCEPTED + BALLOT_BYTES;
  static final int SEAL_BYTES = SEAL_LAST + HEAD_BYTES;

  // Body of a rebuilding row.
  static final int REBUILDING_BYTES = 1;
  static final byte REBUILDING_NONE = 0;
  static final byte REBUILDING_JOINING = 1;
  static final byte REBUILDING_JOINED = 2;

  // Body of the scrubber's row: the position it goes on after.
  static final int CURSOR_CAPSULE = 0;
  static final int CURSOR_WRITER = CURSOR_CAPSULE + Hash32.BYTES;
  static final int CURSOR_SEQUENCE = CURSOR_WRITER + Long.BYTES;
  static final int CURSOR_PASSES = CURSOR_SEQUENCE + Long.BYTES;
  static final int CURSOR_BYTES = CURSOR_PASSES + Long.BYTES;

  private ReplicaLayout() {}
}
