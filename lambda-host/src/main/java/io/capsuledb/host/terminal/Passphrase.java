package io.capsuledb.host.terminal;

import io.capsuledb.core.crypto.SecretBytes;
import java.io.InputStream;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the passphrase of a key file: in a file, else in the environment variable {@value
 * #VARIABLE}, else, where the caller wants that, by asking.
 */
public final class Passphrase {

  /** The environment variable that may hold it. */
  public static final String VARIABLE = "CAPSULE_PASSPHRASE";

  private static final String WHAT = "passphrase";

  private Passphrase() {}

  /**
   * The passphrase that was given, to be cleared by the caller.
   *
   * @param file a path, {@code -} for {@code in}, or null
   * @return null if none was given
   * @throws io.capsuledb.core.error.InvalidRequestException if the file cannot be read or is empty
   */
  public static char @Nullable [] given(
      @Nullable String file, InputStream in, Map<String, String> environment) {
    if (file != null) {
      return characters(SecretInput.firstLine(file, in, WHAT));
    }
    String variable = environment.get(VARIABLE);
    return variable == null || variable.isEmpty() ? null : variable.toCharArray();
  }

  /** As {@link #given}, or asked for if there is a terminal. */
  public static char @Nullable [] givenOrAsked(
      @Nullable String file, InputStream in, Map<String, String> environment, String of) {
    char[] given = given(file, in, environment);
    if (given != null || !SecretInput.canPrompt()) {
      return given;
    }
    return characters(SecretInput.prompt(WHAT + " of " + of));
  }

  /** As {@link #given}, or asked for twice if there is a terminal: for a new one. */
  public static char @Nullable [] givenOrChosen(
      @Nullable String file, InputStream in, Map<String, String> environment) {
    char[] given = given(file, in, environment);
    if (given != null || !SecretInput.canPrompt()) {
      return given;
    }
    return characters(SecretInput.promptTwice(WHAT));
  }

  private static char[] characters(SecretBytes secret) {
    try (secret) {
      return SecretInput.characters(secret, WHAT);
    }
  }
}
