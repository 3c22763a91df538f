package io.capsuledb.scl.procedure;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** What a procedure returned. Immutable; nested as deep as the engine allows, 64 at most. */
public sealed interface ProcedureValue {

  /** Undefined or null. */
  record Nothing() implements ProcedureValue {}

  /** A boolean. */
  record Bool(boolean value) implements ProcedureValue {}

  /** A number. */
  record Num(double value) implements ProcedureValue {}

  /** A string. */
  record Text(String value) implements ProcedureValue {}

  /** Bytes. */
  final class Bytes implements ProcedureValue {
    private final byte[] value;

    /** Keeps the array. */
    public Bytes(byte[] value) {
      this.value = value;
    }

    /** The bytes themselves, not to be modified. */
    public byte[] value() {
      return value;
    }

    /** Not the content: it may be a secret. */
    @Override
    public String toString() {
      return "Bytes[" + value.length + "]";
    }
  }

  /** An array. */
  record Items(List<ProcedureValue> values) implements ProcedureValue {
    /** Takes a copy. */
    public Items {
      values = List.copyOf(values);
    }
  }

  /** An object. */
  record Fields(SequencedMap<String, ProcedureValue> values) implements ProcedureValue {
    /** Takes a copy. */
    public Fields {
      values = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(values));
    }
  }
}
