package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.EvidenceKind;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Parameters;

/** The file that evidence is in. */
final class EvidenceInput {

  private static final int MAX_BYTES = 1 << 20;

  @Parameters(
      paramLabel = "FILE",
      description =
          "A quote (SGX, TDX), a SEV-SNP report or configfs-tsm's outblob, a certificate with"
              + " evidence, or evidence.cbor.")
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
      throw new InvalidRequestException(
          file
              + " is neither a quote, nor a SEV-SNP report, nor a certificate, nor wrapped evidence");
    }
    return bytes;
  }
}
