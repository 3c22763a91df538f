package io.capsuledb.host.terminal;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import java.io.Console;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads passwords and passphrases from where they may come from: a file, the standard input, a
 * prompt. Never from the command line, which everybody on the machine can read.
 */
public final class SecretInput {

  /** Longest secret, in bytes. */
  public static final int MAX_BYTES = 1024;

  private SecretInput() {}

  /**
   * The first line of a file, without its line end.
   *
   * @param file a path, or {@code -} for {@code in}
   * @param what how to call the secret in errors
   * @throws InvalidRequestException if it cannot be read, is empty or too long
   */
  public static SecretBytes firstLine(String file, InputStream in, String what) {
    if (file.equals("-")) {
      return firstLine(in, what, "the standard input");
    }
    try (InputStream opened = Files.newInputStream(Path.of(file))) {
      return firstLine(opened, what, file);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read the " + what + " from " + file + ": check that the file is readable", e);
    }
  }

  private static SecretBytes firstLine(InputStream in, String what, String source) {
    byte[] buffer = new byte[MAX_BYTES + 1];
    int length = 0;
    try {
      while (true) {
        int next = in.read();
        if (next < 0 || next == '\n') {
          break;
        }
        if (length == buffer.length) {
          throw new InvalidRequestException(
              "the " + what + " in " + source + " is longer than " + MAX_BYTES + " bytes");
        }
        buffer[length++] = (byte) next;
      }
      if (length > 0 && buffer[length - 1] == '\r') {
        length--;
      }
      if (length == 0) {
        throw new InvalidRequestException(
            "the first line of " + source + " is empty: the " + what + " belongs there");
      }
      if (length > MAX_BYTES) {
        throw new InvalidRequestException(
            "the " + what + " in " + source + " is longer than " + MAX_BYTES + " bytes");
      }
      return SecretBytes.own(Arrays.copyOf(buffer, length));
    } catch (IOException e) {
      throw new InvalidRequestException("cannot read the " + what + " from " + source, e);
    } finally {
      Arrays.fill(buffer, (byte) 0);
    }
  }

  /** Whether somebody sits at a terminal who could be asked. */
  public static boolean canPrompt() {
    return terminal() != null;
  }

  // The JDK's own console, the default again from 25 on, is null without a terminal.
  @SuppressWarnings("SystemConsoleNull")
  private static @Nullable Console terminal() {
    Console console = System.console();
    return console != null && console.isTerminal() ? console : null;
  }

  /**
   * Asks on the terminal, without echo.
   *
   * @throws InvalidRequestException if there is no terminal, or nothing was typed
   */
  public static SecretBytes prompt(String what) {
    Console console = terminal();
    if (console == null) {
      throw new InvalidRequestException(
          "there is no terminal to ask for the " + what + ": give it in a file or the environment");
    }
    char[] typed = console.readPassword("%s: ", what);
    if (typed == null || typed.length == 0) {
      throw new InvalidRequestException("no " + what + " was typed");
    }
    // Not by way of a String, which could not be cleared.
    byte[] buffer = new byte[typed.length * 3];
    ByteBuffer target = ByteBuffer.wrap(buffer);
    StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(typed), target, true);
    byte[] bytes = Arrays.copyOf(buffer, target.position());
    Arrays.fill(buffer, (byte) 0);
    Arrays.fill(typed, '\0');
    return SecretBytes.own(bytes);
  }

  /**
   * Asks twice, for a secret that is new.
   *
   * @throws InvalidRequestException if there is no terminal, or two different ones were typed
   */
  public static SecretBytes promptTwice(String what) {
    SecretBytes first = prompt("new " + what);
    try (SecretBytes second = prompt("the same again")) {
      if (first.equals(second)) {
        return first;
      }
    }
    first.close();
    throw new InvalidRequestException("the two " + what + "s that were typed differ");
  }

  /**
   * A secret as characters, to be cleared by the caller.
   *
   * @throws InvalidRequestException if it is not UTF-8
   */
  public static char[] characters(SecretBytes secret, String what) {
    char[] buffer = new char[secret.length()];
    CharBuffer target = CharBuffer.wrap(buffer);
    CoderResult result =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .decode(ByteBuffer.wrap(secret.expose()), target, true);
    char[] characters = Arrays.copyOf(buffer, target.position());
    Arrays.fill(buffer, '\0');
    if (result.isError()) {
      Arrays.fill(characters, '\0');
      throw new InvalidRequestException("the " + what + " is not UTF-8");
    }
    return characters;
  }
}
