package io.capsuledb.core.record;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Proof that a writer is broken: two headers of one writer with one sequence number, different
 * hashes, and a valid signature on each. Anybody who has the capsule's name and the writer's public
 * key can check it; payloads are not needed. This is the payload of an EVIDENCE record (kind 1),
 * docs/format/record.md.
 */
public final class EquivocationProof {

  private static final int FORMAT = 1;
  private static final int KIND_EQUIVOCATION = 1;
  private static final int KIND_OFFSET = 1;
  private static final int RESERVED_OFFSET = 2;
  private static final int FIRST_LENGTH_OFFSET = 4;
  private static final int FIRST_OFFSET = 8;

  private final SignedHeader first;
  private final SignedHeader second;

  private EquivocationProof(SignedHeader first, SignedHeader second) {
    this.first = first;
    this.second = second;
  }

  /**
   * The proof that two records, or stubs of them, make together.
   *
   * @return null if they contradict each other in nothing, or a signature does not verify
   */
  public static @Nullable EquivocationProof of(
      SignedHeader one, SignedHeader other, PublicKey writerKey, Secp256k1 curve) {
    if (one.header().writer() != other.header().writer()
        || one.header().sequence() != other.header().sequence()
        || one.hash().equals(other.hash())
        || !one.isSignedBy(writerKey, curve)
        || !other.isSignedBy(writerKey, curve)) {
      return null;
    }
    return one.hash().compareTo(other.hash()) < 0
        ? new EquivocationProof(one, other)
        : new EquivocationProof(other, one);
  }

  /** Whom this convicts. */
  public long writer() {
    return first.header().writer();
  }

  /** The sequence number that was used twice. */
  public long sequence() {
    return first.header().sequence();
  }

  /**
   * Both headers with their signatures, the smaller hash first: one contradiction, one encoding.
   */
  public byte[] encode() {
    byte[] one = bare(first);
    byte[] other = bare(second);
    byte[] bytes = new byte[FIRST_OFFSET + one.length + other.length];
    bytes[0] = FORMAT;
    bytes[KIND_OFFSET] = KIND_EQUIVOCATION;
    LittleEndian.putInt(bytes, FIRST_LENGTH_OFFSET, one.length);
    System.arraycopy(one, 0, bytes, FIRST_OFFSET, one.length);
    System.arraycopy(other, 0, bytes, FIRST_OFFSET + one.length, other.length);
    return bytes;
  }

  /** Decodes and checks a proof against the accused writer's key. Takes any bytes. */
  public static Decoded<EquivocationProof> decode(
      CapsuleName capsule, byte[] bytes, PublicKey writerKey, Secp256k1 curve) {
    return headers(capsule, bytes)
        .then(headers -> check(headers.first(), headers.second(), writerKey, curve));
  }

  /**
   * The writer that a proof is about, so that its key can be looked up. Takes any bytes; says only
   * that they are well formed, and nothing of whether they prove anything.
   */
  public static Decoded<Long> accused(CapsuleName capsule, byte[] bytes) {
    return headers(capsule, bytes)
        .then(headers -> Decoded.accept(headers.first().header().writer()));
  }

  private record Headers(SignedHeader first, SignedHeader second) {}

  private static Decoded<Headers> headers(CapsuleName capsule, byte[] bytes) {
    if (bytes.length < FIRST_OFFSET) {
      return Decoded.reject(Reason.TRUNCATED, "evidence has " + bytes.length + " bytes");
    }
    if (bytes[0] != FORMAT) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "evidence format " + bytes[0]);
    }
    if (bytes[KIND_OFFSET] != KIND_EQUIVOCATION) {
      return Decoded.reject(Reason.UNKNOWN_TYPE, "evidence kind " + bytes[KIND_OFFSET]);
    }
    if (LittleEndian.getUnsignedShort(bytes, RESERVED_OFFSET) != 0) {
      return Decoded.reject(Reason.RESERVED_BITS, "evidence bytes 2 and 3 are not zero");
    }
    int firstLength = LittleEndian.getInt(bytes, FIRST_LENGTH_OFFSET);
    if (firstLength < 0 || firstLength > bytes.length - FIRST_OFFSET) {
      return Decoded.reject(Reason.TRUNCATED, "evidence announces " + firstLength + " bytes");
    }
    byte[] one = Arrays.copyOfRange(bytes, FIRST_OFFSET, FIRST_OFFSET + firstLength);
    byte[] other = Arrays.copyOfRange(bytes, FIRST_OFFSET + firstLength, bytes.length);
    return RecordCodec.decodeBare(capsule, one)
        .then(
            first ->
                RecordCodec.decodeBare(capsule, other)
                    .then(second -> Decoded.accept(new Headers(first, second))));
  }

  private static Decoded<EquivocationProof> check(
      SignedHeader first, SignedHeader second, PublicKey writerKey, Secp256k1 curve) {
    EquivocationProof proof = of(first, second, writerKey, curve);
    if (proof == null || !proof.first.hash().equals(first.hash())) {
      return Decoded.reject(Reason.SIGNATURE, "the evidence proves no equivocation of this writer");
    }
    return Decoded.accept(proof);
  }

  /** Header and signature, without the payload. */
  private static byte[] bare(SignedHeader record) {
    return switch (record) {
      case CapsuleRecord whole -> RecordCodec.withoutPayload(whole.bytes(), whole.header());
      case RecordStub stub -> stub.bytes();
    };
  }
}
