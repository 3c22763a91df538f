package io.capsuledb.host.attest.encoding;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import java.io.IOException;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A value of a JSON document (RFC 8259), with the bytes it was written in: what vendors sign are
 * those bytes, and writing the value again would not give them.
 *
 * <p>Invariants: the document is UTF-8, within {@link #MAX_BYTES}, not deeper than {@link
 * #MAX_DEPTH}, nothing follows its value, and no object has two members of one name. Whoever asks
 * for what is not there, or of another type, gets an {@link IntegrityException}. Immutable.
 */
public final class Json {

  /** Longest document, in bytes. */
  public static final int MAX_BYTES = 1 << 20;

  private static final int MAX_DEPTH = 16;
  private static final int MAX_NUMBER_DIGITS = 20;

  private static final JsonFactory FACTORY =
      new JsonFactoryBuilder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          // Names are canonicalised: only then does the parser work on bytes and know their
          // offsets.
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH)
                  .maxNumberLength(MAX_NUMBER_DIGITS)
                  .maxDocumentLength(MAX_BYTES)
                  .maxNameLength(256)
                  .build())
          .build();

  private final String where;
  private final Octets raw;
  private final @Nullable Object value;

  private Json(String where, Octets raw, @Nullable Object value) {
    this.where = where;
    this.raw = raw;
    this.value = value;
  }

  /**
   * Reads a whole document.
   *
   * @param name what to call it in messages
   * @throws IntegrityException if it is not what this class says
   */
  public static Json parse(String name, Octets document) {
    if (document.length() > MAX_BYTES) {
      throw malformed(Reason.TOO_LARGE, name + " has " + document.length() + " bytes");
    }
    // The parser guesses encodings by the first four bytes. Offsets of bytes are known only in
    // UTF-8,
    // in which these are ASCII: an object or an array begins here.
    for (int i = 0; i < Math.min(4, document.length()); i++) {
      if (document.unsignedByte(i) == 0 || document.unsignedByte(i) >= 0x80) {
        throw malformed(Reason.UNKNOWN_FORMAT, name + " is not JSON in UTF-8");
      }
    }
    try (JsonParser parser = FACTORY.createParser(document.toArray())) {
      parser.nextToken();
      Json json = value(name, parser, document);
      if (parser.nextToken() != null) {
        throw malformed(Reason.TRAILING_BYTES, name + ": something follows the JSON value");
      }
      return json;
    } catch (JsonProcessingException e) {
      var failure = malformed(Reason.UNKNOWN_FORMAT, name + ": " + e.getOriginalMessage());
      failure.initCause(e);
      throw failure;
    } catch (IOException e) {
      var failure = malformed(Reason.UNKNOWN_FORMAT, name + " is not JSON in UTF-8");
      failure.initCause(e);
      throw failure;
    }
  }

  // Recursion is bounded by MAX_DEPTH, which the parser enforces.
  private static Json value(String where, JsonParser parser, Octets document) throws IOException {
    long start = parser.currentTokenLocation().getByteOffset();
    JsonToken token = parser.currentToken();
    Object value =
        switch (token) {
          case START_OBJECT -> {
            Map<String, Json> members = new LinkedHashMap<>();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
              String name = parser.currentName();
              parser.nextToken();
              members.put(name, value(where + "." + name, parser, document));
            }
            yield members;
          }
          case START_ARRAY -> {
            List<Json> elements = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
              elements.add(value(where + "[" + elements.size() + "]", parser, document));
            }
            yield elements;
          }
          case VALUE_STRING -> parser.getText();
          case VALUE_NUMBER_INT -> {
            if (parser.getBigIntegerValue().bitLength() >= Long.SIZE) {
              throw malformed(Reason.TOO_LARGE, where + " is a number of more than 63 bits");
            }
            yield parser.getLongValue();
          }
          case VALUE_TRUE -> true;
          case VALUE_FALSE -> false;
          case VALUE_NULL -> null;
          case null, default ->
              throw malformed(Reason.UNKNOWN_FORMAT, where + " is not a JSON value we read");
        };
    long end = parser.currentLocation().getByteOffset();
    return new Json(where, document.slice(start, end - start), value);
  }

  /** The bytes of this value alone, as they stand in the document. */
  public Octets raw() {
    return raw;
  }

  private IntegrityException wrong(String wanted) {
    return malformed(Reason.FIELD_OUT_OF_RANGE, where + " is not " + wanted);
  }

  @SuppressWarnings("unchecked") // Only value() above makes maps, and of this type.
  private Map<String, Json> members() {
    if (value instanceof Map<?, ?> map) {
      return (Map<String, Json>) map;
    }
    throw wrong("an object");
  }

  /** The names of the members of this object. */
  public Set<String> names() {
    return Set.copyOf(members().keySet());
  }

  /** A member of this object, or null. */
  public @Nullable Json find(String name) {
    return members().get(name);
  }

  /** A member of this object. */
  public Json get(String name) {
    Json member = find(name);
    if (member == null) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, where + " has no " + name);
    }
    return member;
  }

  /** The elements of this array, at most {@code most}. */
  @SuppressWarnings("unchecked") // As above.
  public List<Json> elements(int most) {
    if (value instanceof List<?> list && list.size() <= most) {
      return List.copyOf((List<Json>) list);
    }
    throw wrong("an array of at most " + most);
  }

  /** This text. */
  public String text() {
    if (value instanceof String text) {
      return text;
    }
    throw wrong("text");
  }

  /** This whole number, from 0 to {@code most}. */
  public int integer(int most) {
    if (value instanceof Long number && number >= 0 && number <= most) {
      return number.intValue();
    }
    throw wrong("a whole number from 0 to " + most);
  }

  /** This text as {@code count} bytes in hexadecimal digits of either case. */
  public Octets hex(int count) {
    String text = text();
    if (text.length() == 2L * count) {
      try {
        return Octets.ofHex(text);
      } catch (IntegrityException e) {
        var failure = wrong(count + " bytes in hexadecimal");
        failure.initCause(e);
        throw failure;
      }
    }
    throw wrong(count + " bytes in hexadecimal");
  }

  /** This text as an instant (RFC 3339, UTC). */
  public Instant instant() {
    try {
      return Instant.parse(text());
    } catch (DateTimeParseException e) {
      var failure = wrong("an instant");
      failure.initCause(e);
      throw failure;
    }
  }
}
