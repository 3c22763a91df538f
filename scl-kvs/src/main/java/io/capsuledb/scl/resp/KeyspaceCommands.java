package io.capsuledb.scl.resp;

import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Snapshot;
import io.capsuledb.engine.ValueType;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Commands on all keys at once, as Redis 7.0 has them, and the list of all commands on keys.
 *
 * <p>Bounds that Redis lacks: KEYS refuses key spaces above {@link #MAX_KEYS} and replies above
 * {@link #MAX_REPLY_BYTES}; SCAN visits at most {@link #MAX_SCAN_COUNT} keys a call whatever COUNT
 * says, and ends a call early when its reply or the work of its pattern grows large.
 *
 * <p>Where there are many keys, KEYS and DBSIZE work on a pool, see {@link CommandContext#sweep}.
 * Inside MULTI these commands see what the transaction itself has staged, and reply at once.
 *
 * <p>Source: the Redis 7.0 command reference and its tests.
 */
final class KeyspaceCommands {

  /** Most bytes of one reply: by default a client may leave a little more unread. */
  static final long MAX_REPLY_BYTES = 60 << 20;

  /** Bytes after which a SCAN ends early; its last step may add some keys. */
  static final long SCAN_REPLY_BYTES = 16 << 20;

  /** What the protocol adds to a key or value, at most. */
  static final int FRAMING_BYTES = 16;

  /** Most entries KEYS looks at. */
  static final long MAX_KEYS = 10_000_000;

  /** Most keys one SCAN visits. */
  static final long MAX_SCAN_COUNT = 100_000;

  /** Keys visited at a time; between such steps a scan can end. */
  private static final int STEP_KEYS = 64;

  /** Keys a walk over all of them looks at in one step. */
  private static final int SWEEP_STEP_KEYS = 1024;

  /** Pattern bytes KEYS looks at before it is refused. */
  private static final long MAX_KEYS_WORK = 1L << 32;

  /** Pattern bytes after which a SCAN ends early. */
  private static final long SCAN_WORK = 1L << 22;

  /** Pattern bytes the last step of a SCAN may look at on top, before it is refused. */
  private static final long MAX_SCAN_WORK = 1L << 28;

  private static final long DEFAULT_SCAN_COUNT = 10;

  /** How often RANDOMKEY draws again what is not to be shown. */
  private static final int RANDOM_KEY_DRAWS = 16;

  private KeyspaceCommands() {}

  /**
   * The commands on all keys.
   *
   * @param cursors where SCAN keeps how far it has come
   */
  static List<CommandSpec> specs(ScanCursors cursors) {
    return List.of(
        CommandSpec.read("KEYS", 2, 0, 0, 0, KeyspaceCommands::keys),
        CommandSpec.read("SCAN", -2, 0, 0, 0, context -> scan(context, cursors)),
        CommandSpec.read("RANDOMKEY", 1, 0, 0, 0, KeyspaceCommands::randomKey),
        CommandSpec.read("DBSIZE", 1, 0, 0, 0, KeyspaceCommands::size),
        CommandSpec.write("FLUSHDB", -1, 0, 0, 0, KeyspaceCommands::flush),
        CommandSpec.write("FLUSHALL", -1, 0, 0, 0, KeyspaceCommands::flush),
        new CommandSpec("TIME", 1, Set.of(), 0, 0, 0, KeyspaceCommands::time));
  }

  /** Every command on keys, of all classes. */
  static List<CommandSpec> allSpecs(ScanCursors cursors) {
    List<CommandSpec> all = new ArrayList<>();
    all.addAll(StringCommands.specs());
    all.addAll(NumberCommands.specs());
    all.addAll(BitCommands.specs());
    all.addAll(LongestCommonSubsequence.specs());
    all.addAll(KeyCommands.specs());
    all.addAll(specs(cursors));
    all.addAll(InspectionCommands.specs());
    all.addAll(ListCommands.specs());
    all.addAll(SetCommands.specs());
    all.addAll(MergeCommands.specs());
    return List.copyOf(all);
  }

  private static void keys(CommandContext context) {
    Glob glob = new Glob(context.argument(1), MAX_KEYS_WORK);
    CapsuleDb db = context.db();
    if (context.inTransaction()) {
      KeyGatherer gatherer = new KeyGatherer(glob, EnumSet.allOf(ValueType.class));
      gather(context::walk, gatherer);
      context.waitForEverything();
      replyWithKeys(context, gatherer.keys);
      return;
    }
    context.sweep(
        () -> {
          KeyGatherer gatherer = new KeyGatherer(glob, EnumSet.allOf(ValueType.class));
          // Of one moment: otherwise a key renamed meanwhile could appear twice or not at all.
          try (Snapshot snapshot = db.snapshot()) {
            gather(snapshot::walk, gatherer);
            long fence = snapshot.time();
            return later -> {
              later.waitFor(fence);
              replyWithKeys(later, gatherer.keys);
            };
          }
        });
  }

  /** Takes steps of a walk, of the tree or of a transaction over it. */
  @FunctionalInterface
  private interface Walk {
    byte @Nullable [] step(byte @Nullable [] after, int count, CapsuleDb.KeyVisitor visitor);
  }

  private static void gather(Walk walk, KeyGatherer gatherer) {
    byte[] at = null;
    long looked = 0;
    do {
      at = walk.step(at, SWEEP_STEP_KEYS, gatherer);
      looked += SWEEP_STEP_KEYS;
      if (gatherer.bytes > MAX_REPLY_BYTES) {
        throw Refusals.replyTooLarge("use SCAN or a narrower pattern");
      }
      if (looked > MAX_KEYS) {
        throw Refusals.replyTooLarge("use SCAN");
      }
    } while (at != null);
  }

  private static void replyWithKeys(CommandContext context, List<byte[]> keys) {
    context.reply().array(keys.size());
    for (byte[] key : keys) {
      context.reply().bulk(key);
    }
  }

  private static void scan(CommandContext context, ScanCursors cursors) {
    long cursor = cursor(context.argument(1));
    byte[] at = cursor == ScanCursors.BEGIN ? null : cursors.key(cursor);
    long count = DEFAULT_SCAN_COUNT;
    Glob glob = null;
    Set<ValueType> types = EnumSet.allOf(ValueType.class);
    for (int i = 2; i < context.count(); i += 2) {
      byte[] word = context.argument(i);
      if (i + 1 == context.count()) {
        throw Refusals.syntax();
      }
      if (Operands.is(word, "COUNT")) {
        count = Operands.integer(context, i + 1);
        if (count < 1) {
          throw Refusals.syntax();
        }
      } else if (Operands.is(word, "MATCH")) {
        glob = new Glob(context.argument(i + 1), MAX_SCAN_WORK);
      } else if (Operands.is(word, "TYPE")) {
        types = typesNamed(context.argument(i + 1));
      } else {
        throw Refusals.syntax();
      }
    }
    count = Math.min(count, MAX_SCAN_COUNT);
    KeyGatherer gatherer = new KeyGatherer(glob, types);
    long looked = 0;
    do {
      int step = (int) Math.min(STEP_KEYS, count - looked);
      at = context.walk(at, step, gatherer);
      // Also keys that have ceased to exist count, or they would be walked to the end in one call.
      looked += step;
    } while (at != null
        && looked < count
        && gatherer.bytes < SCAN_REPLY_BYTES
        && (glob == null || glob.work() < SCAN_WORK));
    context.waitForEverything();
    context.reply().array(2);
    context.reply().bulk(Long.toString(at == null ? ScanCursors.BEGIN : cursors.remember(at)));
    replyWithKeys(context, gatherer.keys);
  }

  /** The types that have this name: one, or none, which is not an error. */
  private static Set<ValueType> typesNamed(byte[] name) {
    Set<ValueType> named = EnumSet.noneOf(ValueType.class);
    for (ValueType type : ValueType.values()) {
      if (Operands.is(name, KeyCommands.typeName(type).toUpperCase(Locale.ROOT))) {
        named.add(type);
      }
    }
    return named;
  }

  /**
   * A cursor as C's {@code strtoul} reads it: decimal digits of an unsigned 64-bit number, perhaps
   * with a sign. Empty means 0.
   */
  private static long cursor(byte[] text) {
    boolean signed = text.length > 0 && (text[0] == '-' || text[0] == '+');
    int from = signed ? 1 : 0;
    long value = 0;
    for (int i = from; i < text.length; i++) {
      int digit = text[i] - '0';
      if (digit < 0
          || digit > 9
          || Long.compareUnsigned(value, Long.divideUnsigned(-1L - digit, 10)) > 0) {
        throw invalidCursor();
      }
      value = 10 * value + digit;
    }
    if (signed && text.length == 1) {
      throw invalidCursor();
    }
    return signed && text[0] == '-' ? -value : value;
  }

  private static CommandException invalidCursor() {
    return new CommandException("ERR invalid cursor");
  }

  private static void randomKey(CommandContext context) {
    byte[] key = context.db().randomKey();
    for (int i = 0; i < RANDOM_KEY_DRAWS && key != null && ReservedKeys.isReserved(key); i++) {
      key = context.db().randomKey();
    }
    boolean reserved = key != null && ReservedKeys.isReserved(key);
    if (reserved || (context.inTransaction() && (key == null || !context.describe(key).found()))) {
      // What is staged is not drawn from; but a key that is to be deleted is not shown.
      key = firstKey(context);
    }
    context.waitForEverything();
    if (key == null) {
      context.reply().nullBulk();
    } else {
      context.reply().bulk(key);
    }
  }

  private static byte @Nullable [] firstKey(CommandContext context) {
    byte[] at = null;
    KeyGatherer gatherer = new KeyGatherer(null, EnumSet.allOf(ValueType.class));
    do {
      at = context.walk(at, STEP_KEYS, gatherer);
    } while (at != null && gatherer.keys.isEmpty());
    return gatherer.keys.isEmpty() ? null : gatherer.keys.getFirst();
  }

  private static void size(CommandContext context) {
    CapsuleDb db = context.db();
    if (context.hasStaged()) {
      long[] size = {0};
      byte[] at = null;
      do {
        at = context.walk(at, SWEEP_STEP_KEYS, (key, type) -> size[0]++);
      } while (at != null);
      context.waitForEverything();
      context.reply().integer(size[0]);
      return;
    }
    context.sweep(
        () -> {
          long size = ReservedKeys.countOthers(db);
          long fence = db.committedTime();
          return later -> {
            later.waitFor(fence);
            later.reply().integer(size);
          };
        });
  }

  private static void flush(CommandContext context) {
    boolean understood =
        context.count() == 1
            || (context.count() == 2
                && (Operands.is(context.argument(1), "SYNC")
                    || Operands.is(context.argument(1), "ASYNC")));
    if (!understood) {
      throw Refusals.syntax();
    }
    context.clear();
    context.reply().ok();
  }

  /** Seconds since 1970 and microseconds, as fine as the clock: milliseconds. */
  private static void time(CommandContext context) {
    context.reply().array(2);
    context.reply().bulk(Long.toString(Math.floorDiv(context.nowMs(), 1000L)));
    context.reply().bulk(Long.toString(Math.floorMod(context.nowMs(), 1000L) * 1000));
  }

  /** Takes the keys of a scan that match. */
  private static final class KeyGatherer implements CapsuleDb.KeyVisitor {
    private final @Nullable Glob glob;
    private final Set<ValueType> types;
    private final List<byte[]> keys = new ArrayList<>();
    private long bytes;

    /** Without a pattern, every key of these types. */
    KeyGatherer(@Nullable Glob glob, Set<ValueType> types) {
      this.glob = glob == null || glob.matchesAll() ? null : glob;
      this.types = types;
    }

    @Override
    public void key(byte[] key, ValueType keyType) {
      if (!ReservedKeys.isReserved(key)
          && types.contains(keyType)
          && (glob == null || glob.matches(key))) {
        keys.add(key);
        bytes += key.length + FRAMING_BYTES;
      }
    }
  }
}
