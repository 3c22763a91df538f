package io.capsuledb.core.record;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import java.util.List;

/**
 * Makes the records of one writer: encrypts, hashes, links and signs.
 *
 * <p>Invariants, asserted:
 *
 * <ul>
 *   <li>sequence numbers are 1, 2, 3, … without a gap and are never used twice, also when sealing
 *       fails half-way: then the sealer is spent and refuses further work. Together with a writer
 *       index that is drawn afresh at each start this is what keeps nonces unique;
 *   <li>Lamport times grow strictly along the chain;
 *   <li>the first record of a chain is a ROSTER that introduces its writer.
 * </ul>
 *
 * <p>One thread at a time.
 */
public final class RecordSealer implements AutoCloseable {

  private final CapsuleName capsule;
  private final int generation;
  private final long writer;
  private final SecretBytes signingKey;
  private final Aead aead;
  private final Secp256k1 curve;

  private long sequence;
  private long lamport;
  private Hash32 head = Hash32.ZERO;
  private boolean spent;

  /**
   * A sealer for a writer that has no record yet.
   *
   * @param signingKey the writer's private key; owned and closed by the sealer
   * @param dataKey the writer's data key; closed by the caller, which may do so at once
   */
  public RecordSealer(
      CapsuleName capsule,
      int generation,
      long writer,
      SecretBytes signingKey,
      SecretBytes dataKey,
      Secp256k1 curve) {
    this.capsule = capsule;
    this.generation = generation;
    this.writer = writer;
    this.signingKey = signingKey;
    this.aead = Aead.aes256Gcm(dataKey);
    this.curve = curve;
  }

  /** Whose chain this is. */
  public long writer() {
    return writer;
  }

  /** Sequence number of the newest record; 0 before the first. */
  public long sequence() {
    return sequence;
  }

  /** Hash of the newest record; zero before the first. */
  public Hash32 head() {
    return head;
  }

  /**
   * Seals the next record of the chain.
   *
   * @param lamport time of its first operation; larger than the previous record's
   * @param parents further records it joins; only for types that may
   * @param payload holds the payload to protect at {@code offset}, {@code length} bytes
   */
  public CapsuleRecord seal(
      RecordType type,
      long epoch,
      long lamport,
      List<Hash32> parents,
      byte[] payload,
      int offset,
      int length) {
    check(!spent, "a sealer that failed half-way is used again");
    check(lamport > this.lamport, "Lamport time does not grow along the chain");
    check(lamport <= RecordLayout.MAX_LAMPORT, "Lamport time beyond its bound");
    check(parents.isEmpty() || type.mayJoin(), "parents on a record that may not join");
    check(parents.size() <= RecordLayout.MAX_PARENTS, "too many parents");
    check(sequence > 0 || type == RecordType.ROSTER, "a chain begins with its ROSTER");
    check(length <= RecordLayout.MAX_PLAINTEXT_BYTES, "payload beyond its bound");
    spent = true;

    long next = sequence + 1;
    int headerBytes = RecordLayout.headerBytes(parents.size());
    int payloadLength = type.isClear() ? length : length + RecordLayout.TAG_BYTES;
    byte[] bytes = new byte[headerBytes + payloadLength + RecordLayout.SIGNATURE_BYTES];
    bytes[RecordLayout.FORMAT_OFFSET] = RecordLayout.FORMAT;
    bytes[RecordLayout.TYPE_OFFSET] = (byte) type.number();
    LittleEndian.putShort(bytes, RecordLayout.FLAGS_OFFSET, RecordCodec.flagsOf(type));
    LittleEndian.putInt(bytes, RecordLayout.GENERATION_OFFSET, generation);
    LittleEndian.putLong(bytes, RecordLayout.WRITER_OFFSET, writer);
    LittleEndian.putLong(bytes, RecordLayout.SEQUENCE_OFFSET, next);
    LittleEndian.putLong(bytes, RecordLayout.EPOCH_OFFSET, epoch);
    LittleEndian.putLong(bytes, RecordLayout.LAMPORT_OFFSET, lamport);
    LittleEndian.putInt(bytes, RecordLayout.PAYLOAD_LENGTH_OFFSET, payloadLength);
    LittleEndian.putShort(bytes, RecordLayout.PARENT_COUNT_OFFSET, parents.size());
    head.copyTo(bytes, RecordLayout.PREVIOUS_OFFSET);
    for (int i = 0; i < parents.size(); i++) {
      parents.get(i).copyTo(bytes, RecordLayout.FIXED_HEADER_BYTES + i * Hash32.BYTES);
    }
    if (type.isClear()) {
      System.arraycopy(payload, offset, bytes, headerBytes, length);
    } else {
      byte[] associated = RecordCodec.associatedData(capsule, bytes);
      int sealed =
          aead.seal(
              RecordCodec.nonce(writer, next),
              associated,
              0,
              associated.length,
              payload,
              offset,
              length,
              bytes,
              headerBytes);
      check(sealed == payloadLength, "the AEAD wrote an unexpected number of bytes");
    }
    Hash32 payloadHash = Hashes.sha256(bytes, headerBytes, payloadLength);
    payloadHash.copyTo(bytes, RecordLayout.PAYLOAD_HASH_OFFSET);
    Hash32 hash = RecordCodec.hashOf(capsule, bytes, headerBytes);
    byte[] signature = curve.sign(hash, signingKey);
    System.arraycopy(
        signature, 0, bytes, headerBytes + payloadLength, RecordLayout.SIGNATURE_BYTES);

    RecordHeader header =
        new RecordHeader(
            type,
            generation,
            writer,
            next,
            epoch,
            lamport,
            payloadLength,
            head,
            payloadHash,
            List.copyOf(parents));
    sequence = next;
    head = hash;
    this.lamport = lamport;
    spent = false;
    return new CapsuleRecord(bytes, header, hash);
  }

  @Override
  public void close() {
    spent = true;
    signingKey.close();
    aead.close();
  }

  private static void check(boolean invariant, String broken) {
    if (!invariant) {
      throw new IllegalStateException(broken);
    }
  }
}
