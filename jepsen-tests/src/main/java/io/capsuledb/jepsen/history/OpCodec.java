package io.capsuledb.jepsen.history;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Events as text: a line of JSON, and a line of EDN as Knossos and Elle read it. In EDN an
 * operation on one of several keys has the value {@code [key value]}, and a conditional one that
 * changed nothing is a {@code :fail}. Keywords are strings in JSON, so a transaction read back from
 * there holds texts where keywords were: {@link #word} accepts both. Thread-safe.
 */
public final class OpCodec {

  private static final JsonFactory JSON = new JsonFactory();
  private static final int MAX_DEPTH = 8;

  private OpCodec() {}

  /** A line of JSON, without its end. */
  public static String toJson(Op op) {
    StringWriter text = new StringWriter(160);
    try (JsonGenerator json = JSON.createGenerator(text)) {
      json.writeStartObject();
      json.writeNumberField("index", op.index());
      json.writeNumberField("time", op.timeNs());
      json.writeNumberField("process", op.process());
      json.writeStringField("node", op.node());
      json.writeStringField("type", op.type().word());
      json.writeStringField("f", op.function());
      if (op.key() != null) {
        json.writeStringField("key", op.key());
      }
      json.writeFieldName("value");
      write(json, op.value());
      if (!op.applied()) {
        json.writeBooleanField("applied", false);
      }
      if (op.error() != null) {
        json.writeStringField("error", op.error());
      }
      Version version = op.version();
      if (version != null) {
        json.writeArrayFieldStart("version");
        json.writeNumber(version.lamport());
        json.writeString(version.writer());
        json.writeEndArray();
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  private static void write(JsonGenerator json, Term term) throws IOException {
    switch (term) {
      case Term.Nil _ -> json.writeNull();
      case Term.Num(long value) -> json.writeNumber(value);
      case Term.Text(String value) -> json.writeString(value);
      case Term.Word(String name) -> json.writeString(name);
      case Term.Seq(List<Term> items) -> {
        json.writeStartArray();
        for (Term item : items) {
          write(json, item);
        }
        json.writeEndArray();
      }
    }
  }

  /**
   * Reads a line of JSON.
   *
   * @throws IllegalArgumentException if it is none of ours, with the reason
   */
  public static Op fromJson(String line) {
    try (JsonParser json = JSON.createParser(line)) {
      expect(json.nextToken() == JsonToken.START_OBJECT, "it is no JSON object");
      long index = -1;
      long time = -1;
      long process = -1;
      String node = "";
      OpType type = null;
      String function = null;
      String key = null;
      Term value = Term.nil();
      boolean applied = true;
      String error = null;
      Version version = null;
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String field = json.currentName();
        Term term = read(json, 0);
        switch (field) {
          case "index" -> index = term.asLong();
          case "time" -> time = term.asLong();
          case "process" -> process = term.asLong();
          case "node" -> node = word(term);
          case "type" -> type = OpType.ofWord(word(term));
          case "f" -> function = word(term);
          case "key" -> key = word(term);
          case "value" -> value = term;
          case "applied" -> applied = !word(term).equals("false");
          case "error" -> error = word(term);
          case "version" -> version = version(term);
          default -> expect(false, "unknown field '" + field + "'");
        }
      }
      if (type == null || function == null) {
        throw new IllegalArgumentException("no event: it has no type or no f");
      }
      expect(process >= 0 && process <= Integer.MAX_VALUE, "it has no process");
      return new Op(
          index, time, (int) process, node, type, function, key, value, applied, error, version);
    } catch (IOException e) {
      throw new IllegalArgumentException("no event: " + e.getMessage(), e);
    }
  }

  private static Version version(Term term) {
    List<Term> parts = term.items();
    expect(parts.size() == 2, "a version has a time and a writer");
    return new Version(parts.getFirst().asLong(), word(parts.getLast()));
  }

  private static void expect(boolean condition, String otherwise) {
    if (!condition) {
      throw new IllegalArgumentException("no event: " + otherwise);
    }
  }

  /** The value that begins with the next token. */
  private static Term read(JsonParser json, int depth) throws IOException {
    return read(json, json.nextToken(), depth);
  }

  private static Term read(JsonParser json, @Nullable JsonToken token, int depth)
      throws IOException {
    expect(depth < MAX_DEPTH, "it is nested too deeply");
    return switch (token) {
      case VALUE_NULL -> Term.nil();
      case VALUE_NUMBER_INT -> Term.of(json.getLongValue());
      case VALUE_STRING -> new Term.Text(json.getText());
      case VALUE_TRUE -> new Term.Word("true");
      case VALUE_FALSE -> new Term.Word("false");
      case START_ARRAY -> {
        List<Term> items = new ArrayList<>();
        for (JsonToken next = json.nextToken();
            next != JsonToken.END_ARRAY;
            next = json.nextToken()) {
          items.add(read(json, next, depth + 1));
        }
        yield new Term.Seq(items);
      }
      case null, default -> throw new IllegalArgumentException("no event: unexpected JSON");
    };
  }

  /** The name of a keyword, or the text that it became in JSON. */
  public static String word(Term term) {
    return switch (term) {
      case Term.Word(String name) -> name;
      case Term.Text(String value) -> value;
      default -> throw new IllegalArgumentException("not a word in a history: " + term);
    };
  }

  /** A line of EDN, without its end. */
  public static String toEdn(Op op) {
    StringBuilder out = new StringBuilder(160);
    OpType type = op.type() == OpType.OK && !op.applied() ? OpType.FAIL : op.type();
    out.append("{:index ").append(op.index());
    out.append(" :time ").append(op.timeNs());
    out.append(" :process ").append(op.process());
    out.append(" :type :").append(type.word());
    // Outside checkers know reads only.
    out.append(" :f :").append(op.function().equals("final-read") ? "read" : op.function());
    out.append(" :value ");
    if (op.key() == null) {
      edn(out, op.value());
    } else {
      out.append('[');
      quote(out, op.key());
      out.append(' ');
      edn(out, op.value());
      out.append(']');
    }
    out.append(" :node ");
    quote(out, op.node());
    if (op.error() != null) {
      out.append(" :error ");
      quote(out, op.error());
    }
    return out.append('}').toString();
  }

  private static void edn(StringBuilder out, Term term) {
    switch (term) {
      case Term.Nil _ -> out.append("nil");
      case Term.Num(long value) -> out.append(value);
      case Term.Text(String value) -> quote(out, value);
      case Term.Word(String name) -> out.append(':').append(name);
      case Term.Seq(List<Term> items) -> {
        out.append('[');
        for (int i = 0; i < items.size(); i++) {
          if (i > 0) {
            out.append(' ');
          }
          edn(out, items.get(i));
        }
        out.append(']');
      }
    }
  }

  private static void quote(StringBuilder out, String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"', '\\' -> out.append('\\').append(c);
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> out.append(c);
      }
    }
    out.append('"');
  }
}
