package io.capsuledb.core.sim;

import io.capsuledb.core.error.Decoded;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A decoder that bytes from outside reach. Whatever they are, it gives a value or a rejection with
 * a reason; and what it accepts is, where a format has one encoding only, what that value encodes
 * to.
 */
public final class FuzzTarget {

  private final String name;
  private final List<byte[]> samples;
  private final Consumer<byte[]> body;

  private FuzzTarget(String name, List<byte[]> samples, Consumer<byte[]> body) {
    this.name = name;
    this.samples = List.copyOf(samples);
    this.body = body;
  }

  /**
   * Of anything that takes bytes.
   *
   * @param samples well-formed inputs to begin with
   * @param body throws if something is wrong
   */
  public static FuzzTarget of(String name, List<byte[]> samples, Consumer<byte[]> body) {
    return new FuzzTarget(name, samples, body);
  }

  /** Of a decoder of a format that has several encodings of a value. */
  public static <T> FuzzTarget decoder(
      String name, List<byte[]> samples, Function<byte[], Decoded<T>> decoder) {
    return of(
        name,
        samples,
        bytes -> {
          if (decoder.apply(bytes.clone()) instanceof Decoded.Rejected<T>(var rejection)
              && rejection.detail().isBlank()) {
            throw new AssertionError(name + " is rejected without a reason");
          }
        });
  }

  /** Of a decoder of a format with one encoding of each value. */
  public static <T> FuzzTarget codec(
      String name,
      List<byte[]> samples,
      Function<byte[], Decoded<T>> decoder,
      Function<T, byte[]> encoder) {
    return of(
        name,
        samples,
        bytes -> {
          switch (decoder.apply(bytes.clone())) {
            case Decoded.Accepted<T>(T value) -> {
              byte[] again = encoder.apply(value);
              if (!Arrays.equals(again, bytes)) {
                throw new AssertionError(
                    name + " is accepted, and encodes to " + HexFormat.of().formatHex(again));
              }
            }
            case Decoded.Rejected<T>(var rejection) -> {
              if (rejection.detail().isBlank()) {
                throw new AssertionError(name + " is rejected without a reason");
              }
            }
          }
        });
  }

  /** What it is called. */
  public String name() {
    return name;
  }

  /** Inputs to begin with. */
  public List<byte[]> samples() {
    return samples;
  }

  /** Throws if the decoder does something else with these bytes than it should. */
  public void run(byte[] bytes) {
    body.accept(bytes);
  }

  /** Golden bytes of this or another module's tests: files of hexadecimal digits. */
  public static List<byte[]> golden(String... files) {
    return Arrays.stream(files).map(FuzzTarget::goldenFile).toList();
  }

  private static byte[] goldenFile(String file) {
    try (InputStream in = FuzzTarget.class.getResourceAsStream("/golden/v1/" + file)) {
      if (in == null) {
        throw new IllegalArgumentException("no golden bytes " + file);
      }
      String hex = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      return HexFormat.of().parseHex(hex.replaceAll("#.*", "").replaceAll("\\s", ""));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
