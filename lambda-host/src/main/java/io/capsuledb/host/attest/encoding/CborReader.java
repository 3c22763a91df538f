package io.capsuledb.host.attest.encoding;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * A cursor over CBOR (RFC 8949), of which evidence uses little: definite lengths, integers of up to
 * 63 bits, text, byte strings, arrays, maps and tags. Everything else, and every length beyond the
 * bytes that are there, is refused. Nothing is allocated by a count that came from outside.
 *
 * <p>Not thread-safe.
 */
public final class CborReader {

  /** Major types. */
  public static final int UNSIGNED = 0;

  public static final int NEGATIVE = 1;
  public static final int BYTES = 2;
  public static final int TEXT = 3;
  public static final int ARRAY = 4;
  public static final int MAP = 5;
  public static final int TAG = 6;
  public static final int SIMPLE = 7;

  private static final int MAX_DEPTH = 16;

  private final Octets bytes;
  private int position;

  public CborReader(Octets bytes) {
    this.bytes = bytes;
  }

  /** The major type of the next item. */
  public int nextType() {
    return bytes.unsignedByte(position) >>> 5;
  }

  public boolean atEnd() {
    return position == bytes.length();
  }

  private long head(int type) {
    int initial = bytes.unsignedByte(position);
    if (initial >>> 5 != type) {
      throw malformed(Reason.UNKNOWN_TYPE, "CBOR type " + (initial >>> 5) + " instead of " + type);
    }
    return argument();
  }

  private long argument() {
    int info = bytes.unsignedByte(position) & 0x1F;
    position++;
    if (info < 24) {
      return info;
    }
    if (info > 27) {
      throw malformed(Reason.UNKNOWN_FORMAT, "CBOR of indefinite length, or reserved");
    }
    int count = 1 << (info - 24);
    long value = 0;
    for (int i = 0; i < count; i++) {
      value = value << 8 | bytes.unsignedByte(position + i);
    }
    position += count;
    if (value < 0) {
      throw malformed(Reason.TOO_LARGE, "CBOR integer of 64 bits");
    }
    return value;
  }

  /** The next item, an integer that is not negative. */
  public long unsigned() {
    return head(UNSIGNED);
  }

  /** The next item, a byte string. */
  public Octets byteString() {
    return string(BYTES);
  }

  /** The next item, text. */
  public String text() {
    ByteBuffer encoded = string(TEXT).buffer();
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(encoded).toString();
    } catch (CharacterCodingException e) {
      var failure = malformed(Reason.FIELD_OUT_OF_RANGE, "CBOR text is not UTF-8");
      failure.initCause(e);
      throw failure;
    }
  }

  private Octets string(int type) {
    long length = head(type);
    Octets value = bytes.slice(position, length);
    position += value.length();
    return value;
  }

  /** The number of items in the array that begins here. */
  public int array() {
    return count(head(ARRAY));
  }

  /** The number of pairs in the map that begins here. */
  public int map() {
    return count(head(MAP));
  }

  private int count(long items) {
    if (items > bytes.length() - position) {
      throw malformed(Reason.TOO_LARGE, items + " CBOR items in fewer bytes");
    }
    return (int) items;
  }

  /** The number of the tag that begins here. */
  public long tag() {
    return head(TAG);
  }

  /** Skips the next item, whatever it is, and returns its bytes. */
  public Octets skip() {
    int start = position;
    long[] pending = new long[MAX_DEPTH];
    int depth = 0;
    pending[0] = 1;
    while (depth >= 0) {
      if (pending[depth] == 0) {
        depth--;
        continue;
      }
      pending[depth]--;
      int type = nextType();
      long argument = argument();
      long children =
          switch (type) {
            case ARRAY -> count(argument);
            case MAP -> 2L * count(argument);
            case TAG -> 1;
            default -> 0;
          };
      if (type == BYTES || type == TEXT) {
        position += bytes.slice(position, argument).length();
      }
      if (children > 0) {
        depth++;
        if (depth == MAX_DEPTH) {
          throw malformed(Reason.TOO_LARGE, "CBOR nested deeper than " + MAX_DEPTH);
        }
        pending[depth] = children;
      }
    }
    return bytes.slice(start, position - start);
  }

  /** Ends reading; something left is refused. */
  public void end() {
    if (!atEnd()) {
      throw malformed(Reason.TRAILING_BYTES, bytes.length() - position + " bytes after CBOR");
    }
  }
}
