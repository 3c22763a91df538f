package io.capsuledb.scl.resp;

import org.jspecify.annotations.Nullable;

/**
 * The options of SET and GETEX. Options that contradict each other are a syntax error, as is one
 * the command does not have; the same option twice is not.
 */
final class StringOptions {

  private boolean onlyIfAbsent;
  private boolean onlyIfPresent;
  private boolean returnOld;
  private boolean keepExpiry;
  private boolean persist;
  private @Nullable Expiry expiry;
  private int expiryIndex;

  private StringOptions() {}

  /** Reads what follows key and value of SET. */
  static StringOptions ofSet(CommandContext context) {
    StringOptions options = new StringOptions();
    int i = 3;
    while (i < context.count()) {
      byte[] word = context.argument(i);
      if (Operands.is(word, "NX") && !options.onlyIfPresent) {
        options.onlyIfAbsent = true;
      } else if (Operands.is(word, "XX") && !options.onlyIfAbsent) {
        options.onlyIfPresent = true;
      } else if (Operands.is(word, "GET")) {
        options.returnOld = true;
      } else if (Operands.is(word, "KEEPTTL") && options.expiry == null) {
        options.keepExpiry = true;
      } else {
        i = options.takeExpiry(context, i);
      }
      i++;
    }
    return options;
  }

  /** Reads what follows the key of GETEX. */
  static StringOptions ofGetEx(CommandContext context) {
    StringOptions options = new StringOptions();
    int i = 2;
    while (i < context.count()) {
      if (Operands.is(context.argument(i), "PERSIST") && options.expiry == null) {
        options.persist = true;
      } else {
        i = options.takeExpiry(context, i);
      }
      i++;
    }
    return options;
  }

  /** Takes an expiry option and the number behind it; returns where that number is. */
  private int takeExpiry(CommandContext context, int index) {
    Expiry named = Expiry.named(context.argument(index));
    if (named == null
        || keepExpiry
        || persist
        || (expiry != null && expiry != named)
        || index + 1 == context.count()) {
      throw Refusals.syntax();
    }
    expiry = named;
    expiryIndex = index + 1;
    return expiryIndex;
  }

  boolean onlyIfAbsent() {
    return onlyIfAbsent;
  }

  boolean onlyIfPresent() {
    return onlyIfPresent;
  }

  boolean returnOld() {
    return returnOld;
  }

  boolean keepExpiry() {
    return keepExpiry;
  }

  boolean persist() {
    return persist;
  }

  boolean hasExpiry() {
    return expiry != null;
  }

  /** Whether the outcome depends on what the key holds. */
  boolean needsOld() {
    return onlyIfAbsent || onlyIfPresent || returnOld || keepExpiry;
  }

  /**
   * The expiry asked for, possibly in the past; {@link Expiry#NEVER} if none was.
   *
   * @param command for the refusal, lower case
   */
  long expiryAtMs(CommandContext context, String command) {
    return expiry == null ? Expiry.NEVER : expiry.positiveAtMs(context, expiryIndex, command);
  }
}
