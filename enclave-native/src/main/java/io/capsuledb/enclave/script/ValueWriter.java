package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Writes values for the engine into the exchange. Not thread-safe. */
final class ValueWriter {

  private final MemorySegment to;
  private final long end;
  private long next;

  /** Writes at most {@code most} bytes. */
  ValueWriter(MemorySegment to, long most) {
    this.to = to;
    this.end = Math.min(most, to.byteSize());
  }

  /** Bytes written so far. */
  int length() {
    return (int) next;
  }

  ValueWriter array(int count) {
    return count(ValueReader.ARRAY, count);
  }

  ValueWriter nothing() {
    return tag(ValueReader.NULL);
  }

  ValueWriter bool(boolean value) {
    return tag(value ? ValueReader.TRUE : ValueReader.FALSE);
  }

  ValueWriter number(double value) {
    tag(ValueReader.NUMBER);
    need(Double.BYTES);
    to.set(ValueReader.F64, next, value);
    next += Double.BYTES;
    return this;
  }

  ValueWriter text(String value) {
    return raw(ValueReader.STRING, value.getBytes(StandardCharsets.UTF_8));
  }

  /** Bytes that are said to be UTF-8: the engine checks. */
  ValueWriter text(byte[] utf8) {
    return raw(ValueReader.STRING, utf8);
  }

  /** A string if these bytes are UTF-8, else the bytes. */
  ValueWriter textOrBytes(byte[] value) {
    return raw(isUtf8(value) ? ValueReader.STRING : ValueReader.BYTES, value);
  }

  private static boolean isUtf8(byte[] value) {
    int all = 0;
    for (byte one : value) {
      all |= one;
    }
    if (all >= 0) {
      return true;
    }
    try {
      var _ = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value));
      return true;
    } catch (CharacterCodingException e) {
      // That is what was asked.
      return false;
    }
  }

  ValueWriter bytes(byte[] value) {
    return raw(ValueReader.BYTES, value);
  }

  /**
   * Writes any value.
   *
   * @throws InvalidRequestException if it does not fit or is nested too deep
   */
  ValueWriter value(ScriptValue value) {
    return value(value, 0);
  }

  private ValueWriter value(ScriptValue value, int nesting) {
    if (nesting > ScriptValue.MAX_NESTING) {
      throw new InvalidRequestException(
          "a value is nested more than " + ScriptValue.MAX_NESTING + " deep");
    }
    switch (value) {
      case ScriptValue.Undefined _ -> tag(ValueReader.UNDEFINED);
      case ScriptValue.Null _ -> tag(ValueReader.NULL);
      case ScriptValue.Bool(boolean bool) -> bool(bool);
      case ScriptValue.Num(double number) -> number(number);
      case ScriptValue.Text(String text) -> text(text);
      case ScriptValue.Bytes bytes -> bytes(bytes.shared());
      case ScriptValue.Items(var items) -> {
        array(items.size());
        for (ScriptValue item : items) {
          value(item, nesting + 1);
        }
      }
      case ScriptValue.Fields(var fields) -> {
        count(ValueReader.OBJECT, fields.size());
        for (Map.Entry<String, ScriptValue> field : fields.entrySet()) {
          lengthAndBytes(field.getKey().getBytes(StandardCharsets.UTF_8));
          value(field.getValue(), nesting + 1);
        }
      }
    }
    return this;
  }

  private ValueWriter tag(byte tag) {
    need(1);
    to.set(ValueLayout.JAVA_BYTE, next++, tag);
    return this;
  }

  private ValueWriter count(byte tag, int count) {
    tag(tag);
    need(Integer.BYTES);
    to.set(ValueReader.U32, next, count);
    next += Integer.BYTES;
    return this;
  }

  private ValueWriter raw(byte tag, byte[] value) {
    tag(tag);
    lengthAndBytes(value);
    return this;
  }

  private void lengthAndBytes(byte[] value) {
    need((long) Integer.BYTES + value.length);
    to.set(ValueReader.U32, next, value.length);
    next += Integer.BYTES;
    MemorySegment.copy(value, 0, to, ValueLayout.JAVA_BYTE, next, value.length);
    next += value.length;
  }

  private void need(long bytes) {
    if (bytes > end - next) {
      throw new InvalidRequestException(
          "a value for the script is larger than the " + end + " bytes it may take");
    }
  }
}
