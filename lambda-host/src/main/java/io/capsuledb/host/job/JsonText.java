package io.capsuledb.host.job;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.capsuledb.enclave.script.ScriptValue;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.Base64;
import java.util.Map;

/** Results of programs as JSON; bytes become base64. */
final class JsonText {

  private static final JsonFactory FACTORY = new JsonFactory();
  private static final double LARGEST_EXACT = 1L << 53;

  private JsonText() {}

  static String of(ScriptValue value) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = FACTORY.createGenerator(text)) {
      write(json, value);
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory does not fail", e);
    }
    return text.toString();
  }

  private static void write(JsonGenerator json, ScriptValue value) throws IOException {
    switch (value) {
      case ScriptValue.Undefined _, ScriptValue.Null _ -> json.writeNull();
      case ScriptValue.Bool(boolean truth) -> json.writeBoolean(truth);
      case ScriptValue.Num(double number) -> {
        if (number == Math.rint(number) && Math.abs(number) <= LARGEST_EXACT) {
          json.writeNumber((long) number);
        } else if (Double.isFinite(number)) {
          json.writeNumber(number);
        } else {
          json.writeNull();
        }
      }
      case ScriptValue.Text(String text) -> json.writeString(text);
      case ScriptValue.Bytes bytes ->
          json.writeString(Base64.getEncoder().encodeToString(bytes.toBytes()));
      case ScriptValue.Items(var items) -> {
        json.writeStartArray();
        for (ScriptValue item : items) {
          write(json, item);
        }
        json.writeEndArray();
      }
      case ScriptValue.Fields(var fields) -> {
        json.writeStartObject();
        for (Map.Entry<String, ScriptValue> field : fields.entrySet()) {
          json.writeFieldName(field.getKey());
          write(json, field.getValue());
        }
        json.writeEndObject();
      }
    }
  }
}
