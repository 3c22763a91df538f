package io.capsuledb.scl.resp;

import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.Arrays;
import java.util.List;

/**
 * A small part of Redis' set commands. A set is one value (see {@link CollectionCodec}): every
 * command reads all of it and every change writes all of it, so each costs time and log space in
 * proportion to the set's bytes. Sets are bounded by the length of a value and by {@link
 * CollectionLayout#MAX_ELEMENTS}. They are for little sets beside many strings. Removing the last
 * member removes the key. SMEMBERS gives the members in byte order.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class SetCommands {

  private SetCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        CommandSpec.write("SADD", -3, 1, 1, 1, SetCommands::add),
        CommandSpec.write("SREM", -3, 1, 1, 1, SetCommands::remove),
        CommandSpec.read("SMEMBERS", 2, 1, 1, 1, SetCommands::members),
        CommandSpec.read("SISMEMBER", 3, 1, 1, 1, SetCommands::isMember),
        CommandSpec.read("SCARD", 2, 1, 1, 1, SetCommands::cardinality));
  }

  private static CollectionCodec.Elements elements(Lookup lookup) {
    return CollectionCodec.decode(ValueType.SET, lookup.buffer(), lookup.offset(), lookup.length())
        .orThrow();
  }

  /** The arguments after the key, sorted as a set is. */
  private static byte[][] sortedMembers(CommandContext context) {
    byte[][] members = new byte[context.count() - 2][];
    for (int i = 0; i < members.length; i++) {
      members[i] = context.argument(i + 2);
    }
    Arrays.sort(members, Arrays::compareUnsigned);
    return members;
  }

  private static int compare(byte[] member, CollectionCodec.Elements current) {
    return Arrays.compareUnsigned(
        member,
        0,
        member.length,
        current.buffer(),
        current.start(),
        current.start() + current.length());
  }

  private static void add(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    byte[][] added = sortedMembers(context);
    Lookup old = Operands.typed(context, key, ValueType.SET);
    CollectionCodec.Builder set = new CollectionCodec.Builder(old.length() + 256L);
    CollectionCodec.Elements elements =
        old.found() ? elements(old) : CollectionCodec.Elements.none();
    boolean more = elements.advance();
    for (int i = 0; i < added.length; i++) {
      byte[] member = added[i];
      int order = 1;
      while (more && (order = compare(member, elements)) > 0) {
        set.add(elements);
        more = elements.advance();
      }
      boolean known = more && order == 0;
      if (!known && (i == 0 || !Arrays.equals(member, added[i - 1]))) {
        set.add(member, 0, member.length);
      }
    }
    while (more) {
      set.add(elements);
      more = elements.advance();
    }
    int grown = set.count() - elements.count();
    if (grown > 0) {
      context.put(key, ValueType.SET, set.build(), old.expiryAtMs());
    }
    context.reply().integer(grown);
  }

  private static void remove(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    byte[][] removed = sortedMembers(context);
    Lookup old = Operands.typed(context, key, ValueType.SET);
    if (!old.found()) {
      context.reply().integer(0);
      return;
    }
    CollectionCodec.Elements elements = elements(old);
    CollectionCodec.Builder rest = new CollectionCodec.Builder(old.length());
    int i = 0;
    while (elements.advance()) {
      while (i < removed.length && compare(removed[i], elements) < 0) {
        i++;
      }
      if (i == removed.length || compare(removed[i], elements) > 0) {
        rest.add(elements);
      }
    }
    int gone = elements.count() - rest.count();
    if (rest.count() == 0) {
      context.delete(key);
    } else if (gone > 0) {
      context.put(key, ValueType.SET, rest.build(), old.expiryAtMs());
    }
    context.reply().integer(gone);
  }

  private static void members(CommandContext context) {
    Lookup lookup = Operands.typed(context, Operands.key(context, 1), ValueType.SET);
    if (!lookup.found()) {
      context.reply().set(0);
      return;
    }
    CollectionCodec.Elements elements = elements(lookup);
    context.reply().set(elements.count());
    while (elements.advance()) {
      context.reply().bulk(elements.buffer(), elements.start(), elements.length());
    }
  }

  private static void isMember(CommandContext context) {
    Lookup lookup = Operands.typed(context, Operands.key(context, 1), ValueType.SET);
    boolean member = false;
    if (lookup.found()) {
      CollectionCodec.Elements elements = elements(lookup);
      while (!member && elements.advance()) {
        member = compare(context.argument(2), elements) == 0;
      }
    }
    context.reply().integer(member ? 1 : 0);
  }

  private static void cardinality(CommandContext context) {
    Lookup lookup = Operands.typed(context, Operands.key(context, 1), ValueType.SET);
    context.reply().integer(lookup.found() ? elements(lookup).count() : 0);
  }
}
