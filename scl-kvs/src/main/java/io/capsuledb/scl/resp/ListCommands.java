package io.capsuledb.scl.resp;

import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.List;

/**
 * A small part of Redis' list commands. A list is one value (see {@link CollectionCodec}): every
 * command reads all of it and every change writes all of it, so each costs time and log space in
 * proportion to the list's bytes. Lists are bounded by the length of a value and by {@link
 * CollectionLayout#MAX_ELEMENTS}. They are for little lists beside many strings, not for queues.
 * Removing the last element removes the key.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class ListCommands {

  private ListCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        CommandSpec.write("LPUSH", -3, 1, 1, 1, context -> push(context, true)),
        CommandSpec.write("RPUSH", -3, 1, 1, 1, context -> push(context, false)),
        CommandSpec.write("LPOP", -2, 1, 1, 1, context -> pop(context, "lpop", true)),
        CommandSpec.write("RPOP", -2, 1, 1, 1, context -> pop(context, "rpop", false)),
        CommandSpec.read("LLEN", 2, 1, 1, 1, ListCommands::length),
        CommandSpec.read("LRANGE", 4, 1, 1, 1, ListCommands::range),
        CommandSpec.read("LINDEX", 3, 1, 1, 1, ListCommands::index));
  }

  private static CollectionCodec.Elements elements(Lookup lookup) {
    return CollectionCodec.decode(ValueType.LIST, lookup.buffer(), lookup.offset(), lookup.length())
        .orThrow();
  }

  private static void push(CommandContext context, boolean left) {
    byte[] key = Operands.key(context, 1);
    Lookup old = Operands.typed(context, key, ValueType.LIST);
    CollectionCodec.Builder list = new CollectionCodec.Builder(old.length() + 256L);
    if (left) {
      for (int i = context.count() - 1; i >= 2; i--) {
        list.add(context.argument(i), 0, context.argument(i).length);
      }
    }
    if (old.found()) {
      CollectionCodec.Elements elements = elements(old);
      list.addNext(elements, elements.count());
    }
    if (!left) {
      for (int i = 2; i < context.count(); i++) {
        list.add(context.argument(i), 0, context.argument(i).length);
      }
    }
    context.put(key, ValueType.LIST, list.build(), old.expiryAtMs());
    context.reply().integer(list.count());
  }

  private static void pop(CommandContext context, String command, boolean left) {
    if (context.count() > 3) {
      throw Refusals.wrongArity(command);
    }
    byte[] key = Operands.key(context, 1);
    boolean counted = context.count() == 3;
    long wanted = counted ? positive(context.argument(2)) : 1;
    Lookup old = Operands.typed(context, key, ValueType.LIST);
    if (!old.found()) {
      if (counted) {
        context.reply().nullArray();
      } else {
        context.reply().nullBulk();
      }
      return;
    }
    CollectionCodec.Elements elements = elements(old);
    int popped = (int) Math.min(wanted, elements.count());
    int kept = elements.count() - popped;
    // Which elements go: a pair of start and length each, in list order.
    int[] slices = new int[2 * popped];
    if (popped > 0) {
      CollectionCodec.Builder rest = new CollectionCodec.Builder(old.length());
      if (!left) {
        rest.addNext(elements, kept);
      }
      for (int i = 0; i < popped; i++) {
        elements.advance();
        slices[2 * i] = elements.start();
        slices[2 * i + 1] = elements.length();
      }
      if (left) {
        rest.addNext(elements, kept);
      }
      if (kept == 0) {
        context.delete(key);
      } else {
        context.put(key, ValueType.LIST, rest.build(), old.expiryAtMs());
      }
    }
    if (counted) {
      context.reply().array(popped);
    }
    for (int i = 0; i < popped; i++) {
      int slice = 2 * (left ? i : popped - 1 - i);
      context.reply().bulk(old.buffer(), slices[slice], slices[slice + 1]);
    }
  }

  private static long positive(byte[] text) {
    if (Operands.isInteger(text, 0, text.length)) {
      long value = Operands.integer(text, 0, text.length);
      if (value >= 0) {
        return value;
      }
    }
    throw new CommandException("ERR value is out of range, must be positive");
  }

  private static void length(CommandContext context) {
    Lookup lookup = Operands.typed(context, Operands.key(context, 1), ValueType.LIST);
    context.reply().integer(lookup.found() ? elements(lookup).count() : 0);
  }

  private static void range(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    long first = Operands.integer(context, 2);
    long last = Operands.integer(context, 3);
    Lookup lookup = Operands.typed(context, key, ValueType.LIST);
    if (!lookup.found()) {
      context.reply().array(0);
      return;
    }
    CollectionCodec.Elements elements = elements(lookup);
    int count = elements.count();
    long from = first < 0 ? Math.max(0, count + first) : first;
    long to = Math.min(last < 0 ? count + last : last, count - 1L);
    if (from > to) {
      context.reply().array(0);
      return;
    }
    int size = (int) (to - from + 1);
    context.reply().array(size);
    elements.skip((int) from);
    for (int i = 0; i < size; i++) {
      elements.advance();
      context.reply().bulk(elements.buffer(), elements.start(), elements.length());
    }
  }

  private static void index(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    Lookup lookup = Operands.typed(context, key, ValueType.LIST);
    if (!lookup.found()) {
      context.reply().nullBulk();
      return;
    }
    long index = Operands.integer(context, 2);
    CollectionCodec.Elements elements = elements(lookup);
    long at = index < 0 ? elements.count() + index : index;
    if (at < 0 || at >= elements.count()) {
      context.reply().nullBulk();
      return;
    }
    elements.skip((int) at + 1);
    context.reply().bulk(elements.buffer(), elements.start(), elements.length());
  }
}
