package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * What a command that checks a file offline is told: the file, and whose capsule it has to be of.
 */
final class ExpectedCapsule {

  @Parameters(paramLabel = "FILE", description = "What is to be checked.")
  private Path file = Path.of("");

  @Option(
      names = "--owner",
      paramLabel = "KEY",
      required = true,
      description = "The owner's public key, 66 hex digits.")
  private String owner = "";

  @Option(
      names = "--capsule",
      paramLabel = "NAME",
      description = "The capsule it has to be of, 64 hex digits; any of the owner's if not given.")
  private @Nullable String capsule;

  /**
   * The file's bytes, one more than allowed at most: that one tells a verifier that it is too long.
   *
   * @throws InvalidRequestException if it cannot be read
   */
  byte[] read(int maxBytes) {
    try (InputStream in = Files.newInputStream(file)) {
      return in.readNBytes(maxBytes + 1);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read " + file + ": check its name and its permissions", e);
    }
  }

  /**
   * The owner's key.
   *
   * @throws InvalidRequestException if it is none
   */
  PublicKey owner() {
    byte[] bytes;
    try {
      bytes = HexFormat.of().parseHex(owner);
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException("--owner is no public key: allowed are 66 hex digits", e);
    }
    if (bytes.length == PublicKey.BYTES
        && PublicKey.decode(bytes, 0) instanceof Decoded.Accepted<PublicKey>(PublicKey decoded)) {
      return decoded;
    }
    throw new InvalidRequestException(
        "--owner is no public key: allowed are 66 hex digits, a compressed point of secp256k1");
  }

  /**
   * The capsule, or null for any of the owner's.
   *
   * @throws InvalidRequestException if it is no name
   */
  @Nullable CapsuleName capsule() {
    String hex = capsule;
    if (hex == null) {
      return null;
    }
    try {
      return new CapsuleName(Hash32.parse(hex));
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException("--capsule is no name: allowed are 64 hex digits", e);
    }
  }
}
