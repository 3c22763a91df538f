package io.capsuledb.core.error;

/**
 * Why untrusted bytes were not accepted.
 *
 * @param reason the check that failed
 * @param detail what it failed on: offsets, lengths, hashes; never keys, values or secrets
 */
public record Rejection(Reason reason, String detail) {

  /** The checks that can fail. Names are stable: they label metrics and appear in reports. */
  public enum Reason {
    /** Fewer bytes than the layout needs. */
    TRUNCATED,
    /** More bytes than the layout has. */
    TRAILING_BYTES,
    /** A length, count or size beyond its bound. */
    TOO_LARGE,
    /** The format number is not one this version reads. */
    UNKNOWN_FORMAT,
    /** The record type, or another enumerated value, is not known. */
    UNKNOWN_TYPE,
    /** A reserved bit or byte is not zero. */
    RESERVED_BITS,
    /** A field holds a value outside its range. */
    FIELD_OUT_OF_RANGE,
    /** A text's own check characters do not match it: mistyped, or cut. */
    CHECKSUM,
    /** The bytes stored are not the bytes that were written (storage checksum). */
    STORAGE_CHECKSUM,
    /** Only header and signature are there: the payload was released. */
    RELEASED,
    /** The payload's SHA-256 is not the one in the header. */
    PAYLOAD_HASH,
    /** The record belongs to, or was asked for from, another capsule, writer or position. */
    MISPLACED,
    /** No valid roster names this writer. */
    UNKNOWN_WRITER,
    /** The writer's role does not allow records of this type. */
    ROLE,
    /** The key generation is not one the capsule has, or not the writer's. */
    KEY_GENERATION,
    /** The writer was sealed at or before this sequence number. */
    SEALED_WRITER,
    /** The sequence number does not follow its predecessor's. */
    SEQUENCE_GAP,
    /** The previous-record hash is not the hash of the predecessor. */
    PREVIOUS_HASH,
    /** The Lamport time does not grow along the chain or over a parent. */
    LAMPORT_ORDER,
    /** The epoch does not follow from the records before it in its chain. */
    EPOCH_ORDER,
    /** A record that another record names by hash is not there. */
    MISSING_RECORD,
    /** The signature does not verify. */
    SIGNATURE,
    /** The AEAD tag does not verify under the generation's key. */
    DECRYPTION,
    /** The payload decrypted, but its content is malformed. */
    PAYLOAD,
    /** Two records of one writer carry one sequence number. */
    EQUIVOCATION,
    /** A proof does not lead to what was signed, or does not show what it has to show. */
    PROOF
  }

  public static Rejection of(Reason reason, String detail) {
    return new Rejection(reason, detail);
  }

  @Override
  public String toString() {
    return reason + ": " + detail;
  }
}
