package io.capsuledb.host.load;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.capsuledb.core.error.InvalidRequestException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * One JSON object a line: {@code op} (set, get or del), {@code key}, for a set {@code value} and,
 * if it shall expire, {@code ttl} in seconds. {@code keyBase64} and {@code valueBase64} are for
 * bytes that are not text.
 */
final class JsonLineParser implements LineParser {

  private static final int MAX_TEXT_CHARS = 64 << 20;

  private static final JsonFactory FACTORY =
      new JsonFactoryBuilder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(1)
                  .maxStringLength(MAX_TEXT_CHARS)
                  .build())
          .build();

  @Override
  public LoadOperation parse(byte[] buffer, int start, int end) {
    String op = null;
    byte[] key = null;
    byte[] value = null;
    long ttl = 0;
    try (JsonParser json = FACTORY.createParser(buffer, start, end - start)) {
      require(json.nextToken() == JsonToken.START_OBJECT, "it is no JSON object");
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String field = json.currentName();
        json.nextToken();
        switch (field) {
          case "op" -> op = text(json, field);
          case "key" -> key = bytes(json, field, key);
          case "value" -> value = bytes(json, field, value);
          case "keyBase64" -> key = base64(json, field, key);
          case "valueBase64" -> value = base64(json, field, value);
          case "ttl" -> {
            require(
                json.currentToken() == JsonToken.VALUE_NUMBER_INT && json.getLongValue() > 0,
                "ttl is not a whole number of seconds from 1 on");
            ttl = json.getLongValue();
          }
          default ->
              throw new InvalidRequestException(
                  "there is a field other than op, key, keyBase64, value, valueBase64 and ttl");
        }
      }
      require(json.nextToken() == null, "there is something after the JSON object");
    } catch (IOException e) {
      throw new InvalidRequestException("it is no JSON object on one line", e);
    }
    return operation(op, key, value, ttl);
  }

  private static LoadOperation operation(
      @Nullable String op, byte @Nullable [] key, byte @Nullable [] value, long ttl) {
    if (key == null) {
      throw new InvalidRequestException("the field key is missing");
    }
    byte[] checkedKey = LineParser.checkedKey(key);
    require((value == null && ttl == 0) || "set".equals(op), "value and ttl are for op set only");
    return switch (op) {
      case "set" -> LoadOperation.set(checkedKey, checkedValue(value), ttl);
      case "get" -> LoadOperation.get(checkedKey);
      case "del" -> LoadOperation.del(checkedKey);
      case null, default -> throw new InvalidRequestException("op is none of set, get and del");
    };
  }

  private static byte[] checkedValue(byte @Nullable [] value) {
    if (value == null) {
      throw new InvalidRequestException("op is set and the field value is missing");
    }
    return LineParser.checkedValue(value);
  }

  private static byte[] bytes(JsonParser json, String field, byte @Nullable [] before)
      throws IOException {
    require(before == null, "key or value is given twice");
    return text(json, field).getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] base64(JsonParser json, String field, byte @Nullable [] before)
      throws IOException {
    require(before == null, "key or value is given twice");
    require(json.currentToken() == JsonToken.VALUE_STRING, field + " is not a string");
    return json.getBinaryValue();
  }

  private static String text(JsonParser json, String field) throws IOException {
    require(json.currentToken() == JsonToken.VALUE_STRING, field + " is not a string");
    return json.getText();
  }

  private static void require(boolean condition, String otherwise) {
    if (!condition) {
      throw new InvalidRequestException(otherwise);
    }
  }
}
