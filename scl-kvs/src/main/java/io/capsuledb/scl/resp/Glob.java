package io.capsuledb.scl.resp;

/**
 * A pattern as KEYS and SCAN take it: {@code *} any bytes, {@code ?} any byte, {@code [abc]},
 * {@code [a-c]} and {@code [^a]} one byte of a class, {@code \} takes the next byte literally.
 * Bytes compare as they are; ranges compare them as signed numbers; a class that is not closed ends
 * with the pattern. Two oddities are kept: only the empty pattern matches the empty text, and what
 * lies behind more than {@link #MAX_STARS} stars matches nothing.
 *
 * <p>Matching never recurses and returns to the last star only, so its work is at most pattern
 * length times text length. Because both may be long, work is counted, and the command that uses
 * the pattern is refused when it exceeds its bound.
 *
 * <p>Source: the documentation of Redis' KEYS command. Not thread-safe: it counts its work.
 */
final class Glob {

  /** Redis gives up behind so many stars, neighbouring ones taken as one. */
  private static final int MAX_STARS = 1000;

  private final byte[] pattern;
  private final long maxWork;
  private long work;

  /** Where the token looked at last ends: set by {@link #tokenMatches}. */
  private int next;

  /**
   * Prepares a pattern.
   *
   * @param pattern not to be modified afterwards
   * @param maxWork how many pattern bytes may be looked at, over all texts together
   */
  Glob(byte[] pattern, long maxWork) {
    this.pattern = pattern;
    this.maxWork = maxWork;
  }

  /** Whether every text matches, so that none need be looked at. */
  boolean matchesAll() {
    return pattern.length == 1 && pattern[0] == '*';
  }

  /** How many pattern bytes were looked at so far. */
  long work() {
    return work;
  }

  /**
   * Whether a text matches.
   *
   * @throws CommandException if the work exceeds its bound
   */
  boolean matches(byte[] text) {
    if (text.length == 0) {
      return pattern.length == 0;
    }
    int p = 0;
    int t = 0;
    int afterStar = -1;
    int starText = 0;
    int stars = 0;
    while (t < text.length) {
      if (p < pattern.length && pattern[p] == '*') {
        p = afterStars(p);
        if (p == pattern.length) {
          return true;
        }
        stars++;
        if (stars > MAX_STARS) {
          return false;
        }
        afterStar = p;
        starText = t;
      } else if (p < pattern.length && tokenMatches(p, text[t])) {
        p = next;
        t++;
      } else if (afterStar >= 0) {
        // The last star takes one byte more. Earlier stars need no second chance: what they
        // could leave to the rest, the last one can leave as well.
        starText++;
        p = afterStar;
        t = starText;
      } else {
        return false;
      }
    }
    return afterStars(p) == pattern.length;
  }

  private int afterStars(int from) {
    int p = from;
    while (p < pattern.length && pattern[p] == '*') {
      p++;
    }
    spend(p - from);
    return p;
  }

  private void spend(int amount) {
    work += amount;
    if (work > maxWork) {
      throw new CommandException("ERR pattern needs too much work, use a shorter or simpler one");
    }
  }

  /** Whether the token at {@code p}, which is not a star, takes a byte. */
  private boolean tokenMatches(int p, byte b) {
    boolean matches;
    switch (pattern[p]) {
      case '?' -> {
        next = p + 1;
        matches = true;
      }
      case '[' -> matches = classMatches(p + 1, b);
      case '\\' -> {
        int literal = p + 1 < pattern.length ? p + 1 : p;
        next = literal + 1;
        matches = pattern[literal] == b;
      }
      default -> {
        next = p + 1;
        matches = pattern[p] == b;
      }
    }
    spend(next - p);
    return matches;
  }

  /** Whether the class whose content begins at {@code from} takes a byte. */
  private boolean classMatches(int from, byte b) {
    int p = from;
    boolean negated = p < pattern.length && pattern[p] == '^';
    if (negated) {
      p++;
    }
    boolean member = false;
    while (p < pattern.length && pattern[p] != ']') {
      int left = pattern.length - p;
      if (pattern[p] == '\\' && left >= 2) {
        member |= pattern[p + 1] == b;
        p += 2;
      } else if (left >= 3 && pattern[p + 1] == '-') {
        byte low = (byte) Math.min(pattern[p], pattern[p + 2]);
        byte high = (byte) Math.max(pattern[p], pattern[p + 2]);
        member |= b >= low && b <= high;
        p += 3;
      } else {
        member |= pattern[p] == b;
        p++;
      }
    }
    next = Math.min(p + 1, pattern.length);
    return member != negated;
  }
}
