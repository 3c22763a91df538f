package io.capsuledb.scl.resp;

import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.Arrays;
import java.util.List;

/**
 * LCS: the longest common subsequence of two strings, by the textbook table, walked from its end.
 * Where several subsequences are longest, the walk goes as in Redis, so the answer is the same.
 *
 * <p>Redis keeps four bytes a cell; here one bit a cell says which way the walk turns, and two rows
 * are kept while the table is built. Work is bounded by the number of cells: {@link #MAX_CELLS}, a
 * table of 256 MiB in Redis.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class LongestCommonSubsequence {

  /** Largest table; also the work, and eight times the bytes used. */
  static final long MAX_CELLS = (256L << 20) / Integer.BYTES;

  private LongestCommonSubsequence() {}

  static List<CommandSpec> specs() {
    return List.of(CommandSpec.read("LCS", -3, 1, 2, 1, LongestCommonSubsequence::run));
  }

  private static void run(CommandContext context) {
    Operands.key(context, 1);
    Operands.key(context, 2);
    Lookup[] lookups = new Lookup[2];
    context.readTogether(
        () -> {
          lookups[0] = context.get(context.argument(1));
          lookups[1] = context.get(context.argument(2));
        });
    Lookup a = lookups[0];
    Lookup b = lookups[1];
    if (a.type() != ValueType.STRING || b.type() != ValueType.STRING) {
      throw new CommandException("ERR The specified keys must contain string values");
    }
    Options options = Options.of(context);
    if ((a.length() + 1L) * (b.length() + 1L) > MAX_CELLS) {
      throw new CommandException(
          "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    }
    Table table = new Table(a, b, !options.lengthOnly);
    if (options.lengthOnly) {
      context.reply().integer(table.length);
    } else if (options.indexes) {
      replyMatches(context, table, options);
    } else {
      context.reply().bulk(table.subsequence());
    }
  }

  private static void replyMatches(CommandContext context, Table table, Options options) {
    Matches matches = table.matches(options.minLength);
    RespWriter reply = context.reply();
    reply.map(2);
    reply.bulk("matches");
    reply.array(matches.count);
    for (int i = 0; i < matches.count; i++) {
      long length = matches.end(i, 0) - matches.start(i, 0) + 1L;
      reply.array(options.withLength ? 3 : 2);
      for (int side = 0; side < 2; side++) {
        reply.array(2);
        reply.integer(matches.start(i, side));
        reply.integer(matches.end(i, side));
      }
      if (options.withLength) {
        reply.integer(length);
      }
    }
    reply.bulk("len");
    reply.integer(table.length);
  }

  /** What follows the keys. */
  private static final class Options {
    boolean lengthOnly;
    boolean indexes;
    boolean withLength;
    long minLength;

    static Options of(CommandContext context) {
      Options options = new Options();
      for (int i = 3; i < context.count(); i++) {
        byte[] word = context.argument(i);
        if (Operands.is(word, "IDX")) {
          options.indexes = true;
        } else if (Operands.is(word, "LEN")) {
          options.lengthOnly = true;
        } else if (Operands.is(word, "WITHMATCHLEN")) {
          options.withLength = true;
        } else if (Operands.is(word, "MINMATCHLEN") && i + 1 < context.count()) {
          i++;
          options.minLength = Operands.integer(context, i);
        } else {
          throw Refusals.syntax();
        }
      }
      if (options.lengthOnly && options.indexes) {
        throw new CommandException(
            "ERR If you want both the length and indexes, please just use IDX.");
      }
      return options;
    }
  }

  /** Ranges that match, last first: start and end in the first string, then in the second. */
  private static final class Matches {
    private int[] ranges = new int[64];
    private int count;

    void add(int startA, int endA, int startB, int endB) {
      int at = 4 * count;
      if (at == ranges.length) {
        ranges = Arrays.copyOf(ranges, 2 * ranges.length);
      }
      ranges[at] = startA;
      ranges[at + 1] = endA;
      ranges[at + 2] = startB;
      ranges[at + 3] = endB;
      count++;
    }

    int start(int match, int side) {
      return ranges[4 * match + 2 * side];
    }

    int end(int match, int side) {
      return ranges[4 * match + 2 * side + 1];
    }
  }

  /** The table of one pair of strings. */
  private static final class Table {
    private final Lookup a;
    private final Lookup b;

    /** Bit (i-1)·|b| + (j-1): whether the walk goes up from (i, j), rather than left. */
    private final long[] up;

    private final int length;

    Table(Lookup a, Lookup b, boolean withDirections) {
      this.a = a;
      this.b = b;
      long bits = withDirections ? (long) a.length() * b.length() : 0;
      this.up = new long[(int) ((bits + Long.SIZE - 1) / Long.SIZE)];
      this.length = fill(withDirections);
    }

    private int fill(boolean withDirections) {
      int width = b.length();
      byte[] bytes = b.buffer();
      int base = b.offset();
      int[] above = new int[width + 1];
      int[] row = new int[width + 1];
      int bit = 0;
      for (int i = 0; i < a.length(); i++) {
        byte ours = byteAt(a, i);
        for (int j = 0; j < width; j++, bit++) {
          if (ours == bytes[base + j]) {
            row[j + 1] = above[j] + 1;
          } else if (above[j + 1] > row[j]) {
            row[j + 1] = above[j + 1];
            if (withDirections) {
              up[bit >> 6] |= 1L << bit;
            }
          } else {
            row[j + 1] = row[j];
          }
        }
        int[] done = row;
        row = above;
        above = done;
      }
      return above[width];
    }

    private static byte byteAt(Lookup lookup, int index) {
      return lookup.buffer()[lookup.offset() + index];
    }

    private boolean goesUp(int i, int j) {
      int bit = (i - 1) * b.length() + (j - 1);
      return (up[bit >> 6] >>> bit & 1) != 0;
    }

    byte[] subsequence() {
      byte[] result = new byte[length];
      int left = length;
      int i = a.length();
      int j = b.length();
      while (left > 0) {
        if (byteAt(a, i - 1) == byteAt(b, j - 1)) {
          left--;
          i--;
          j--;
          result[left] = byteAt(a, i);
        } else if (goesUp(i, j)) {
          i--;
        } else {
          j--;
        }
      }
      return result;
    }

    /** Runs of matching bytes that are at least {@code minLength} long. */
    Matches matches(long minLength) {
      Matches matches = new Matches();
      int i = a.length();
      int j = b.length();
      while (i > 0 && j > 0) {
        if (byteAt(a, i - 1) != byteAt(b, j - 1)) {
          if (goesUp(i, j)) {
            i--;
          } else {
            j--;
          }
          continue;
        }
        int endA = i - 1;
        int endB = j - 1;
        while (i > 0 && j > 0 && byteAt(a, i - 1) == byteAt(b, j - 1)) {
          i--;
          j--;
        }
        if (endA - i + 1 >= minLength) {
          matches.add(i, endA, j, endB);
        }
      }
      return matches;
    }
  }
}
