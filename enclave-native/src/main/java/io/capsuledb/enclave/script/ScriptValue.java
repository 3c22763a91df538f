package io.capsuledb.enclave.script;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * A value that goes into a script or comes out of it. Immutable. Values are nested at most {@value
 * #MAX_NESTING} deep.
 */
public sealed interface ScriptValue {

  /** How deep arrays and objects may be nested that cross the border. */
  int MAX_NESTING = 64;

  /** JavaScript's {@code undefined}. */
  record Undefined() implements ScriptValue {}

  /** JavaScript's {@code null}. */
  record Null() implements ScriptValue {}

  /** A boolean. */
  record Bool(boolean value) implements ScriptValue {}

  /** A number: a double, whatever it was. */
  record Num(double value) implements ScriptValue {}

  /**
   * A string. Halves of surrogate pairs, which JavaScript allows, come out as U+FFFD.
   *
   * @param value the text
   */
  record Text(String value) implements ScriptValue {}

  /** A {@code Uint8Array}. */
  final class Bytes implements ScriptValue {
    private final byte[] value;

    private Bytes(byte[] value) {
      this.value = value;
    }

    /** A copy of the bytes. */
    public byte[] toBytes() {
      return value.clone();
    }

    byte[] shared() {
      return value;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Bytes bytes && Arrays.equals(value, bytes.value);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(value);
    }

    /** Not the content: it may be a secret. */
    @Override
    public String toString() {
      return "Bytes[" + value.length + "]";
    }
  }

  /** An array. */
  record Items(List<ScriptValue> values) implements ScriptValue {
    /** Takes a copy. */
    public Items {
      values = List.copyOf(values);
    }
  }

  /** An object: its own enumerable properties, in their order. */
  record Fields(SequencedMap<String, ScriptValue> values) implements ScriptValue {
    /** Takes a copy. */
    public Fields {
      values = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(values));
    }
  }

  /** The value {@code undefined}. */
  static ScriptValue undefined() {
    return new Undefined();
  }

  /** The value {@code null}. */
  static ScriptValue nothing() {
    return new Null();
  }

  static ScriptValue of(String text) {
    return new Text(text);
  }

  static ScriptValue of(double number) {
    return new Num(number);
  }

  static ScriptValue of(boolean value) {
    return new Bool(value);
  }

  /** A copy of {@code bytes} as a {@code Uint8Array}. */
  static ScriptValue of(byte[] bytes) {
    return new Bytes(bytes.clone());
  }

  static ScriptValue of(List<ScriptValue> values) {
    return new Items(values);
  }

  static ScriptValue of(Map<String, ScriptValue> values) {
    return new Fields(new LinkedHashMap<>(values));
  }

  /** Takes {@code bytes} without a copy: the caller gives them away. */
  static Bytes own(byte[] bytes) {
    return new Bytes(bytes);
  }

  /** What a caller outside sees of text or bytes; null for other values. */
  default byte @Nullable [] asBytes() {
    return switch (this) {
      case Text(String value) -> value.getBytes(StandardCharsets.UTF_8);
      case Bytes bytes -> bytes.toBytes();
      default -> null;
    };
  }
}
