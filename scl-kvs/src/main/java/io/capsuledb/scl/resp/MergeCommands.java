package io.capsuledb.scl.resp;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import io.capsuledb.engine.merge.MergeOperator;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * {@code CAPSULE.MERGE key min|max|counter|set operand ...}: changes a value by what it will be.
 * What several workers merge into a key at once all counts, without locks: the smallest, the
 * largest, the sum, all members. The reply is what this worker knows of the key after it, and may
 * lag behind what others have merged meanwhile.
 */
final class MergeCommands {

  private static final int FIRST_OPERAND = 3;

  private MergeCommands() {}

  static List<CommandSpec> specs() {
    return List.of(CommandSpec.write("CAPSULE.MERGE", -4, 1, 1, 1, MergeCommands::merge));
  }

  private static MergeOperator operator(CommandContext context) {
    String word = new String(context.argument(2), StandardCharsets.ISO_8859_1);
    return switch (word.toLowerCase(Locale.ROOT)) {
      case "min" -> MergeOperator.MIN;
      case "max" -> MergeOperator.MAX;
      case "counter" -> MergeOperator.COUNTER;
      case "set" -> MergeOperator.UNION;
      default ->
          throw new CommandException(
              "ERR nothing is merged so: allowed are min, max, counter and set");
    };
  }

  private static void merge(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    MergeOperator operator = operator(context);
    Lookup now;
    try {
      now = context.merge(key, operator, operand(context, operator));
    } catch (InvalidRequestException e) {
      if (ErrorReplies.isWrongType(e)) {
        // What it tells of the key waits, as every reply does, until that is durable.
        context.get(key);
        throw Refusals.wrongType();
      }
      throw new CommandException("ERR " + e.getMessage());
    }
    switch (operator) {
      case MIN, MAX -> context.reply().bulk(now.value());
      case COUNTER ->
          context.reply().integer(Operands.integer(now.buffer(), now.offset(), now.length()));
      case UNION ->
          context
              .reply()
              .integer(
                  CollectionCodec.decode(ValueType.SET, now.buffer(), now.offset(), now.length())
                      .orThrow()
                      .count());
    }
  }

  private static byte[] operand(CommandContext context, MergeOperator operator) {
    if (operator != MergeOperator.UNION) {
      if (context.count() > FIRST_OPERAND + 1) {
        throw Refusals.syntax();
      }
      byte[] operand = context.argument(FIRST_OPERAND);
      if (operator.canonical(operand) == null) {
        throw new CommandException(
            operator == MergeOperator.COUNTER
                ? "ERR value is not an integer or out of range"
                : "ERR value is not a number, or beyond the range of doubles");
      }
      return operand;
    }
    byte[][] members = new byte[context.count() - FIRST_OPERAND][];
    long bytes = 0;
    for (int i = 0; i < members.length; i++) {
      members[i] = context.argument(FIRST_OPERAND + i);
      bytes += members[i].length;
    }
    Arrays.sort(members, Arrays::compareUnsigned);
    CollectionCodec.Builder set = new CollectionCodec.Builder(bytes);
    for (int i = 0; i < members.length; i++) {
      if (i == 0 || !Arrays.equals(members[i], members[i - 1])) {
        set.add(members[i], 0, members[i].length);
      }
    }
    byte[] operand = set.build();
    if (operand.length > MergeOperator.MAX_OPERAND_BYTES) {
      throw new CommandException(
          "ERR the members take "
              + operand.length
              + " bytes: at most "
              + MergeOperator.MAX_OPERAND_BYTES
              + " at a time");
    }
    return operand;
  }
}
