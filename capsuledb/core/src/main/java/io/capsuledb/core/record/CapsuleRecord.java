package io.capsuledb.core.record;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import java.util.Arrays;

/**
 * One record of a capsule: header, payload as stored, signature; the unit of signing, hashing and
 * replication. Immutable. Holding one means that its bytes are well formed and that its payload has
 * the hash the header names; chain and signature are what {@link ChainVerifier} checks.
 */
public final class CapsuleRecord implements SignedHeader {

  private final byte[] bytes;
  private final RecordHeader header;
  private final Hash32 hash;

  CapsuleRecord(byte[] bytes, RecordHeader header, Hash32 hash) {
    this.bytes = bytes;
    this.header = header;
    this.hash = hash;
  }

  @Override
  public RecordHeader header() {
    return header;
  }

  @Override
  public Hash32 hash() {
    return hash;
  }

  @Override
  public byte[] bytes() {
    return bytes;
  }

  /** Where the payload begins in {@link #bytes()}. */
  public int payloadOffset() {
    return RecordLayout.headerBytes(header.parents().size());
  }

  /** A copy of the payload as stored: ciphertext, or clear bytes. */
  public byte[] payload() {
    return Arrays.copyOfRange(bytes, payloadOffset(), signatureOffset());
  }

  @Override
  public boolean isSignedBy(PublicKey key, Secp256k1 curve) {
    return curve.verify(hash, bytes, signatureOffset(), key);
  }

  private int signatureOffset() {
    return bytes.length - RecordLayout.SIGNATURE_BYTES;
  }

  /** Writer, sequence and hash: how reports name a record. */
  @Override
  public String toString() {
    return describe(header.writer(), header.sequence()) + " " + hash;
  }

  /** How a position in the capsule is named in reports: writer in hex, sequence in decimal. */
  public static String describe(long writer, long sequence) {
    return "record " + Long.toHexString(writer) + "/" + sequence;
  }
}
