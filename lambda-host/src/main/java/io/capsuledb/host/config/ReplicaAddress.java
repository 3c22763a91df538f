package io.capsuledb.host.config;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where a replica is and who has to be there, as a user writes it: {@code HOST:PORT} or {@code
 * HOST:PORT=KEY}.
 *
 * @param address where
 * @param key the public key that it has to prove to have; null: whichever it has, which is for
 *     loopback only
 */
public record ReplicaAddress(HostPort address, @Nullable PublicKey key) {

  /** Most replicas in one list: those of a membership change, two sets. */
  public static final int MAX_ADDRESSES = 128;

  private static final long MAX_FILE_BYTES = 1 << 20;

  /**
   * Parses one.
   *
   * @throws InvalidRequestException if it is none, or has no key and is not on loopback
   */
  public static ReplicaAddress parse(String text) {
    int equals = text.indexOf('=');
    HostPort address = HostPort.parse(equals < 0 ? text : text.substring(0, equals));
    PublicKey key = equals < 0 ? null : key(text.substring(equals + 1));
    if (address.port() == 0) {
      throw new InvalidRequestException("'" + text + "' has port 0, where nobody can be reached");
    }
    if (key == null && !address.resolve().getAddress().isLoopbackAddress()) {
      throw new InvalidRequestException(
          "the replica "
              + address
              + " is not on loopback, so whoever answers there has to prove a key: write "
              + address
              + "=KEY with the replica's public key, which it prints when it starts");
    }
    return new ReplicaAddress(address, key);
  }

  /**
   * Parses a list: with commas between, or {@code @FILE} with one on each line, where lines that
   * are empty or begin with # count for nothing.
   *
   * @param base the directory that a relative path is relative to
   * @throws InvalidRequestException if it is none, empty, too long, or names one twice
   */
  public static List<ReplicaAddress> parseList(String text, Path base) {
    List<String> parts =
        text.startsWith("@")
            ? lines(base.resolve(text.substring(1)))
            : List.of(text.split(",", -1));
    List<ReplicaAddress> list = new ArrayList<>();
    Set<HostPort> addresses = new HashSet<>();
    Set<PublicKey> keys = new HashSet<>();
    for (String part : parts) {
      ReplicaAddress one = parse(part.strip());
      if (!addresses.add(one.address) || (one.key != null && !keys.add(one.key))) {
        throw new InvalidRequestException("the replica " + one + " is there twice");
      }
      list.add(one);
    }
    if (list.isEmpty() || list.size() > MAX_ADDRESSES) {
      throw new InvalidRequestException(
          "a list of " + list.size() + " replicas: allowed are 1 to " + MAX_ADDRESSES);
    }
    return List.copyOf(list);
  }

  private static List<String> lines(Path file) {
    try {
      if (Files.size(file) > MAX_FILE_BYTES) {
        throw new InvalidRequestException(file + " is too long to be a list of replicas");
      }
      return Files.readAllLines(file, StandardCharsets.UTF_8).stream()
          .map(String::strip)
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .toList();
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read the list of replicas " + file + ": check that it exists and is readable", e);
    }
  }

  /**
   * A public key from its 66 hex digits.
   *
   * @throws InvalidRequestException if it is none
   */
  public static PublicKey key(String hex) {
    byte[] bytes;
    try {
      bytes = HexFormat.of().parseHex(hex);
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException(notKey(hex), e);
    }
    if (bytes.length == PublicKey.BYTES
        && PublicKey.decode(bytes, 0) instanceof Decoded.Accepted<PublicKey>(PublicKey key)) {
      return key;
    }
    throw new InvalidRequestException(notKey(hex));
  }

  private static String notKey(String hex) {
    return "'"
        + hex
        + "' is no public key: allowed are 66 hex digits, a compressed point of secp256k1";
  }

  @Override
  public String toString() {
    return key == null ? address.toString() : address + "=" + key;
  }
}
