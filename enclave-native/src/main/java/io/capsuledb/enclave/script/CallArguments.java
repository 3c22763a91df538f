package io.capsuledb.enclave.script;

import java.util.List;

/** What a call is given: written into the exchange when the call begins. Immutable. */
@FunctionalInterface
interface CallArguments {

  /**
   * Writes an array of them.
   *
   * @throws io.capsuledb.core.error.InvalidRequestException if they do not fit
   */
  void write(ValueWriter writer);

  /** Values, each an argument. */
  static CallArguments of(List<ScriptValue> values) {
    return writer -> {
      writer.array(values.size());
      for (ScriptValue value : values) {
        writer.value(value);
      }
    };
  }

  /** Two arguments, an array each: of strings, where the bytes are UTF-8, else of bytes. */
  static CallArguments of(List<byte[]> keys, List<byte[]> arguments) {
    return writer -> {
      writer.array(2);
      textsOrBytes(writer, keys);
      textsOrBytes(writer, arguments);
    };
  }

  private static void textsOrBytes(ValueWriter writer, List<byte[]> values) {
    writer.array(values.size());
    for (int i = 0; i < values.size(); i++) {
      writer.textOrBytes(values.get(i));
    }
  }
}
