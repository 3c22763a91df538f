package io.capsuledb.core.record;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;

/**
 * What every stored form of a record holds: its header and the signature over the header's hash.
 * That is all a chain is made of; a {@link CapsuleRecord} has the payload too, a {@link RecordStub}
 * has not. Immutable.
 */
public sealed interface SignedHeader permits CapsuleRecord, RecordStub {

  /** The decoded header. */
  RecordHeader header();

  /** The record hash: SHA-256(tag ‖ capsule name ‖ header); the same for both forms. */
  Hash32 hash();

  /** The encoded form itself, not a copy; not to be modified. */
  byte[] bytes();

  /** Whether the signature over the record hash verifies under {@code key}. */
  boolean isSignedBy(PublicKey key, Secp256k1 curve);
}
