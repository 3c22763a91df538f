package io.capsuledb.enclave.script;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads values that the engine wrote into the exchange; the layout is in
 * docs/format/script-value.md.
 *
 * <p>Invariants: every length is checked against what is left before anything of it is read or
 * allocated; nothing is read twice; nesting is bounded. Not thread-safe.
 */
final class ValueReader {

  static final byte UNDEFINED = 0;
  static final byte NULL = 1;
  static final byte FALSE = 2;
  static final byte TRUE = 3;
  static final byte NUMBER = 4;
  static final byte STRING = 5;
  static final byte BYTES = 6;
  static final byte ARRAY = 7;
  static final byte OBJECT = 8;

  static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfDouble F64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final MemorySegment from;
  private long next;
  private final long end;

  ValueReader(MemorySegment from, long length) {
    this.from = from;
    this.end = Math.min(length, from.byteSize());
  }

  /** Begins an array and says how many values follow. */
  int array() {
    if (tag() != ARRAY) {
      throw malformed("not an array");
    }
    return length();
  }

  ScriptValue value() {
    return value(0);
  }

  private ScriptValue value(int nesting) {
    if (nesting > ScriptValue.MAX_NESTING + 1) {
      throw malformed("nested too deep");
    }
    byte tag = tag();
    return switch (tag) {
      case UNDEFINED -> ScriptValue.undefined();
      case NULL -> ScriptValue.nothing();
      case FALSE -> new ScriptValue.Bool(false);
      case TRUE -> new ScriptValue.Bool(true);
      case NUMBER -> new ScriptValue.Num(number());
      case STRING -> new ScriptValue.Text(text());
      case BYTES -> ScriptValue.own(bytes());
      case ARRAY -> {
        int count = length();
        List<ScriptValue> values = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
          values.add(value(nesting + 1));
        }
        yield new ScriptValue.Items(values);
      }
      case OBJECT -> {
        int count = length();
        LinkedHashMap<String, ScriptValue> values = LinkedHashMap.newLinkedHashMap(count);
        for (int i = 0; i < count; i++) {
          String name = text();
          values.put(name, value(nesting + 1));
        }
        yield new ScriptValue.Fields(values);
      }
      default -> throw malformed("tag " + tag);
    };
  }

  /** A string's UTF-8 or a Uint8Array's bytes; {@code what} names the argument if it is neither. */
  byte[] stringOrBytes(String what) {
    byte[] bytes = stringOrBytesOrNull(what);
    if (bytes == null) {
      throw new InvalidRequestException(what + " must be a string or a Uint8Array");
    }
    return bytes;
  }

  /** As {@link #stringOrBytes}, with null for null and undefined. */
  byte @Nullable [] stringOrBytesOrNull(String what) {
    byte tag = tag();
    return switch (tag) {
      case STRING, BYTES -> bytes();
      case UNDEFINED, NULL -> null;
      default -> throw new InvalidRequestException(what + " must be a string or a Uint8Array");
    };
  }

  private byte tag() {
    need(1);
    return from.get(ValueLayout.JAVA_BYTE, next++);
  }

  private double number() {
    need(Double.BYTES);
    double number = from.get(F64, next);
    next += Double.BYTES;
    return number;
  }

  private String text() {
    return new String(bytes(), StandardCharsets.UTF_8);
  }

  private byte[] bytes() {
    int length = length();
    byte[] bytes = new byte[length];
    MemorySegment.copy(from, ValueLayout.JAVA_BYTE, next, bytes, 0, length);
    next += length;
    return bytes;
  }

  /** A length or count: of bytes, or of values that take a byte each at least. */
  private int length() {
    need(Integer.BYTES);
    int length = from.get(U32, next);
    next += Integer.BYTES;
    if (length < 0 || length > end - next) {
      throw malformed("length " + Integer.toUnsignedString(length) + " of " + (end - next));
    }
    return length;
  }

  private void need(int bytes) {
    if (bytes > end - next) {
      throw malformed("cut at " + next);
    }
  }

  private static IntegrityException malformed(String detail) {
    return new IntegrityException(
        Rejection.of(Rejection.Reason.PAYLOAD, "value from the script engine: " + detail));
  }
}
