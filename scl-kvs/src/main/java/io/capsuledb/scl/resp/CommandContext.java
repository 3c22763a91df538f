package io.capsuledb.scl.resp;

import io.capsuledb.core.port.Clock;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What a running command sees: its arguments, the keys, and where its reply goes. It also gathers
 * the fence: the Lamport time that must be durable before the reply may leave. One context serves
 * one event loop and is reused for each command.
 */
final class CommandContext {

  /** Entries up to which looking at all of them takes milliseconds. */
  static final long SWEEP_ENTRIES = 100_000;

  private static final byte[][] NO_ARGUMENTS = {};

  private final CapsuleDb db;
  private final Clock clock;
  private byte[][] arguments = NO_ARGUMENTS;
  private @Nullable Transaction transaction;
  private @Nullable RespWriter reply;
  private @Nullable Session session;
  private @Nullable Deferred deferred;
  private boolean closeAfterReply;
  private boolean nowKnown;
  private long nowMs;
  private long fence;
  private long holdsSinceNanos;
  private final ShortCalls shortCalls;

  CommandContext(CapsuleDb db, Clock clock) {
    this.db = db;
    this.clock = clock;
    this.shortCalls = new ShortCalls(clock);
  }

  /** How much of this event loop's time procedures may take. */
  ShortCalls shortCalls() {
    return shortCalls;
  }

  /** Sets on whose behalf commands run from here on. */
  void session(@Nullable Session session) {
    this.session = session;
    this.deferred = null;
    this.closeAfterReply = false;
    this.fence = 0;
  }

  /**
   * Prepares for one command.
   *
   * @param arguments the command's name and what follows it
   * @param transaction what a write runs in; null for a read outside MULTI
   * @param reply where the reply goes
   */
  void prepare(byte[][] arguments, @Nullable Transaction transaction, RespWriter reply) {
    this.arguments = arguments;
    this.transaction = transaction;
    this.reply = reply;
    this.nowKnown = false;
    this.fence = 0;
  }

  /** Number of arguments, the command's name included. */
  int count() {
    return arguments.length;
  }

  /** An argument; 0 is the command's name. Not to be modified. */
  byte[] argument(int index) {
    return arguments[index];
  }

  /** All arguments. Not to be modified. */
  byte[][] arguments() {
    return arguments;
  }

  RespWriter reply() {
    return java.util.Objects.requireNonNull(reply);
  }

  CapsuleDb db() {
    return db;
  }

  Clock clock() {
    return clock;
  }

  /** Wall-clock milliseconds, the same throughout a command and throughout a transaction. */
  long nowMs() {
    if (!nowKnown) {
      nowMs = transaction != null ? transaction.nowMs() : clock.wallMs();
      nowKnown = true;
    }
    return nowMs;
  }

  /** Reads a key; inside a transaction, with its staged writes. */
  Lookup get(byte[] key) {
    checkKey(key);
    Lookup lookup = transaction != null ? transaction.get(key) : db.get(key);
    waitFor(lookup.fence());
    return lookup;
  }

  /** What there is to know about a key but its value, which is not read. */
  Lookup describe(byte[] key) {
    checkKey(key);
    Lookup lookup = transaction != null ? transaction.describe(key) : db.describe(key);
    waitFor(lookup.fence());
    return lookup;
  }

  /** Whatever a command forgot to check: nobody touches the server's own keys. */
  private static void checkKey(byte[] key) {
    if (ReservedKeys.isReserved(key)) {
      throw Refusals.reservedKey();
    }
  }

  /** Says since when the transaction that commands run in keeps others waiting. */
  void holdsSince(long nanos) {
    this.holdsSinceNanos = nanos;
  }

  /** Since when the transaction of this EXEC keeps others waiting. */
  long holdsSinceNanos() {
    return holdsSinceNanos;
  }

  /** The transaction the command runs in. */
  Transaction transaction() {
    return java.util.Objects.requireNonNull(transaction);
  }

  /**
   * One step of a walk over all keys, as {@link CapsuleDb#walk}; with what is staged, and without
   * the server's own keys, though those count.
   */
  byte @Nullable [] walk(byte @Nullable [] after, int count, CapsuleDb.KeyVisitor visitor) {
    CapsuleDb.KeyVisitor others =
        (key, type) -> {
          if (!ReservedKeys.isReserved(key)) {
            visitor.key(key, type);
          }
        };
    return transaction != null
        ? transaction.walk(after, count, others)
        : db.walk(after, count, others);
  }

  /** Whether the command runs inside a transaction, and so must reply at once. */
  boolean inTransaction() {
    return transaction != null;
  }

  /** Whether the command runs inside a transaction that has staged writes before. */
  boolean hasStaged() {
    return transaction != null && transaction.hasStaged();
  }

  /**
   * Does work that looks at all keys: at once where they are few or the command runs inside a
   * transaction, else on a pool, so that no event loop is held up.
   *
   * @param work touches no transaction; the body it returns waits for the fence of what was read
   */
  void sweep(Supplier<CommandSpec.Body> work) {
    if (transaction != null || db.approximateEntries() <= SWEEP_ENTRIES) {
      waitForEverything();
      work.get().run(this);
    } else {
      offload(Deferred.Lane.SWEEPS, work);
    }
  }

  /**
   * Does work on a pool. Also a refusal tells what was read, so it waits for everything.
   *
   * @param work the body it returns waits for the fence of what was read
   */
  void offload(Deferred.Lane lane, Supplier<CommandSpec.Body> work) {
    defer(
        new Deferred.Offloaded(
            lane,
            () -> {
              try {
                return work.get();
              } catch (CommandException e) {
                long read = db.committedTime();
                return later -> {
                  later.waitFor(read);
                  throw e;
                };
              }
            }));
  }

  /**
   * Runs reads of several keys as one: no other transaction commits between them. Within a
   * transaction they already are.
   */
  void readTogether(Runnable reads) {
    if (transaction != null) {
      reads.run();
      return;
    }
    try (Transaction alone = db.beginReading()) {
      transaction = alone;
      reads.run();
    } finally {
      transaction = null;
    }
  }

  /** Stages a write. Only for commands flagged WRITE. */
  void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
    checkKey(key);
    writing().put(key, type, value, expiryAtMs);
  }

  /**
   * Stages a change that what others merge meanwhile does not undo. Only for WRITE commands.
   *
   * @return what the key has then
   */
  Lookup merge(byte[] key, MergeOperator operator, byte[] operand) {
    checkKey(key);
    Lookup now = writing().merge(key, operator, operand);
    waitFor(now.fence());
    return now;
  }

  /** Stages a removal. Only for commands flagged WRITE. */
  void delete(byte[] key) {
    checkKey(key);
    writing().delete(key);
  }

  /** Stages the removal of everything but the server's own keys. Only for WRITE commands. */
  void clear() {
    List<byte[]> kept = Procedures.reservedEntries(writing());
    writing().clear();
    for (int i = 0; i < kept.size(); i += 2) {
      writing().put(kept.get(i), ValueType.STRING, kept.get(i + 1), Expiry.NEVER);
    }
  }

  private Transaction writing() {
    if (transaction == null) {
      throw new IllegalStateException("a command that writes must carry the WRITE flag");
    }
    return transaction;
  }

  /** The reply must not leave before {@code time} is durable. */
  void waitFor(long time) {
    fence = Math.max(fence, time);
  }

  /** For replies that depend on the whole key space: SCAN, DBSIZE and the like. */
  void waitForEverything() {
    waitFor(db.committedTime());
  }

  long fence() {
    return fence;
  }

  /** Whose command this is. */
  Session session() {
    return java.util.Objects.requireNonNull(session);
  }

  /** Whether the command runs inside EXEC. */
  boolean inExec() {
    return session != null && session.multi().executing();
  }

  /**
   * Instead of replying: the reply will come later. Not inside EXEC, nor for commands that write
   * keys; what is read later has to be waited for by the body that replies.
   */
  void defer(Deferred cause) {
    if (inExec()) {
      throw new IllegalStateException("a command inside EXEC must reply at once");
    }
    this.deferred = cause;
  }

  @Nullable Deferred deferred() {
    return deferred;
  }

  /** Closes the connection once this reply, and all before it, have left. */
  void closeAfterReply() {
    closeAfterReply = true;
  }

  boolean closesAfterReply() {
    return closeAfterReply;
  }

  /** Refuses the command if its user may not administer the server. */
  void requireAdmin(String command) {
    session().user().requireAdmin(command);
  }
}
