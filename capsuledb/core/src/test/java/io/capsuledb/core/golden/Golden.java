package io.capsuledb.core.golden;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Bytes of formats that must never change: as files, and as the documents show them. */
public final class Golden {

  /** A line of a listing: offset, bytes, and what they are. */
  private static final Pattern LISTED =
      Pattern.compile(" *(\\d+) {2}([0-9a-f]{2}(?: [0-9a-f]{2})*)(?: {2,}\\S.*)?");

  private Golden() {}

  /** The bytes of a file in {@code golden/v1}: hexadecimal digits, comments after '#'. */
  public static byte[] bytes(String file) {
    return bytes("v1", file);
  }

  /** The bytes of a file in a directory of {@code golden}. */
  public static byte[] bytes(String version, String file) {
    try (InputStream in = Golden.class.getResourceAsStream("/golden/" + version + "/" + file)) {
      if (in == null) {
        throw new IllegalArgumentException("no golden bytes " + file);
      }
      String text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      return HexFormat.of().parseHex(text.replaceAll("#[^\n]*|\\s", ""));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The text of a document in docs/format. The working directory is that of a module. */
  public static String document(String document) {
    Path below = Path.of("../../docs/format", document);
    try {
      return Files.readString(Files.exists(below) ? below : Path.of("../docs/format", document));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * The bytes that a document lists as those of a golden file: in the code block that follows
   * {@code <!-- golden: FILE -->}, each line an offset, bytes, and what they are.
   */
  public static byte[] listed(String document, String file) {
    Iterator<String> lines = document(document).lines().iterator();
    advanceTo(lines, "<!-- golden: " + file + " -->");
    advanceTo(lines, "```");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    while (lines.hasNext()) {
      String line = lines.next();
      if (line.equals("```")) {
        return bytes.toByteArray();
      }
      Matcher listed = LISTED.matcher(line);
      if (!listed.matches() || Integer.parseInt(listed.group(1)) != bytes.size()) {
        throw new AssertionError(
            document + ", " + file + ", after " + bytes.size() + " bytes: " + line);
      }
      bytes.writeBytes(HexFormat.ofDelimiter(" ").parseHex(listed.group(2)));
    }
    throw new AssertionError(document + ": the listing of " + file + " does not end");
  }

  private static void advanceTo(Iterator<String> lines, String wanted) {
    while (lines.hasNext()) {
      if (lines.next().equals(wanted)) {
        return;
      }
    }
    throw new AssertionError("the document has no line: " + wanted);
  }
}
