package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.EquivocationProof;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The payload of EVIDENCE records, of every kind. Format 1, docs/format/record.md and
 * docs/format/replication.md.
 */
public final class EvidenceCodec {

  private EvidenceCodec() {}

  /**
   * Which kind of proof bytes claim to be; takes any bytes and says nothing of the rest of them.
   */
  public static Decoded<Evidence.Kind> kindOf(byte[] bytes) {
    if (bytes.length < EvidenceLayout.FIRST_OFFSET) {
      return Decoded.reject(Reason.TRUNCATED, "evidence has " + bytes.length + " bytes");
    }
    if (bytes.length > EvidenceLayout.MAX_BYTES) {
      return Decoded.reject(Reason.TOO_LARGE, "evidence has " + bytes.length + " bytes");
    }
    if (bytes[EvidenceLayout.FORMAT_OFFSET] != EvidenceLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "evidence format " + bytes[EvidenceLayout.FORMAT_OFFSET]);
    }
    for (Evidence.Kind kind : Evidence.Kind.values()) {
      if (kind.number() == bytes[EvidenceLayout.KIND_OFFSET]) {
        return Decoded.accept(kind);
      }
    }
    return Decoded.reject(
        Reason.UNKNOWN_TYPE, "evidence kind " + bytes[EvidenceLayout.KIND_OFFSET]);
  }

  /**
   * Decodes and checks a proof, signatures included. Takes any bytes. Whether a convicted replica
   * is, or was, one of the capsule's is for the caller to find out: anybody can make a key and let
   * it contradict itself.
   *
   * @param capsule the capsule it has to be about
   * @param writerKeys the public key of a writer, or null if the writer is not known
   * @return the proof; UNKNOWN_WRITER if it is against a writer without a known key
   */
  public static Decoded<Evidence> decode(
      CapsuleName capsule,
      byte[] bytes,
      LongFunction<@Nullable PublicKey> writerKeys,
      Secp256k1 curve) {
    return kindOf(bytes)
        .then(
            kind ->
                switch (kind) {
                  case EQUIVOCATION -> equivocation(capsule, bytes, writerKeys, curve);
                  case CONTRADICTION -> contradiction(capsule, bytes, curve);
                });
  }

  private static Decoded<Evidence> equivocation(
      CapsuleName capsule,
      byte[] bytes,
      LongFunction<@Nullable PublicKey> writerKeys,
      Secp256k1 curve) {
    return EquivocationProof.accused(capsule, bytes)
        .then(
            writer -> {
              PublicKey key = writerKeys.apply(writer);
              return key == null
                  ? Decoded.reject(
                      Reason.UNKNOWN_WRITER,
                      "evidence against writer " + Long.toHexString(writer) + ", who is not known")
                  : EquivocationProof.decode(capsule, bytes, key, curve)
                      .then(proof -> Decoded.accept(new Evidence.Equivocation(proof)));
            });
  }

  private static Decoded<Evidence> contradiction(
      CapsuleName capsule, byte[] bytes, Secp256k1 curve) {
    return ContradictionProof.decode(bytes, curve)
        .then(
            proof -> {
              CapsuleName about = proof.first().statement().capsule();
              return about.equals(capsule)
                  ? Decoded.accept(new Evidence.Contradiction(proof))
                  : Decoded.reject(
                      Reason.MISPLACED, "evidence about capsule " + about + ", not " + capsule);
            });
  }
}
