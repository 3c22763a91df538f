package io.capsuledb.core.rotation;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.seal.ChainHead;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * The payload of a ROTATE record, in clear, because replicas obey it: signed with the application
 * key of the generation that begins, for which the owner vouches. Canonical. Format 1,
 * docs/format/rotate.md.
 */
public final class RotationCodec {

  /** The place of a ROTATE in its chain: right behind the ROSTER that introduces its writer. */
  public static final long SEQUENCE = 2;

  private static final byte[] TAG = "capsuledb/v1/rotate".getBytes(StandardCharsets.US_ASCII);

  private RotationCodec() {}

  /**
   * Encodes and signs a rotation.
   *
   * @param applicationSigner signs a digest with the key of the generation that begins, 64 bytes
   */
  public static byte[] encode(
      CapsuleName capsule, Rotation rotation, Function<Hash32, byte[]> applicationSigner) {
    byte[] bytes = new byte[RotationLayout.bytes(rotation.ends().size())];
    bytes[RotationLayout.FORMAT_OFFSET] = RotationLayout.FORMAT;
    LittleEndian.putInt(bytes, RotationLayout.GENERATION_OFFSET, rotation.generation());
    LittleEndian.putInt(bytes, RotationLayout.COUNT_OFFSET, rotation.ends().size());
    rotation.certificate().copyTo(bytes, RotationLayout.CERTIFICATE_OFFSET);
    byte[] wrapped = rotation.wrapped();
    System.arraycopy(wrapped, 0, bytes, RotationLayout.WRAPPED_OFFSET, wrapped.length);
    int at = RotationLayout.ENDS_OFFSET;
    for (Rotation.End end : rotation.ends()) {
      LittleEndian.putLong(bytes, at + RotationLayout.WRITER_IN_END, end.writer());
      LittleEndian.putLong(bytes, at + RotationLayout.SEQUENCE_IN_END, end.last().sequence());
      end.last().hash().copyTo(bytes, at + RotationLayout.HASH_IN_END);
      at += RotationLayout.END_BYTES;
    }
    byte[] signature = applicationSigner.apply(digest(capsule, bytes));
    System.arraycopy(signature, 0, bytes, at, Secp256k1.SIGNATURE_BYTES);
    return bytes;
  }

  /** Decodes a rotation and verifies both signatures. Takes any bytes. */
  public static Decoded<Rotation> decode(
      CapsuleName capsule, byte[] bytes, CapsuleMetadata metadata, Secp256k1 curve) {
    if (bytes.length < RotationLayout.MIN_BYTES) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "rotation has " + bytes.length + " bytes, at least " + RotationLayout.MIN_BYTES);
    }
    if (bytes[RotationLayout.FORMAT_OFFSET] != RotationLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "rotation format " + bytes[RotationLayout.FORMAT_OFFSET]);
    }
    for (int i = RotationLayout.RESERVED_OFFSET; i < RotationLayout.GENERATION_OFFSET; i++) {
      if (bytes[i] != 0) {
        return Decoded.reject(Reason.RESERVED_BITS, "rotation byte " + i + " is not zero");
      }
    }
    int count = LittleEndian.getInt(bytes, RotationLayout.COUNT_OFFSET);
    if (count < 0 || count > Rotation.MAX_ENDS) {
      return Decoded.reject(Reason.TOO_LARGE, "rotation ends " + count + " chains");
    }
    int expected = RotationLayout.bytes(count);
    if (bytes.length != expected) {
      return Decoded.reject(
          bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "rotation has " + bytes.length + " bytes where its count says " + expected);
    }
    int generation = LittleEndian.getInt(bytes, RotationLayout.GENERATION_OFFSET);
    List<Rotation.End> ends = new ArrayList<>(count);
    for (int at = RotationLayout.ENDS_OFFSET; ends.size() < count; at += RotationLayout.END_BYTES) {
      long sequence = LittleEndian.getLong(bytes, at + RotationLayout.SEQUENCE_IN_END);
      Hash32 hash = Hash32.copyOf(bytes, at + RotationLayout.HASH_IN_END);
      if (sequence < 0 || (sequence == 0) != hash.isZero()) {
        return Decoded.reject(
            Reason.FIELD_OUT_OF_RANGE, "rotation end " + ends.size() + " at " + sequence);
      }
      ends.add(
          new Rotation.End(
              LittleEndian.getLong(bytes, at + RotationLayout.WRITER_IN_END),
              new ChainHead(sequence, hash)));
    }
    String wrong = Rotation.wrong(generation, ends);
    if (wrong != null) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "rotation with " + wrong);
    }
    return metadata
        .certified(bytes, RotationLayout.CERTIFICATE_OFFSET, generation, curve)
        .then(certificate -> signed(capsule, bytes, generation, certificate, ends, curve));
  }

  private static Decoded<Rotation> signed(
      CapsuleName capsule,
      byte[] bytes,
      int generation,
      GenerationCertificate certificate,
      List<Rotation.End> ends,
      Secp256k1 curve) {
    int signatureOffset = bytes.length - Secp256k1.SIGNATURE_BYTES;
    if (!curve.verify(digest(capsule, bytes), bytes, signatureOffset, certificate.key())) {
      return Decoded.reject(
          Reason.SIGNATURE, "rotation is not signed by the key of generation " + generation);
    }
    byte[] wrapped =
        Arrays.copyOfRange(bytes, RotationLayout.WRAPPED_OFFSET, RotationLayout.ENDS_OFFSET);
    return Decoded.accept(new Rotation(generation, certificate, wrapped, ends));
  }

  private static Hash32 digest(CapsuleName capsule, byte[] signed) {
    return Hashes.tagged(
        TAG, capsule.toBytes(), Arrays.copyOf(signed, signed.length - Secp256k1.SIGNATURE_BYTES));
  }
}
