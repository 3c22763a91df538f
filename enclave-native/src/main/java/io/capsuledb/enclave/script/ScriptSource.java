package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;

/**
 * The source of a script.
 *
 * @param fileName what errors call it, 1 to 255 characters without control characters
 * @param text JavaScript, at most {@value #MAX_CHARACTERS} characters
 */
public record ScriptSource(String fileName, String text) {

  /** The longest source. */
  public static final int MAX_CHARACTERS = 4 << 20;

  private static final int MAX_NAME = 255;

  /**
   * Checks both.
   *
   * @throws InvalidRequestException that says what is wrong
   */
  public ScriptSource {
    if (fileName.isEmpty()
        || fileName.length() > MAX_NAME
        || fileName.chars().anyMatch(Character::isISOControl)) {
      throw new InvalidRequestException(
          "the name of a script has to be 1 to 255 characters without control characters");
    }
    if (text.length() > MAX_CHARACTERS) {
      throw new InvalidRequestException(
          "a script has " + text.length() + " characters; allowed is up to " + MAX_CHARACTERS);
    }
  }
}
