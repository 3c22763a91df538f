package io.capsuledb.core.capsule;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.GenerationCertificate;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The payload of a ROSTER record: writers the application vouches for, signed with the application
 * key. It travels in clear, because whoever verifies records, replicas included, needs it. Formats
 * 1 and 2, docs/format/record.md: of generation 0, whose key the metadata name, and of later ones,
 * with the owner's certificate of the key. So every roster can be checked with the metadata alone.
 */
public final class RosterCodec {

  /** Most entries in one roster. */
  public static final int MAX_ENTRIES = 4096;

  private static final byte[] TAG = "capsuledb/v1/roster".getBytes(StandardCharsets.US_ASCII);
  private static final int FORMAT = 1;
  private static final int CERTIFIED_FORMAT = 2;

  private static final int FORMAT_OFFSET = 0;
  private static final int RESERVED_OFFSET = 1;
  private static final int GENERATION_OFFSET = 4;
  private static final int COUNT_OFFSET = 8;
  private static final int ENTRIES_OFFSET = 12;
  private static final int CERTIFICATE_OFFSET = 12;
  private static final int CERTIFIED_ENTRIES_OFFSET =
      CERTIFICATE_OFFSET + GenerationCertificate.BYTES;

  private static final int WRITER_IN_ENTRY = 0;
  private static final int GENERATION_IN_ENTRY = 8;
  private static final int ROLE_IN_ENTRY = 12;
  private static final int KEY_IN_ENTRY = 13;
  private static final int ENTRY_BYTES = KEY_IN_ENTRY + PublicKey.BYTES;

  private RosterCodec() {}

  /**
   * Encodes and signs a roster of generation 0.
   *
   * @param generation 0
   * @param applicationSigner signs a digest with the application key of generation 0, 64 bytes
   */
  public static byte[] encode(
      CapsuleName capsule,
      int generation,
      List<RosterEntry> entries,
      Function<Hash32, byte[]> applicationSigner) {
    if (generation != 0) {
      throw new IllegalArgumentException("generation " + generation + " needs a certificate");
    }
    return encode(capsule, generation, null, entries, applicationSigner);
  }

  /**
   * Encodes and signs a roster of the key's generation.
   *
   * @throws IllegalArgumentException if the key is of a generation after 0 and has no certificate
   */
  public static byte[] encode(CapsuleName capsule, ApplicationKey key, List<RosterEntry> entries) {
    GenerationCertificate certificate = key.certificate();
    if (key.generation() > 0 && certificate == null) {
      throw new IllegalArgumentException(
          "the key of generation " + key.generation() + " came without the owner's certificate");
    }
    return encode(
        capsule, key.generation(), key.generation() == 0 ? null : certificate, entries, key::sign);
  }

  private static byte[] encode(
      CapsuleName capsule,
      int generation,
      @Nullable GenerationCertificate certificate,
      List<RosterEntry> entries,
      Function<Hash32, byte[]> applicationSigner) {
    if (entries.isEmpty() || entries.size() > MAX_ENTRIES) {
      throw new IllegalArgumentException("a roster of " + entries.size() + " entries");
    }
    int at = certificate == null ? ENTRIES_OFFSET : CERTIFIED_ENTRIES_OFFSET;
    byte[] bytes = new byte[at + entries.size() * ENTRY_BYTES + Secp256k1.SIGNATURE_BYTES];
    bytes[FORMAT_OFFSET] = (byte) (certificate == null ? FORMAT : CERTIFIED_FORMAT);
    LittleEndian.putInt(bytes, GENERATION_OFFSET, generation);
    LittleEndian.putInt(bytes, COUNT_OFFSET, entries.size());
    if (certificate != null) {
      certificate.copyTo(bytes, CERTIFICATE_OFFSET);
    }
    for (RosterEntry entry : entries) {
      LittleEndian.putLong(bytes, at + WRITER_IN_ENTRY, entry.writer());
      LittleEndian.putInt(bytes, at + GENERATION_IN_ENTRY, entry.generation());
      bytes[at + ROLE_IN_ENTRY] = (byte) entry.role().number();
      entry.key().copyTo(bytes, at + KEY_IN_ENTRY);
      at += ENTRY_BYTES;
    }
    byte[] signature = applicationSigner.apply(digest(capsule, bytes));
    System.arraycopy(signature, 0, bytes, at, Secp256k1.SIGNATURE_BYTES);
    return bytes;
  }

  /**
   * Decodes a roster and verifies the application's signature, and the owner's on its key. Takes
   * any bytes.
   */
  public static Decoded<List<RosterEntry>> decode(
      CapsuleName capsule, byte[] bytes, CapsuleMetadata metadata, Secp256k1 curve) {
    int least = ENTRIES_OFFSET + ENTRY_BYTES + Secp256k1.SIGNATURE_BYTES;
    if (bytes.length < least) {
      return Decoded.reject(
          Reason.TRUNCATED, "roster has " + bytes.length + " bytes, at least " + least);
    }
    int format = bytes[FORMAT_OFFSET];
    if (format != FORMAT && format != CERTIFIED_FORMAT) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "roster format " + format);
    }
    for (int i = RESERVED_OFFSET; i < GENERATION_OFFSET; i++) {
      if (bytes[i] != 0) {
        return Decoded.reject(Reason.RESERVED_BITS, "roster byte " + i + " is not zero");
      }
    }
    int generation = LittleEndian.getInt(bytes, GENERATION_OFFSET);
    if (format == FORMAT ? generation != 0 : generation < 1) {
      return Decoded.reject(
          Reason.KEY_GENERATION, "roster of format " + format + " signed in " + generation);
    }
    int count = LittleEndian.getInt(bytes, COUNT_OFFSET);
    if (count < 1 || count > MAX_ENTRIES) {
      return Decoded.reject(Reason.TOO_LARGE, "roster of " + count + " entries");
    }
    int entriesOffset = format == FORMAT ? ENTRIES_OFFSET : CERTIFIED_ENTRIES_OFFSET;
    int expected = entriesOffset + count * ENTRY_BYTES + Secp256k1.SIGNATURE_BYTES;
    if (bytes.length != expected) {
      return Decoded.reject(
          bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "roster has " + bytes.length + " bytes where its count says " + expected);
    }
    PublicKey application = metadata.applicationKey();
    if (format == CERTIFIED_FORMAT) {
      switch (metadata.certified(bytes, CERTIFICATE_OFFSET, generation, curve)) {
        case Decoded.Accepted<GenerationCertificate>(GenerationCertificate certificate) ->
            application = certificate.key();
        case Decoded.Rejected<GenerationCertificate>(var rejection) -> {
          return new Decoded.Rejected<>(rejection);
        }
      }
    }
    int signatureOffset = expected - Secp256k1.SIGNATURE_BYTES;
    if (!curve.verify(digest(capsule, bytes), bytes, signatureOffset, application)) {
      return Decoded.reject(Reason.SIGNATURE, "roster is not signed by the application key");
    }
    List<RosterEntry> entries = new ArrayList<>(count);
    Set<Long> writers = new HashSet<>();
    for (int i = 0, at = entriesOffset; i < count; i++, at += ENTRY_BYTES) {
      long writer = LittleEndian.getLong(bytes, at + WRITER_IN_ENTRY);
      int entryGeneration = LittleEndian.getInt(bytes, at + GENERATION_IN_ENTRY);
      int role = bytes[at + ROLE_IN_ENTRY];
      if (writer < 1
          || writer > RosterEntry.MAX_WRITER
          || entryGeneration != generation
          || !writers.add(writer)) {
        return Decoded.reject(
            Reason.FIELD_OUT_OF_RANGE,
            "roster entry "
                + i
                + ": writer "
                + Long.toHexString(writer)
                + " of generation "
                + entryGeneration
                + " in a roster of generation "
                + generation);
      }
      if (!RosterEntry.Role.known(role)) {
        return Decoded.reject(Reason.UNKNOWN_TYPE, "roster entry " + i + " has role " + role);
      }
      switch (PublicKey.decode(bytes, at + KEY_IN_ENTRY)) {
        case Decoded.Accepted<PublicKey>(PublicKey key) ->
            entries.add(
                new RosterEntry(writer, key, RosterEntry.Role.ofNumber(role), entryGeneration));
        case Decoded.Rejected<PublicKey>(var rejection) -> {
          return new Decoded.Rejected<>(rejection);
        }
      }
    }
    return Decoded.accept(List.copyOf(entries));
  }

  private static Hash32 digest(CapsuleName capsule, byte[] signed) {
    return Hashes.tagged(
        TAG, capsule.toBytes(), Arrays.copyOf(signed, signed.length - Secp256k1.SIGNATURE_BYTES));
  }
}
