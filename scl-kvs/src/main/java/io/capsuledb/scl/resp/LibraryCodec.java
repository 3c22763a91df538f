package io.capsuledb.scl.resp;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Libraries to bytes and back: one as the capsule keeps it, all of them as FUNCTION DUMP gives
 * them. Decoders take any bytes; what they accept has exactly one encoding. The checksum of a dump
 * finds damage, not forgery. See docs/format/library.md.
 */
final class LibraryCodec {

  private static final byte[] DUMP_DOMAIN =
      "capsuledb/functions-dump/1\0".getBytes(StandardCharsets.US_ASCII);

  private LibraryCodec() {}

  /** The value that the capsule keeps. */
  static byte[] encode(StoredLibrary library) {
    byte[] name = library.name().getBytes(StandardCharsets.UTF_8);
    byte[] user = library.loadedBy().getBytes(StandardCharsets.UTF_8);
    byte[] code = library.code().getBytes(StandardCharsets.UTF_8);
    byte[] value = new byte[LibraryLayout.FIXED_BYTES + name.length + user.length + code.length];
    value[LibraryLayout.FORMAT_AT] = LibraryLayout.FORMAT;
    value[LibraryLayout.ENGINE_AT] = LibraryLayout.ENGINE_DUKTAPE;
    LittleEndian.putLong(value, LibraryLayout.VERSION_AT, library.version());
    LittleEndian.putLong(value, LibraryLayout.LOADED_AT_MS_AT, library.loadedAtMs());
    value[LibraryLayout.NAME_LENGTH_AT] = (byte) name.length;
    value[LibraryLayout.USER_LENGTH_AT] = (byte) user.length;
    LittleEndian.putInt(value, LibraryLayout.CODE_LENGTH_AT, code.length);
    int at = LibraryLayout.FIXED_BYTES;
    for (byte[] part : List.of(name, user, code)) {
      System.arraycopy(part, 0, value, at, part.length);
      at += part.length;
    }
    return value;
  }

  /** Decodes any bytes. */
  static Decoded<StoredLibrary> decode(byte[] value) {
    if (value.length < LibraryLayout.FIXED_BYTES) {
      return Decoded.reject(Reason.TRUNCATED, "library of " + value.length + " bytes");
    }
    if (value[LibraryLayout.FORMAT_AT] != LibraryLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "library format " + value[LibraryLayout.FORMAT_AT]);
    }
    if (value[LibraryLayout.ENGINE_AT] != LibraryLayout.ENGINE_DUKTAPE) {
      return Decoded.reject(
          Reason.UNKNOWN_TYPE, "library engine " + value[LibraryLayout.ENGINE_AT]);
    }
    long version = LittleEndian.getLong(value, LibraryLayout.VERSION_AT);
    long loadedAtMs = LittleEndian.getLong(value, LibraryLayout.LOADED_AT_MS_AT);
    if (version < 1 || loadedAtMs < 0) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "library version or time");
    }
    int nameBytes = value[LibraryLayout.NAME_LENGTH_AT] & 0xff;
    int userBytes = value[LibraryLayout.USER_LENGTH_AT] & 0xff;
    int codeBytes = LittleEndian.getInt(value, LibraryLayout.CODE_LENGTH_AT);
    if (codeBytes < 0 || codeBytes > LibraryLayout.MAX_CODE_BYTES) {
      return Decoded.reject(Reason.TOO_LARGE, "library code of " + codeBytes + " bytes");
    }
    int wanted = LibraryLayout.FIXED_BYTES + nameBytes + userBytes + codeBytes;
    if (value.length != wanted) {
      return Decoded.reject(
          value.length < wanted ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "library of " + value.length + " bytes where " + wanted + " belong");
    }
    int userAt = LibraryLayout.FIXED_BYTES + nameBytes;
    String name = text(value, LibraryLayout.FIXED_BYTES, nameBytes);
    String user = text(value, userAt, userBytes);
    String code = text(value, userAt + userBytes, codeBytes);
    if (name == null || user == null || code == null || !StoredLibrary.isName(name)) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "library name, user or code");
    }
    return Decoded.accept(new StoredLibrary(name, version, loadedAtMs, user, code));
  }

  /** Strict UTF-8, or null. */
  static @Nullable String text(byte[] bytes, int offset, int length) {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, offset, length))
          .toString();
    } catch (CharacterCodingException e) {
      // Not text: what the caller asked to know.
      return null;
    }
  }

  /** What FUNCTION DUMP gives. */
  static byte[] dump(List<StoredLibrary> libraries) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] length = new byte[LibraryLayout.DUMP_LENGTH_BYTES];
    for (StoredLibrary library : libraries) {
      byte[] value = encode(library);
      LittleEndian.putInt(length, 0, value.length);
      out.writeBytes(length);
      out.writeBytes(value);
    }
    byte[] version = new byte[LibraryLayout.DUMP_VERSION_BYTES];
    LittleEndian.putShort(version, 0, LibraryLayout.DUMP_VERSION);
    out.writeBytes(version);
    byte[] summed = out.toByteArray();
    byte[] payload = Arrays.copyOf(summed, summed.length + LibraryLayout.DUMP_CHECKSUM_BYTES);
    System.arraycopy(
        checksum(payload, summed.length),
        0,
        payload,
        summed.length,
        LibraryLayout.DUMP_CHECKSUM_BYTES);
    return payload;
  }

  /**
   * Decodes any bytes.
   *
   * <p>Rejections for STORAGE_CHECKSUM, UNKNOWN_FORMAT and TRUNCATED mean that these bytes did not
   * come from FUNCTION DUMP as they are; PAYLOAD, that what they hold makes no sense.
   */
  static Decoded<List<StoredLibrary>> restore(byte[] payload) {
    if (payload.length < LibraryLayout.DUMP_FOOTER_BYTES) {
      return Decoded.reject(Reason.TRUNCATED, "functions dump of " + payload.length + " bytes");
    }
    int summed = payload.length - LibraryLayout.DUMP_CHECKSUM_BYTES;
    int end = summed - LibraryLayout.DUMP_VERSION_BYTES;
    int version = LittleEndian.getUnsignedShort(payload, end);
    if (version != LibraryLayout.DUMP_VERSION) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "functions dump version " + version);
    }
    if (!Arrays.equals(
        checksum(payload, summed),
        0,
        LibraryLayout.DUMP_CHECKSUM_BYTES,
        payload,
        summed,
        payload.length)) {
      return Decoded.reject(Reason.STORAGE_CHECKSUM, "functions dump checksum");
    }
    List<StoredLibrary> libraries = new ArrayList<>();
    Set<String> names = new HashSet<>();
    int at = 0;
    while (at < end) {
      if (end - at < LibraryLayout.DUMP_LENGTH_BYTES) {
        return Decoded.reject(Reason.PAYLOAD, "functions dump ends within a length");
      }
      int length = LittleEndian.getInt(payload, at);
      at += LibraryLayout.DUMP_LENGTH_BYTES;
      if (length < 0 || length > end - at || libraries.size() == LibraryLayout.MAX_LIBRARIES) {
        return Decoded.reject(Reason.PAYLOAD, "functions dump holds too much or too little");
      }
      if (!(decode(Arrays.copyOfRange(payload, at, at + length))
          instanceof Decoded.Accepted<StoredLibrary>(StoredLibrary library))) {
        return Decoded.reject(Reason.PAYLOAD, "functions dump holds what is no library");
      }
      if (!names.add(library.name())) {
        return Decoded.reject(Reason.PAYLOAD, "functions dump holds a library twice");
      }
      libraries.add(library);
      at += length;
    }
    return Decoded.accept(List.copyOf(libraries));
  }

  private static byte[] checksum(byte[] payload, int length) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(DUMP_DOMAIN);
      digest.update(payload, 0, length);
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
