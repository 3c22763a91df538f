package io.capsuledb.scl.resp;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.List;

/**
 * Commands on strings as arrays of bits, as Redis 7.0 has them. Bit 0 is the highest of the first
 * byte; bits beyond the end are zero.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class BitCommands {

  /** Bits a string can have. */
  private static final long MAX_BITS = 8L * CapsuleDb.MAX_VALUE_BYTES;

  private BitCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        CommandSpec.write("SETBIT", 4, 1, 1, 1, BitCommands::setBit),
        CommandSpec.read("GETBIT", 3, 1, 1, 1, BitCommands::getBit),
        CommandSpec.read("BITCOUNT", -2, 1, 1, 1, BitCommands::bitCount));
  }

  private static long bitOffset(CommandContext context) {
    byte[] text = context.argument(2);
    if (Operands.isInteger(text, 0, text.length)) {
      long offset = Operands.integer(text, 0, text.length);
      if (offset >= 0 && offset < MAX_BITS) {
        return offset;
      }
    }
    throw new CommandException("ERR bit offset is not an integer or out of range");
  }

  private static void setBit(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    long offset = bitOffset(context);
    byte[] bit = context.argument(3);
    if (bit.length != 1 || (bit[0] != '0' && bit[0] != '1')) {
      throw new CommandException("ERR bit is not an integer or out of range");
    }
    Lookup old = Operands.string(context, key);
    int at = (int) (offset >> 3);
    int shift = 7 - (int) (offset & 7);
    int wanted = bit[0] - '0';
    int before = bitAt(old, at, shift);
    if (wanted != before || at >= old.length()) {
      byte[] changed = StringCommands.resized(old, Math.max(old.length(), at + 1));
      changed[at] = (byte) ((changed[at] & ~(1 << shift)) | (wanted << shift));
      context.put(key, ValueType.STRING, changed, old.expiryAtMs());
    }
    context.reply().integer(before);
  }

  private static int bitAt(Lookup lookup, int at, int shift) {
    return at < lookup.length() ? (lookup.buffer()[lookup.offset() + at] >> shift) & 1 : 0;
  }

  private static void getBit(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    long offset = bitOffset(context);
    Lookup lookup = Operands.string(context, key);
    context.reply().integer(bitAt(lookup, (int) (offset >> 3), 7 - (int) (offset & 7)));
  }

  private static void bitCount(CommandContext context) {
    Lookup lookup = Operands.string(context, Operands.key(context, 1));
    if (!lookup.found()) {
      // Before the range is looked at, as in Redis.
      context.reply().integer(0);
      return;
    }
    if (context.count() == 2) {
      context.reply().integer(countBits(lookup, 0, 8L * lookup.length()));
      return;
    }
    if (context.count() != 4 && context.count() != 5) {
      throw Refusals.syntax();
    }
    long first = Operands.integer(context, 2);
    long last = Operands.integer(context, 3);
    if (first < 0 && last < 0 && first > last) {
      context.reply().integer(0);
      return;
    }
    int unitBits = context.count() == 5 ? unitBits(context.argument(4)) : 8;
    long units = 8L * lookup.length() / unitBits;
    long from = first < 0 ? Math.max(0, units + first) : first;
    long to = Math.min(last < 0 ? Math.max(0, units + last) : last, units - 1);
    long count = from > to ? 0 : countBits(lookup, from * unitBits, (to + 1) * unitBits);
    context.reply().integer(count);
  }

  private static int unitBits(byte[] word) {
    if (Operands.is(word, "BIT")) {
      return 1;
    }
    if (Operands.is(word, "BYTE")) {
      return 8;
    }
    throw Refusals.syntax();
  }

  /** Ones among the bits {@code from} to {@code to}, exclusive, of a value. */
  private static long countBits(Lookup lookup, long from, long to) {
    int firstByte = (int) (from >> 3);
    int lastByte = (int) ((to - 1) >> 3);
    if (from >= to) {
      return 0;
    }
    byte[] bytes = lookup.buffer();
    int at = lookup.offset() + firstByte;
    int end = lookup.offset() + lastByte + 1;
    long count = 0;
    for (; at + Long.BYTES <= end; at += Long.BYTES) {
      count += Long.bitCount(LittleEndian.getLong(bytes, at));
    }
    for (; at < end; at++) {
      count += Integer.bitCount(bytes[at] & 0xff);
    }
    // Whole bytes were counted: take back what lies outside at both ends.
    int leading = (bytes[lookup.offset() + firstByte] & 0xff) >> (8 - (int) (from & 7));
    int unused = 7 - (int) ((to - 1) & 7);
    int trailing = bytes[lookup.offset() + lastByte] & ((1 << unused) - 1);
    return count - Integer.bitCount(leading) - Integer.bitCount(trailing);
  }
}
