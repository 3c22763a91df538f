package io.capsuledb.scl.resp;

import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.List;

/**
 * Commands on strings as Redis 7.0 has them. A string is at most {@link CapsuleDb#MAX_VALUE_BYTES}
 * long; what would make it longer is refused. An expiry that is not in the future removes the key
 * at once.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class StringCommands {

  private StringCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        CommandSpec.write("SET", -3, 1, 1, 1, StringCommands::set),
        CommandSpec.read("GET", 2, 1, 1, 1, StringCommands::get),
        CommandSpec.write("GETDEL", 2, 1, 1, 1, StringCommands::getDel),
        CommandSpec.write("GETEX", -2, 1, 1, 1, StringCommands::getEx),
        CommandSpec.write("GETSET", 3, 1, 1, 1, StringCommands::getSet),
        CommandSpec.read("MGET", -2, 1, -1, 1, StringCommands::multiGet),
        CommandSpec.write("MSET", -3, 1, -1, 2, context -> multiSet(context, "mset", false)),
        CommandSpec.write("MSETNX", -3, 1, -1, 2, context -> multiSet(context, "msetnx", true)),
        CommandSpec.write("SETNX", 3, 1, 1, 1, StringCommands::setIfAbsent),
        CommandSpec.write("SETEX", 4, 1, 1, 1, context -> setExpiring(context, "setex", Expiry.EX)),
        CommandSpec.write(
            "PSETEX", 4, 1, 1, 1, context -> setExpiring(context, "psetex", Expiry.PX)),
        CommandSpec.write("APPEND", 3, 1, 1, 1, StringCommands::append),
        CommandSpec.read("STRLEN", 2, 1, 1, 1, StringCommands::length),
        CommandSpec.read("GETRANGE", 4, 1, 1, 1, StringCommands::range),
        CommandSpec.read("SUBSTR", 4, 1, 1, 1, StringCommands::range),
        CommandSpec.write("SETRANGE", 4, 1, 1, 1, StringCommands::setRange));
  }

  private static void get(CommandContext context) {
    reply(context, Operands.string(context, Operands.key(context, 1)));
  }

  private static void reply(CommandContext context, Lookup lookup) {
    if (lookup.found()) {
      context.reply().bulk(lookup.buffer(), lookup.offset(), lookup.length());
    } else {
      context.reply().nullBulk();
    }
  }

  private static void set(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    byte[] value = Operands.value(context, 2);
    if (context.count() == 3) {
      context.put(key, ValueType.STRING, value, Expiry.NEVER);
      context.reply().ok();
      return;
    }
    StringOptions options = StringOptions.ofSet(context);
    long expiryAtMs = options.expiryAtMs(context, "set");
    if (!options.needsOld()) {
      store(context, key, value, expiryAtMs);
      context.reply().ok();
      return;
    }
    Lookup old = context.get(key);
    if (options.returnOld() && old.found() && old.type() != ValueType.STRING) {
      throw Refusals.wrongType();
    }
    boolean holds = old.found() ? !options.onlyIfAbsent() : !options.onlyIfPresent();
    if (holds) {
      store(context, key, value, options.keepExpiry() ? old.expiryAtMs() : expiryAtMs);
    }
    if (options.returnOld()) {
      reply(context, old);
    } else if (holds) {
      context.reply().ok();
    } else {
      context.reply().nullBulk();
    }
  }

  /** Stages a string, or a removal if it would expire at once. */
  private static void store(CommandContext context, byte[] key, byte[] value, long expiryAtMs) {
    if (expiryAtMs != Expiry.NEVER && Expiry.isPast(expiryAtMs, context.nowMs())) {
      context.delete(key);
    } else {
      context.put(key, ValueType.STRING, value, expiryAtMs);
    }
  }

  private static void getDel(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    Lookup old = Operands.string(context, key);
    if (old.found()) {
      context.delete(key);
    }
    reply(context, old);
  }

  private static void getEx(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    StringOptions options = StringOptions.ofGetEx(context);
    Lookup old = Operands.string(context, key);
    if (!old.found()) {
      context.reply().nullBulk();
      return;
    }
    long expiryAtMs = options.expiryAtMs(context, "getex");
    if (options.hasExpiry()) {
      store(context, key, Operands.unchanged(old), expiryAtMs);
    } else if (options.persist() && old.expiryAtMs() != Expiry.NEVER) {
      store(context, key, Operands.unchanged(old), Expiry.NEVER);
    }
    reply(context, old);
  }

  private static void getSet(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    byte[] value = Operands.value(context, 2);
    Lookup old = Operands.string(context, key);
    context.put(key, ValueType.STRING, value, Expiry.NEVER);
    reply(context, old);
  }

  private static void multiGet(CommandContext context) {
    if (context.count() == 2) {
      Lookup lookup = context.get(Operands.key(context, 1));
      context.reply().array(1);
      replyIfString(context, lookup);
      return;
    }
    Operands.checkKeys(context, 1, 1);
    Lookup[] lookups = new Lookup[context.count() - 1];
    context.readTogether(
        () -> {
          long bytes = 0;
          for (int i = 0; i < lookups.length; i++) {
            lookups[i] = context.get(context.argument(i + 1));
            bytes += lookups[i].length() + KeyspaceCommands.FRAMING_BYTES;
            // The lookups hold the values, so their bound is also one on memory.
            if (bytes > KeyspaceCommands.MAX_REPLY_BYTES) {
              throw Refusals.replyTooLarge("get fewer keys at once");
            }
          }
        });
    context.reply().array(lookups.length);
    for (Lookup lookup : lookups) {
      replyIfString(context, lookup);
    }
  }

  private static void replyIfString(CommandContext context, Lookup lookup) {
    if (lookup.found() && lookup.type() == ValueType.STRING) {
      context.reply().bulk(lookup.buffer(), lookup.offset(), lookup.length());
    } else {
      context.reply().nullBulk();
    }
  }

  private static void multiSet(CommandContext context, String command, boolean onlyIfAbsent) {
    if (context.count() % 2 == 0) {
      throw Refusals.wrongArity(command);
    }
    for (int i = 1; i < context.count(); i += 2) {
      byte[] key = Operands.key(context, i);
      Operands.value(context, i + 1);
      if (onlyIfAbsent && context.describe(key).found()) {
        context.reply().integer(0);
        return;
      }
    }
    for (int i = 1; i < context.count(); i += 2) {
      context.put(context.argument(i), ValueType.STRING, context.argument(i + 1), Expiry.NEVER);
    }
    if (onlyIfAbsent) {
      context.reply().integer(1);
    } else {
      context.reply().ok();
    }
  }

  private static void setIfAbsent(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    byte[] value = Operands.value(context, 2);
    boolean absent = !context.describe(key).found();
    if (absent) {
      context.put(key, ValueType.STRING, value, Expiry.NEVER);
    }
    context.reply().integer(absent ? 1 : 0);
  }

  private static void setExpiring(CommandContext context, String command, Expiry expiry) {
    byte[] key = Operands.key(context, 1);
    byte[] value = Operands.value(context, 3);
    store(context, key, value, expiry.positiveAtMs(context, 2, command));
    context.reply().ok();
  }

  private static void append(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    byte[] tail = Operands.value(context, 2);
    Lookup old = Operands.string(context, key);
    if (!old.found()) {
      context.put(key, ValueType.STRING, tail, Expiry.NEVER);
      context.reply().integer(tail.length);
      return;
    }
    if (tail.length > CapsuleDb.MAX_VALUE_BYTES - old.length()) {
      throw Refusals.stringWouldBeTooLong();
    }
    byte[] joined = resized(old, old.length() + tail.length);
    System.arraycopy(tail, 0, joined, old.length(), tail.length);
    context.put(key, ValueType.STRING, joined, old.expiryAtMs());
    context.reply().integer(joined.length);
  }

  /** A copy of a value, padded with zero bytes up to a length not below its own. */
  static byte[] resized(Lookup old, int length) {
    byte[] copy = new byte[length];
    System.arraycopy(old.buffer(), old.offset(), copy, 0, old.length());
    return copy;
  }

  private static void length(CommandContext context) {
    Lookup lookup = context.describe(Operands.key(context, 1));
    if (lookup.found() && lookup.type() != ValueType.STRING) {
      throw Refusals.wrongType();
    }
    context.reply().integer(lookup.length());
  }

  private static void range(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    long first = Operands.integer(context, 2);
    long last = Operands.integer(context, 3);
    Lookup lookup = Operands.string(context, key);
    int length = lookup.length();
    long from = first < 0 ? Math.max(0, length + first) : first;
    long to = Math.min(last < 0 ? Math.max(0, length + last) : last, length - 1L);
    boolean empty = from > to || (first < 0 && last < 0 && first > last);
    if (empty) {
      context.reply().bulk(lookup.buffer(), lookup.offset(), 0);
    } else {
      context.reply().bulk(lookup.buffer(), lookup.offset() + (int) from, (int) (to - from + 1));
    }
  }

  private static void setRange(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    long offset = Operands.integer(context, 2);
    byte[] piece = context.argument(3);
    if (offset < 0) {
      throw new CommandException("ERR offset is out of range");
    }
    Lookup old = Operands.string(context, key);
    if (piece.length == 0) {
      context.reply().integer(old.length());
      return;
    }
    if (offset > CapsuleDb.MAX_VALUE_BYTES - (long) piece.length) {
      throw Refusals.stringWouldBeTooLong();
    }
    int end = (int) offset + piece.length;
    byte[] changed = resized(old, Math.max(old.length(), end));
    System.arraycopy(piece, 0, changed, (int) offset, piece.length);
    context.put(key, ValueType.STRING, changed, old.expiryAtMs());
    context.reply().integer(changed.length);
  }
}
