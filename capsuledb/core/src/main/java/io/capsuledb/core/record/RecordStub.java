package io.capsuledb.core.record;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;

/**
 * A record without its payload: header, then signature. The header names the payload's length and
 * hash, so hash, chain and signature of a stub verify as those of the record do. Immutable. Holding
 * one means that its bytes are well formed; whether the payload may be missing is for a CHECKPOINT
 * to say.
 */
public final class RecordStub implements SignedHeader {

  private final byte[] bytes;
  private final RecordHeader header;
  private final Hash32 hash;

  RecordStub(byte[] bytes, RecordHeader header, Hash32 hash) {
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

  @Override
  public boolean isSignedBy(PublicKey key, Secp256k1 curve) {
    return curve.verify(hash, bytes, bytes.length - RecordLayout.SIGNATURE_BYTES, key);
  }

  /** Writer, sequence and hash: how reports name a record. */
  @Override
  public String toString() {
    return CapsuleRecord.describe(header.writer(), header.sequence()) + " " + hash;
  }
}
