package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.EvidenceKind;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.regex.Pattern;
import picocli.CommandLine.Parameters;

/** The file that evidence is in. */
final class EvidenceInput {

  private static final int MAX_BYTES = 1 << 20;

  private static final Pattern HEX = Pattern.compile("(0x)?[0-9A-Fa-f]++");
  private static final Pattern BASE64 = Pattern.compile("[0-9A-Za-z+/_-]++={0,2}");

  @Parameters(
      paramLabel = "FILE",
      description =
          "A quote (SGX, TDX), a SEV-SNP report or configfs-tsm's outblob, a certificate with"
              + " evidence, or evidence.cbor; as bytes, hexadecimal digits or base64.")
  private Path file = Path.of("");

  Path path() {
    return file;
  }

  /** The file's bytes, which are evidence of some kind. */
  Octets read() {
    Octets bytes;
    try {
      bytes = CollateralFolder.read(file, MAX_BYTES);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read " + file + ": check that it exists and is readable", e);
    }
    if (EvidenceKind.of(bytes) == EvidenceKind.UNKNOWN) {
      bytes = written(bytes);
    }
    if (EvidenceKind.of(bytes) == EvidenceKind.UNKNOWN) {
      throw new InvalidRequestException(
          file
              + " is neither a quote, nor a SEV-SNP report, nor a certificate, nor wrapped evidence");
    }
    return bytes;
  }

  /** What a text of hexadecimal digits or base64 stands for; the text itself if it is neither. */
  private static Octets written(Octets file) {
    StringBuilder digits = new StringBuilder(file.length());
    for (int i = 0; i < file.length(); i++) {
      char one = (char) file.unsignedByte(i);
      if (" \t\r\n".indexOf(one) < 0) {
        digits.append(one);
      }
    }
    String text = digits.toString();
    if (text.length() % 2 == 0 && HEX.matcher(text).matches()) {
      return Octets.ofHex(text.startsWith("0x") ? text.substring(2) : text);
    }
    if (BASE64.matcher(text).matches()) {
      try {
        return Octets.own(Base64.getDecoder().decode(text.replace('-', '+').replace('_', '/')));
      } catch (IllegalArgumentException _) {
        // Then it is no evidence, which the caller says.
        return file;
      }
    }
    return file;
  }
}
