package io.capsuledb.host.terminal;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Bytes in JSON: a field {@code name} with text if the bytes are UTF-8, else a field {@code
 * nameBase64}.
 */
public final class TextOrBase64 {

  private TextOrBase64() {}

  /** Writes one field. */
  public static void write(JsonGenerator json, String name, byte[] bytes) throws IOException {
    String text = utf8(bytes);
    if (text != null) {
      json.writeStringField(name, text);
    } else {
      json.writeBinaryField(name + "Base64", bytes);
    }
  }

  private static @Nullable String utf8(byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      return null;
    }
  }
}
