package io.capsuledb.host.attest.verdict;

/**
 * Something that evidence says.
 *
 * @param name the field's name, with dots between levels
 * @param value bytes in hexadecimal digits, numbers in decimal ones, bits as true and false
 */
public record Claim(String name, String value) {

  public static Claim of(String name, Object value) {
    return new Claim(name, String.valueOf(value));
  }
}
