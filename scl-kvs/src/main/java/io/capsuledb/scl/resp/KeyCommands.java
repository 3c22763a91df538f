package io.capsuledb.scl.resp;

import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Commands on single keys of any type, as Redis 7.0 has them. There is one database, number 0.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class KeyCommands {

  private KeyCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        CommandSpec.write("DEL", -2, 1, -1, 1, KeyCommands::delete),
        CommandSpec.write("UNLINK", -2, 1, -1, 1, KeyCommands::delete),
        CommandSpec.read("EXISTS", -2, 1, -1, 1, KeyCommands::countExisting),
        CommandSpec.read("TOUCH", -2, 1, -1, 1, KeyCommands::countExisting),
        CommandSpec.read("TYPE", 2, 1, 1, 1, KeyCommands::type),
        CommandSpec.write("RENAME", 3, 1, 2, 1, context -> rename(context, false)),
        CommandSpec.write("RENAMENX", 3, 1, 2, 1, context -> rename(context, true)),
        CommandSpec.write("COPY", -3, 1, 2, 1, KeyCommands::copy),
        expiring("EXPIRE", Expiry.EX),
        expiring("PEXPIRE", Expiry.PX),
        expiring("EXPIREAT", Expiry.EXAT),
        expiring("PEXPIREAT", Expiry.PXAT),
        CommandSpec.write("PERSIST", 2, 1, 1, 1, KeyCommands::persist),
        CommandSpec.read("TTL", 2, 1, 1, 1, context -> timeToLive(context, true, true)),
        CommandSpec.read("PTTL", 2, 1, 1, 1, context -> timeToLive(context, false, true)),
        CommandSpec.read("EXPIRETIME", 2, 1, 1, 1, context -> timeToLive(context, true, false)),
        CommandSpec.read("PEXPIRETIME", 2, 1, 1, 1, context -> timeToLive(context, false, false)));
  }

  private static void delete(CommandContext context) {
    Operands.checkKeys(context, 1, 1);
    long deleted = 0;
    for (int i = 1; i < context.count(); i++) {
      byte[] key = context.argument(i);
      // Staged removals show at once, so a key named twice counts once.
      if (context.describe(key).found()) {
        context.delete(key);
        deleted++;
      }
    }
    context.reply().integer(deleted);
  }

  /**
   * EXISTS, and TOUCH too: when a key was last used is not kept. A key named twice counts twice.
   */
  private static void countExisting(CommandContext context) {
    if (context.count() == 2) {
      context.reply().integer(context.describe(Operands.key(context, 1)).found() ? 1 : 0);
      return;
    }
    Operands.checkKeys(context, 1, 1);
    long[] found = {0};
    context.readTogether(
        () -> {
          for (int i = 1; i < context.count(); i++) {
            found[0] += context.describe(context.argument(i)).found() ? 1 : 0;
          }
        });
    context.reply().integer(found[0]);
  }

  private static void type(CommandContext context) {
    Lookup lookup = context.describe(Operands.key(context, 1));
    context.reply().simple(lookup.found() ? typeName(lookup.type()) : "none");
  }

  /** What TYPE and SCAN call a type. */
  static String typeName(ValueType type) {
    return switch (type) {
      case STRING -> "string";
      case LIST -> "list";
      case SET -> "set";
    };
  }

  private static void rename(CommandContext context, boolean onlyIfAbsent) {
    byte[] from = Operands.key(context, 1);
    byte[] to = Operands.key(context, 2);
    Lookup moved = context.get(from);
    if (!moved.found()) {
      throw Refusals.noSuchKey();
    }
    boolean same = Arrays.equals(from, to);
    boolean refused = onlyIfAbsent && (same || context.describe(to).found());
    if (!refused && !same) {
      context.put(to, moved.type(), Operands.unchanged(moved), moved.expiryAtMs());
      context.delete(from);
    }
    if (onlyIfAbsent) {
      context.reply().integer(refused ? 0 : 1);
    } else {
      context.reply().ok();
    }
  }

  private static void copy(CommandContext context) {
    byte[] from = Operands.key(context, 1);
    byte[] to = Operands.key(context, 2);
    boolean replace = false;
    for (int i = 3; i < context.count(); i++) {
      if (Operands.is(context.argument(i), "REPLACE")) {
        replace = true;
      } else if (Operands.is(context.argument(i), "DB") && i + 1 < context.count()) {
        i++;
        checkDatabase(Operands.integer(context, i));
      } else {
        throw Refusals.syntax();
      }
    }
    if (Arrays.equals(from, to)) {
      throw new CommandException("ERR source and destination objects are the same");
    }
    Lookup copied = context.get(from);
    boolean done = copied.found() && (replace || !context.describe(to).found());
    if (done) {
      context.put(to, copied.type(), Operands.unchanged(copied), copied.expiryAtMs());
    }
    context.reply().integer(done ? 1 : 0);
  }

  private static void checkDatabase(long number) {
    if (number != (int) number) {
      throw new CommandException(
          "ERR value is out of range, value must between -2147483648 and 2147483647");
    }
    if (number != 0) {
      throw new CommandException("ERR DB index is out of range");
    }
  }

  private static CommandSpec expiring(String name, Expiry expiry) {
    String lowerCase = name.toLowerCase(Locale.ROOT);
    return CommandSpec.write(name, -3, 1, 1, 1, context -> expire(context, lowerCase, expiry));
  }

  private static void expire(CommandContext context, String command, Expiry expiry) {
    byte[] key = Operands.key(context, 1);
    ExpiryConditions conditions = ExpiryConditions.of(context);
    long expiryAtMs = expiry.atMs(Operands.integer(context, 2), context.nowMs(), command);
    Lookup old = context.get(key);
    boolean done = old.found() && conditions.hold(old.expiryAtMs(), expiryAtMs);
    if (done) {
      if (Expiry.isPast(expiryAtMs, context.nowMs())) {
        context.delete(key);
      } else {
        context.put(key, old.type(), Operands.unchanged(old), expiryAtMs);
      }
    }
    context.reply().integer(done ? 1 : 0);
  }

  private static void persist(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    Lookup described = context.describe(key);
    boolean done = described.found() && described.expiryAtMs() != Expiry.NEVER;
    if (done) {
      Lookup old = context.get(key);
      context.put(key, old.type(), Operands.unchanged(old), Expiry.NEVER);
    }
    context.reply().integer(done ? 1 : 0);
  }

  private static void timeToLive(CommandContext context, boolean seconds, boolean relative) {
    Lookup lookup = context.describe(Operands.key(context, 1));
    if (!lookup.found()) {
      context.reply().integer(-2);
      return;
    }
    if (lookup.expiryAtMs() == Expiry.NEVER) {
      context.reply().integer(-1);
      return;
    }
    long ms = relative ? lookup.expiryAtMs() - context.nowMs() : lookup.expiryAtMs();
    context.reply().integer(seconds ? Expiry.roundedSeconds(Math.max(0, ms)) : Math.max(0, ms));
  }

  /** NX, XX, GT and LT of the EXPIRE commands. */
  private record ExpiryConditions(boolean nx, boolean xx, boolean gt, boolean lt) {

    static ExpiryConditions of(CommandContext context) {
      boolean nx = false;
      boolean xx = false;
      boolean gt = false;
      boolean lt = false;
      for (int i = 3; i < context.count(); i++) {
        byte[] word = context.argument(i);
        if (Operands.is(word, "NX")) {
          nx = true;
        } else if (Operands.is(word, "XX")) {
          xx = true;
        } else if (Operands.is(word, "GT")) {
          gt = true;
        } else if (Operands.is(word, "LT")) {
          lt = true;
        } else {
          throw Refusals.unsupportedOption(word);
        }
      }
      if (nx && (xx || gt || lt)) {
        throw new CommandException(
            "ERR NX and XX, GT or LT options at the same time are not compatible");
      }
      if (gt && lt) {
        throw new CommandException("ERR GT and LT options at the same time are not compatible");
      }
      return new ExpiryConditions(nx, xx, gt, lt);
    }

    /** A key without expiry counts as one that expires in infinity. */
    boolean hold(long oldAtMs, long newAtMs) {
      boolean never = oldAtMs == Expiry.NEVER;
      return !(nx && !never)
          && !(xx && never)
          && !(gt && (never || newAtMs <= oldAtMs))
          && !(lt && !never && newAtMs >= oldAtMs);
    }
  }
}
