package io.capsuledb.scl.resp;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.List;

/**
 * OBJECT, MEMORY USAGE, DUMP and RESTORE as Redis 7.0 has them, as far as they make sense for a
 * value that is bytes in a capsule: it has one owner, when and how often it was used is not kept,
 * and its encoding is what Redis would choose for the same bytes.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class InspectionCommands {

  /** Longest string Redis keeps in one piece with its header. */
  private static final int MAX_EMBEDDED_BYTES = 44;

  /** What the engine adds to key and value, about. */
  static final int ENTRY_OVERHEAD_BYTES = 64;

  private InspectionCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        CommandSpec.read("OBJECT", -2, 2, 2, 1, InspectionCommands::object),
        CommandSpec.read("MEMORY", -2, 2, 2, 1, InspectionCommands::memory),
        CommandSpec.read("DUMP", 2, 1, 1, 1, InspectionCommands::dump),
        CommandSpec.write("RESTORE", -4, 1, 1, 1, InspectionCommands::restore));
  }

  private static void object(CommandContext context) {
    byte[] subcommand = context.argument(1);
    if (Operands.is(subcommand, "HELP")) {
      checkCount(context, 2, "object|help");
      help(
          context,
          "OBJECT",
          "ENCODING <key>",
          "    Return how Redis would represent the value of <key>.",
          "FREQ <key>",
          "    Not tracked: always an error.",
          "IDLETIME <key>",
          "    Not tracked: 0, as if <key> had just been used.",
          "REFCOUNT <key>",
          "    Return the number of references to the value of <key>: always 1.");
    } else if (Operands.is(subcommand, "ENCODING")) {
      checkCount(context, 3, "object|encoding");
      Lookup lookup = context.get(Operands.key(context, 2));
      if (lookup.found()) {
        context.reply().bulk(encoding(lookup));
      } else {
        context.reply().nullBulk();
      }
    } else if (Operands.is(subcommand, "REFCOUNT")) {
      checkCount(context, 3, "object|refcount");
      replyIfFound(context, 1);
    } else if (Operands.is(subcommand, "IDLETIME")) {
      checkCount(context, 3, "object|idletime");
      replyIfFound(context, 0);
    } else if (Operands.is(subcommand, "FREQ")) {
      checkCount(context, 3, "object|freq");
      if (context.describe(Operands.key(context, 2)).found()) {
        throw new CommandException(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note"
                + " that when switching between policies at runtime LRU and LFU data will take some"
                + " time to adjust.");
      }
      context.reply().nullBulk();
    } else {
      throw Refusals.unknownSubcommand("OBJECT", subcommand);
    }
  }

  private static void replyIfFound(CommandContext context, long answer) {
    if (context.describe(Operands.key(context, 2)).found()) {
      context.reply().integer(answer);
    } else {
      context.reply().nullBulk();
    }
  }

  private static String encoding(Lookup lookup) {
    if (lookup.type() != ValueType.STRING) {
      return "listpack";
    }
    if (Operands.isInteger(lookup.buffer(), lookup.offset(), lookup.length())) {
      return "int";
    }
    return lookup.length() <= MAX_EMBEDDED_BYTES ? "embstr" : "raw";
  }

  private static void memory(CommandContext context) {
    byte[] subcommand = context.argument(1);
    if (Operands.is(subcommand, "HELP")) {
      checkCount(context, 2, "memory|help");
      help(
          context,
          "MEMORY",
          "USAGE <key> [SAMPLES <count>]",
          "    Return memory in bytes used by <key> and its value, about.");
    } else if (Operands.is(subcommand, "USAGE")) {
      if (context.count() < 3) {
        throw Refusals.wrongArity("memory|usage");
      }
      memoryUsage(context);
    } else {
      throw Refusals.unknownSubcommand("MEMORY", subcommand);
    }
  }

  private static void memoryUsage(CommandContext context) {
    byte[] key = Operands.key(context, 2);
    for (int i = 3; i < context.count(); i += 2) {
      // Values are in one piece, so there is nothing to sample.
      if (!Operands.is(context.argument(i), "SAMPLES")
          || i + 1 == context.count()
          || Operands.integer(context, i + 1) < 0) {
        throw Refusals.syntax();
      }
    }
    Lookup lookup = context.describe(key);
    if (lookup.found()) {
      context.reply().integer((long) key.length + lookup.length() + ENTRY_OVERHEAD_BYTES);
    } else {
      context.reply().nullBulk();
    }
  }

  private static void checkCount(CommandContext context, int count, String command) {
    if (context.count() != count) {
      throw Refusals.wrongArity(command);
    }
  }

  private static void help(CommandContext context, String command, String... lines) {
    context.reply().array(lines.length + 3);
    context.reply().simple(command + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (String line : lines) {
      context.reply().simple(line);
    }
    context.reply().simple("HELP");
    context.reply().simple("    Prints this help.");
  }

  private static void dump(CommandContext context) {
    Lookup lookup = context.get(Operands.key(context, 1));
    if (lookup.found()) {
      context
          .reply()
          .bulk(DumpCodec.encode(lookup.type(), lookup.buffer(), lookup.offset(), lookup.length()));
    } else {
      context.reply().nullBulk();
    }
  }

  private static void restore(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    RestoreOptions options = RestoreOptions.of(context);
    boolean exists = context.describe(key).found();
    if (exists && !options.replace) {
      throw new CommandException("BUSYKEY Target key name already exists.");
    }
    long amount = Operands.integer(context, 2);
    if (amount < 0) {
      throw new CommandException("ERR Invalid TTL value, must be >= 0");
    }
    DumpCodec.Dumped dumped = restored(context.argument(3));
    Expiry expiry = options.absolute ? Expiry.PXAT : Expiry.PX;
    long expiryAtMs = amount == 0 ? Expiry.NEVER : expiry.atMs(amount, context.nowMs(), "restore");
    if (expiryAtMs == Expiry.NEVER || !Expiry.isPast(expiryAtMs, context.nowMs())) {
      context.put(key, dumped.type(), dumped.value(), expiryAtMs);
    } else if (exists) {
      context.delete(key);
    }
    context.reply().ok();
  }

  private static DumpCodec.Dumped restored(byte[] payload) {
    return switch (DumpCodec.decode(payload)) {
      case Decoded.Accepted<DumpCodec.Dumped>(DumpCodec.Dumped dumped) -> dumped;
      case Decoded.Rejected<DumpCodec.Dumped>(Rejection rejection) ->
          throw switch (rejection.reason()) {
            case TRUNCATED, UNKNOWN_FORMAT, STORAGE_CHECKSUM ->
                new CommandException("ERR DUMP payload version or checksum are wrong");
            case TOO_LARGE -> Refusals.valueTooLong();
            default -> new CommandException("ERR Bad data format");
          };
    };
  }

  /** What follows key, time and payload of RESTORE. */
  private static final class RestoreOptions {
    private boolean replace;
    private boolean absolute;

    static RestoreOptions of(CommandContext context) {
      RestoreOptions options = new RestoreOptions();
      // IDLETIME and FREQ exclude each other; both are checked and forgotten.
      boolean idleTime = false;
      boolean frequency = false;
      for (int i = 4; i < context.count(); i++) {
        byte[] word = context.argument(i);
        boolean more = i + 1 < context.count();
        if (Operands.is(word, "REPLACE")) {
          options.replace = true;
        } else if (Operands.is(word, "ABSTTL")) {
          options.absolute = true;
        } else if (Operands.is(word, "IDLETIME") && more && !frequency) {
          i++;
          idleTime = true;
          if (Operands.integer(context, i) < 0) {
            throw new CommandException("ERR Invalid IDLETIME value, must be >= 0");
          }
        } else if (Operands.is(word, "FREQ") && more && !idleTime) {
          i++;
          frequency = true;
          long value = Operands.integer(context, i);
          if (value < 0 || value > 255) {
            throw new CommandException("ERR Invalid FREQ value, must be >= 0 and <= 255");
          }
        } else {
          throw Refusals.syntax();
        }
      }
      return options;
    }
  }
}
