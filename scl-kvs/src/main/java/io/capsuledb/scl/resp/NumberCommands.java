package io.capsuledb.scl.resp;

import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.List;

/**
 * Commands on strings that hold numbers, as Redis 7.0 has them. An absent key counts as zero; the
 * key's expiry stays.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class NumberCommands {

  private NumberCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        CommandSpec.write("INCR", 2, 1, 1, 1, context -> add(context, 1)),
        CommandSpec.write("DECR", 2, 1, 1, 1, context -> add(context, -1)),
        CommandSpec.write("INCRBY", 3, 1, 1, 1, NumberCommands::incrementBy),
        CommandSpec.write("DECRBY", 3, 1, 1, 1, NumberCommands::decrementBy),
        CommandSpec.write("INCRBYFLOAT", 3, 1, 1, 1, NumberCommands::incrementByFloat));
  }

  private static void incrementBy(CommandContext context) {
    add(context, Operands.integer(context, 2));
  }

  private static void decrementBy(CommandContext context) {
    long amount = Operands.integer(context, 2);
    if (amount == Long.MIN_VALUE) {
      throw new CommandException("ERR decrement would overflow");
    }
    add(context, -amount);
  }

  private static void add(CommandContext context, long amount) {
    byte[] key = Operands.key(context, 1);
    Lookup old = Operands.string(context, key);
    long value = old.found() ? Operands.integer(old.buffer(), old.offset(), old.length()) : 0;
    long sum = value + amount;
    if (((value ^ sum) & (amount ^ sum)) < 0) {
      throw new CommandException("ERR increment or decrement would overflow");
    }
    context.put(key, ValueType.STRING, Operands.decimal(sum), old.expiryAtMs());
    context.reply().integer(sum);
  }

  private static void incrementByFloat(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    Lookup old = Operands.string(context, key);
    ExtendedDouble value =
        old.found()
            ? ExtendedDouble.parse(old.buffer(), old.offset(), old.length())
            : ExtendedDouble.ZERO;
    byte[] amount = context.argument(2);
    ExtendedDouble sum = value.plus(ExtendedDouble.parse(amount, 0, amount.length));
    if (sum.isInfinite()) {
      throw new CommandException("ERR increment would produce NaN or Infinity");
    }
    byte[] text = sum.toText();
    context.put(key, ValueType.STRING, text, old.expiryAtMs());
    context.reply().bulk(text);
  }
}
