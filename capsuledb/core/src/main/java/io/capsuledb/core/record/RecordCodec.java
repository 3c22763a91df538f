package io.capsuledb.core.record;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Records from bytes. The encoding is canonical: every byte is a field, so two different byte
 * strings never decode to the same record.
 */
public final class RecordCodec {

  static final byte[] HASH_TAG = "capsuledb/v1/record".getBytes(StandardCharsets.US_ASCII);

  private static final byte[] AAD_TAG = "capsuledb/v1/payload".getBytes(StandardCharsets.US_ASCII);

  private RecordCodec() {}

  /**
   * Decodes one record of {@code capsule} and checks its payload hash. Takes any bytes; keeps
   * {@code bytes}, which must not be modified afterwards.
   */
  public static Decoded<CapsuleRecord> decode(CapsuleName capsule, byte[] bytes) {
    if (bytes.length > RecordLayout.MAX_RECORD_BYTES) {
      return Decoded.reject(
          Reason.TOO_LARGE,
          "record has " + bytes.length + " bytes, at most " + RecordLayout.MAX_RECORD_BYTES);
    }
    return decodeHeader(bytes).then(header -> decodePayload(capsule, bytes, header));
  }

  private static Decoded<CapsuleRecord> decodePayload(
      CapsuleName capsule, byte[] bytes, RecordHeader header) {
    int payloadOffset = RecordLayout.headerBytes(header.parents().size());
    long expected = (long) payloadOffset + header.payloadLength() + RecordLayout.SIGNATURE_BYTES;
    if (isStub(bytes, header)) {
      return Decoded.reject(
          Reason.RELEASED,
          CapsuleRecord.describe(header.writer(), header.sequence())
              + " is stored without its payload of "
              + header.payloadLength()
              + " bytes");
    }
    if (bytes.length != expected) {
      return Decoded.reject(
          bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "record has " + bytes.length + " bytes where its header says " + expected);
    }
    Hash32 actual = Hashes.sha256(bytes, payloadOffset, header.payloadLength());
    if (!actual.equals(header.payloadHash())) {
      return Decoded.reject(
          Reason.PAYLOAD_HASH,
          CapsuleRecord.describe(header.writer(), header.sequence())
              + " names payload hash "
              + header.payloadHash()
              + " but its payload has "
              + actual);
    }
    return Decoded.accept(new CapsuleRecord(bytes, header, hashOf(capsule, bytes, payloadOffset)));
  }

  // ------------------------------------------------------------------ stubs

  /**
   * The stub of a record: its header and signature, without the payload between them. The same
   * bytes if {@code record} is a stub already.
   *
   * @param record an encoded record, as {@link #decode} accepts it
   * @throws InvalidRequestException if it is none, or of a type whose payload everybody must read
   */
  public static byte[] stub(byte[] record) {
    if (isStub(record)) {
      return record.clone();
    }
    if (!(decodeHeader(record) instanceof Decoded.Accepted<RecordHeader>(RecordHeader header))
        || !isWhole(record, header)) {
      throw new InvalidRequestException("only a whole record has a stub");
    }
    if (!mayBeStub(header)) {
      throw new InvalidRequestException("the payload of a " + header.type() + " is never released");
    }
    return withoutPayload(record, header);
  }

  /** What a record, or the stub of one, says it is for; null if {@code bytes} are neither. */
  public static @Nullable RecordType typeOf(byte[] bytes) {
    return decodeHeader(bytes) instanceof Decoded.Accepted<RecordHeader>(RecordHeader header)
        ? header.type()
        : null;
  }

  /**
   * Whether {@code bytes}, any bytes, have the form of a stub; nothing is said of its signature.
   */
  public static boolean isStub(byte[] bytes) {
    return decodeHeader(bytes) instanceof Decoded.Accepted<RecordHeader>(RecordHeader header)
        && isStub(bytes, header);
  }

  /**
   * Whether {@code stub} is what remains of {@code record} when its payload is released. Takes any
   * bytes; reads neither hash nor signature, so it says that two forms belong together and not that
   * either is authentic.
   */
  public static boolean isStubOf(byte[] stub, byte[] record) {
    return decodeHeader(record) instanceof Decoded.Accepted<RecordHeader>(RecordHeader header)
        && isWhole(record, header)
        && mayBeStub(header)
        && Arrays.equals(stub, withoutPayload(record, header));
  }

  /**
   * Decodes one stub of a record of {@code capsule}. Takes any bytes; keeps {@code bytes}, which
   * must not be modified afterwards.
   */
  public static Decoded<RecordStub> decodeStub(CapsuleName capsule, byte[] bytes) {
    return decodeBare(capsule, bytes)
        .then(
            bare ->
                mayBeStub(bare.header())
                    ? Decoded.accept(bare)
                    : Decoded.reject(
                        Reason.FIELD_OUT_OF_RANGE,
                        bare + " is a " + bare.header().type() + ", whose payload must be there"));
  }

  /**
   * Decodes one record of {@code capsule} in whichever form it is stored. Takes any bytes; keeps
   * {@code bytes}, which must not be modified afterwards. Whether a stub may be one is for the
   * caller to find out.
   */
  public static Decoded<SignedHeader> decodeStored(CapsuleName capsule, byte[] bytes) {
    return isStub(bytes)
        ? decodeStub(capsule, bytes).then(Decoded::accept)
        : decode(capsule, bytes).then(Decoded::accept);
  }

  // ------------------------------------------------------------------ headers alone

  /** A record's header, as it is encoded, without payload and signature: a fresh array. */
  public static byte[] headerOf(SignedHeader record) {
    return Arrays.copyOf(
        record.bytes(), RecordLayout.headerBytes(record.header().parents().size()));
  }

  /**
   * Decodes a header that stands alone, of a record of any type. Takes any bytes. The record hash
   * covers every byte of it, so whoever knows that hash needs no signature.
   */
  public static Decoded<HashedHeader> decodeHashed(CapsuleName capsule, byte[] bytes) {
    return decodeHeader(bytes)
        .then(
            header -> {
              int expected = RecordLayout.headerBytes(header.parents().size());
              return bytes.length == expected
                  ? Decoded.accept(new HashedHeader(header, hashOf(capsule, bytes, expected)))
                  : Decoded.reject(
                      Reason.TRAILING_BYTES,
                      "a header has " + expected + " bytes, not " + bytes.length);
            });
  }

  /** Decodes header and signature of a record of any type. */
  static Decoded<RecordStub> decodeBare(CapsuleName capsule, byte[] bytes) {
    return decodeHeader(bytes)
        .then(
            header -> {
              int headerBytes = RecordLayout.headerBytes(header.parents().size());
              int expected = headerBytes + RecordLayout.SIGNATURE_BYTES;
              if (bytes.length != expected) {
                return Decoded.reject(
                    bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
                    "a header with its signature has " + expected + " bytes, not " + bytes.length);
              }
              return Decoded.accept(
                  new RecordStub(bytes, header, hashOf(capsule, bytes, headerBytes)));
            });
  }

  private static boolean isStub(byte[] bytes, RecordHeader header) {
    return mayBeStub(header) && bytes.length == bareBytes(header);
  }

  private static boolean isWhole(byte[] bytes, RecordHeader header) {
    return bytes.length == (long) bareBytes(header) + header.payloadLength();
  }

  /** An empty payload is never missing, so without this a record would be its own stub. */
  private static boolean mayBeStub(RecordHeader header) {
    return header.type().mayBeReleased() && header.payloadLength() > 0;
  }

  private static int bareBytes(RecordHeader header) {
    return RecordLayout.headerBytes(header.parents().size()) + RecordLayout.SIGNATURE_BYTES;
  }

  /** Header and signature of an encoded record of the right length. */
  static byte[] withoutPayload(byte[] record, RecordHeader header) {
    int headerBytes = RecordLayout.headerBytes(header.parents().size());
    byte[] bare = Arrays.copyOf(record, headerBytes + RecordLayout.SIGNATURE_BYTES);
    System.arraycopy(
        record,
        record.length - RecordLayout.SIGNATURE_BYTES,
        bare,
        headerBytes,
        RecordLayout.SIGNATURE_BYTES);
    return bare;
  }

  // ------------------------------------------------------------------ parts

  /** Decodes the header that {@code bytes} begin with; what follows it is not looked at. */
  static Decoded<RecordHeader> decodeHeader(byte[] bytes) {
    if (bytes.length < RecordLayout.FIXED_HEADER_BYTES) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "record has "
              + bytes.length
              + " bytes, its header alone has at least "
              + RecordLayout.FIXED_HEADER_BYTES);
    }
    int format = bytes[RecordLayout.FORMAT_OFFSET];
    if (format != RecordLayout.FORMAT) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "record format " + format);
    }
    RecordType type = RecordType.ofNumber(bytes[RecordLayout.TYPE_OFFSET]);
    if (type == null) {
      return Decoded.reject(Reason.UNKNOWN_TYPE, "record type " + bytes[RecordLayout.TYPE_OFFSET]);
    }
    int flags = LittleEndian.getUnsignedShort(bytes, RecordLayout.FLAGS_OFFSET);
    if (flags != flagsOf(type)) {
      return Decoded.reject(Reason.RESERVED_BITS, "record flags " + flags + " with type " + type);
    }
    if (LittleEndian.getUnsignedShort(bytes, RecordLayout.RESERVED_OFFSET) != 0) {
      return Decoded.reject(Reason.RESERVED_BITS, "record bytes 46 and 47 are not zero");
    }
    int parentCount = LittleEndian.getUnsignedShort(bytes, RecordLayout.PARENT_COUNT_OFFSET);
    if (parentCount > RecordLayout.MAX_PARENTS) {
      return Decoded.reject(Reason.TOO_LARGE, "record with " + parentCount + " parents");
    }
    if (parentCount > 0 && !type.mayJoin()) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "a " + type + " record with parents");
    }
    int headerBytes = RecordLayout.headerBytes(parentCount);
    if (bytes.length < headerBytes) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "record has " + bytes.length + " bytes, its header alone has " + headerBytes);
    }
    int generation = LittleEndian.getInt(bytes, RecordLayout.GENERATION_OFFSET);
    long writer = LittleEndian.getLong(bytes, RecordLayout.WRITER_OFFSET);
    long sequence = LittleEndian.getLong(bytes, RecordLayout.SEQUENCE_OFFSET);
    long epoch = LittleEndian.getLong(bytes, RecordLayout.EPOCH_OFFSET);
    long lamport = LittleEndian.getLong(bytes, RecordLayout.LAMPORT_OFFSET);
    int payloadLength = LittleEndian.getInt(bytes, RecordLayout.PAYLOAD_LENGTH_OFFSET);
    @Nullable String outOfRange = null;
    if (generation < 0) {
      outOfRange = "key generation " + generation;
    } else if (writer < 1 || writer > RosterEntry.MAX_WRITER) {
      outOfRange = "writer " + Long.toHexString(writer);
    } else if (sequence < 1) {
      outOfRange = "sequence " + sequence;
    } else if (epoch < 0) {
      outOfRange = "epoch " + epoch;
    } else if (lamport < 1 || lamport > RecordLayout.MAX_LAMPORT) {
      outOfRange = "Lamport time " + lamport;
    } else if (payloadLength < (type.isClear() ? 0 : RecordLayout.TAG_BYTES)
        || payloadLength > RecordLayout.MAX_RECORD_BYTES) {
      outOfRange = "a payload of " + payloadLength + " bytes";
    }
    if (outOfRange != null) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "record has " + outOfRange);
    }
    Hash32 previous = Hash32.copyOf(bytes, RecordLayout.PREVIOUS_OFFSET);
    if ((sequence == 1) != previous.isZero()) {
      return Decoded.reject(
          Reason.PREVIOUS_HASH,
          CapsuleRecord.describe(writer, sequence) + " names predecessor " + previous);
    }
    List<Hash32> parents = new ArrayList<>(parentCount);
    for (int i = 0; i < parentCount; i++) {
      parents.add(Hash32.copyOf(bytes, RecordLayout.FIXED_HEADER_BYTES + i * Hash32.BYTES));
    }
    return Decoded.accept(
        new RecordHeader(
            type,
            generation,
            writer,
            sequence,
            epoch,
            lamport,
            payloadLength,
            previous,
            Hash32.copyOf(bytes, RecordLayout.PAYLOAD_HASH_OFFSET),
            List.copyOf(parents)));
  }

  static int flagsOf(RecordType type) {
    return type.isClear() ? RecordLayout.FLAG_CLEAR : 0;
  }

  /** The record hash of a record whose header is the first {@code headerBytes} bytes. */
  static Hash32 hashOf(CapsuleName capsule, byte[] bytes, int headerBytes) {
    return Hashes.tagged(HASH_TAG, capsule.hash(), bytes, 0, headerBytes);
  }

  /** What the AEAD authenticates beside the payload: tag, capsule name, identity. */
  static byte[] associatedData(CapsuleName capsule, byte[] header) {
    byte[] data =
        Arrays.copyOf(AAD_TAG, AAD_TAG.length + Hash32.BYTES + RecordLayout.IDENTITY_BYTES);
    capsule.hash().copyTo(data, AAD_TAG.length);
    System.arraycopy(header, 0, data, AAD_TAG.length + Hash32.BYTES, RecordLayout.IDENTITY_BYTES);
    return data;
  }

  /**
   * The nonce of a record under its writer's data key: the writer index's low 32 bits and the
   * sequence number. The data key is the writer's own (KeyTree), so a pair of key and nonce belongs
   * to one pair of writer index and sequence number.
   */
  static byte[] nonce(long writer, long sequence) {
    byte[] nonce = new byte[12];
    LittleEndian.putInt(nonce, 0, (int) writer);
    LittleEndian.putLong(nonce, 4, sequence);
    return nonce;
  }
}
