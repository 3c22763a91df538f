package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Transaction;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Executes commands: looks them up, lets them pass or refuses them, runs them with or without a
 * transaction, and appends exactly one reply, with its fence, to the connection's queue.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>an error never leaves part of another reply before it: what was written is taken back;
 *   <li>a write whose commit did not succeed is never answered as if it had;
 *   <li>nothing a command throws, {@link RespWriter.OverflowException} apart, reaches the caller.
 * </ul>
 *
 * <p>One per event loop; knows no socket.
 */
final class Dispatcher {

  private static final byte[][] NO_ARGUMENTS = {};

  private final CapsuleDb db;
  private final Clock clock;
  private final CommandTable table;
  private final PauseGate gate;
  private final CommandCounters counters;
  private final CommandContext context;
  private final Procedures procedures;
  private final @Nullable Sharing sharing;
  private final @Nullable LockPlan locks;
  private final RespWriter writer = new RespWriter(Unpooled.buffer());

  private @Nullable Session session;
  private @Nullable ReplyQueue replies;
  private long sinceNanos;

  /** Whether the command that runs has its locks. */
  private boolean locked;

  private boolean wrote;

  /** What gives the locks back, until a pool has taken it over. */
  private @Nullable Consumer<Boolean> releasing;

  Dispatcher(
      CapsuleDb db,
      Clock clock,
      CommandTable table,
      PauseGate gate,
      CommandCounters counters,
      Procedures procedures,
      @Nullable Sharing sharing,
      long maxReplyBytes) {
    this.db = db;
    this.procedures = procedures;
    this.table = table;
    this.gate = gate;
    this.counters = counters;
    this.clock = clock;
    this.sharing = sharing;
    this.locks = sharing == null ? null : new LockPlan(sharing);
    this.context = new CommandContext(db, clock);
    writer.maxBufferedBytes(maxReplyBytes);
  }

  /**
   * Says for whom the next commands are executed. To be repeated after replies left the queue.
   *
   * @param sinceNanos when the commands were read
   */
  void serve(Session connection, ReplyQueue queue, long sinceNanos) {
    session = connection;
    replies = queue;
    this.sinceNanos = sinceNanos;
    writer.target(queue.buffer());
    writer.protocol(connection.protocol());
  }

  /**
   * Executes one command. Either its reply is in the queue afterwards, or {@link #deferred} says
   * what it waits for.
   */
  void execute(byte[][] arguments) {
    Session client = serving();
    context.session(client);
    int mark = writer.mark();
    boolean running = false;
    long fence = 0;
    try {
      CommandTable.Command command = table.find(arguments[0]);
      if (command == null) {
        throw ErrorReplies.unknownCommand(arguments);
      }
      CommandSpec spec = command.spec();
      client.lastCommand(spec.name());
      if (!spec.accepts(arguments.length)) {
        throw Refusals.wrongArity(command.displayName());
      }
      if (client.authenticated()) {
        client.user().authorize(spec, arguments);
      } else if (!command.needsNoLogin()) {
        throw new CommandException(ErrorReplies.AUTHENTICATION_REQUIRED);
      }
      MultiState multi = client.multi();
      if (multi.open() && !command.immediate()) {
        if (spec.has(Flag.NO_MULTI)) {
          throw new CommandException("ERR Command not allowed inside a transaction");
        }
        if (spec.body() instanceof Subcommands subcommands) {
          subcommands.check(arguments);
        }
        multi.queue(command, arguments);
        writer.simple("QUEUED");
      } else if (gate.holds(command, multi)) {
        context.defer(new Deferred.Paused());
      } else {
        List<LockWish> wishes = wishes(command, arguments);
        if (wishes.isEmpty()) {
          running = true;
          fence = run(command, arguments);
          checkLease();
        } else {
          context.defer(new Deferred.Locked(wishes));
        }
      }
    } catch (CommandException e) {
      if (running) {
        // A refusal, too, tells what the command read: WRONGTYPE says that the key exists.
        fence = context.fence();
      } else {
        client.multi().doom();
      }
      error(mark, e.getMessage());
    } catch (CapsuleException e) {
      fence = running ? context.fence() : 0;
      error(mark, ErrorReplies.of(e));
    } catch (RespWriter.OverflowException e) {
      writer.rollback(mark);
      throw e;
    } catch (RuntimeException e) {
      fence = defect(mark, arguments, e);
    }
    finish(mark, fence);
  }

  /**
   * Executes a command that was deferred until it had its locks.
   *
   * @param release told once when it needs them no more, perhaps later and on another thread:
   *     whether it wrote something under them
   */
  void executeLocked(byte[][] arguments, Consumer<Boolean> release) {
    locked = true;
    wrote = false;
    releasing = release;
    boolean tried = true;
    try {
      execute(arguments);
      tried = wrote;
    } finally {
      locked = false;
      // An EXEC that goes on elsewhere has taken it along.
      if (releasing != null) {
        releasing = null;
        release.accept(tried);
      }
    }
  }

  /** Replies for a command that does not get its locks; an EXEC has ended, without effect. */
  void denied(byte[][] arguments, CapsuleException why) {
    CommandTable.Command command = table.find(arguments[0]);
    MultiState multi = serving().multi();
    if (command != null && command.exec() && multi.open()) {
      multi.end();
      multi.unwatch();
    }
    complete(
        arguments,
        context -> {
          throw why;
        });
  }

  private List<LockWish> wishes(CommandTable.Command command, byte[][] arguments) {
    LockPlan plan = locks;
    if (plan == null || locked) {
      return List.of();
    }
    return command.exec() ? plan.of(serving().multi()) : plan.of(command, arguments);
  }

  /**
   * What was only read was read while the locks were certain; what was written is durable only if
   * they were.
   */
  private void checkLease() {
    if (locked && !wrote) {
      requireLease();
    }
  }

  private void requireLease() {
    Sharing others = sharing;
    if (others != null && others.leaseEndNanos() - clock.monotonicNanos() <= 0) {
      throw new UnavailableException(
          "this worker does not hear from the coordinator, so others may write meanwhile: repeat");
    }
  }

  /**
   * Writes the reply of a command that was deferred; it may be deferred again.
   *
   * @param arguments as they were executed
   */
  void complete(byte[][] arguments, CommandSpec.Body then) {
    context.session(serving());
    int mark = writer.mark();
    long fence = 0;
    try {
      context.prepare(arguments, null, writer);
      then.run(context);
      fence = context.fence();
    } catch (CommandException e) {
      fence = context.fence();
      error(mark, e.getMessage());
    } catch (CapsuleException e) {
      fence = context.fence();
      error(mark, ErrorReplies.of(e));
    } catch (RespWriter.OverflowException e) {
      writer.rollback(mark);
      throw e;
    } catch (RuntimeException e) {
      fence = defect(mark, arguments, e);
    }
    finish(mark, fence);
  }

  /** Appends an error that no command caused. */
  void refuse(String message) {
    int mark = writer.mark();
    error(mark, message);
    finish(mark, 0);
  }

  /** What the last command waits for, or null if it replied. */
  @Nullable Deferred deferred() {
    return context.deferred();
  }

  /** Whether the last command asked to close the connection after its reply. */
  boolean closesAfterReply() {
    return context.closesAfterReply();
  }

  private Session serving() {
    return java.util.Objects.requireNonNull(session);
  }

  /** Runs a command by its kind; returns the reply's fence. */
  private long run(CommandTable.Command command, byte[][] arguments) {
    counters.called(command.id());
    CommandSpec.Body body = command.spec().body();
    if (command.writes() && !command.procedure()) {
      failIfStopped();
      try (Transaction transaction = db.begin()) {
        context.prepare(arguments, transaction, writer);
        body.run(context);
        wrote |= transaction.hasStaged();
        return Math.max(context.fence(), transaction.commit());
      }
    }
    if (command.reads() || command.procedure()) {
      failIfStopped();
    }
    context.prepare(arguments, null, writer);
    if (command.exec()) {
      return exec();
    }
    body.run(context);
    return context.fence();
  }

  private void failIfStopped() {
    CapsuleException failure = db.failure();
    if (failure != null) {
      throw new CommandException(ErrorReplies.of(failure));
    }
  }

  /** Runs what MULTI queued as one transaction; on a pool, if that calls procedures. */
  private long exec() {
    MultiState multi = serving().multi();
    if (!multi.open()) {
      throw new CommandException("ERR EXEC without MULTI");
    }
    boolean doomed = multi.doomed();
    List<MultiState.Queued> queued = multi.end();
    if (doomed) {
      multi.unwatch();
      throw new CommandException("EXECABORT Transaction discarded because of previous errors.");
    }
    failUnlessRunning(multi);
    if (queued.stream().noneMatch(one -> one.command().procedure())) {
      Execution execution = new Execution(db, context, writer, multi, counters);
      try {
        return execution.run(queued);
      } finally {
        wrote |= execution.wrote();
      }
    }
    for (MultiState.Queued one : queued) {
      if (!one.command().writes() && !one.command().reads()) {
        multi.unwatch();
        throw new CommandException(
            "EXECABORT Transaction discarded because of: ERR beside FCALL only commands on keys"
                + " are allowed");
      }
    }
    execOnPool(multi, queued);
    return 0;
  }

  private void failUnlessRunning(MultiState multi) {
    CapsuleException failure = db.failure();
    if (failure != null) {
      multi.unwatch();
      throw new CommandException(
          "EXECABORT Transaction discarded because of: " + ErrorReplies.of(failure));
    }
  }

  /** The connection is served again when it has replied: until then its session is the pool's. */
  private void execOnPool(MultiState multi, List<MultiState.Queued> queued) {
    Session client = serving();
    CommandCounters counted = new CommandCounters(table.size());
    CommandContext own = new CommandContext(db, context.clock());
    own.session(client);
    Consumer<Boolean> release = releasing;
    releasing = null;
    AtomicBoolean wroteThere = new AtomicBoolean();
    ByteBuf encoded = Unpooled.buffer();
    RespWriter out = new RespWriter(encoded);
    out.protocol(writer.protocol());
    out.maxBufferedBytes(writer.maxBufferedBytes());
    context.defer(
        new Deferred.Offloaded(
            Deferred.Lane.PROCEDURES,
            () -> {
              long fence;
              try {
                own.prepare(NO_ARGUMENTS, null, out);
                if (procedures.isStale()) {
                  procedures.refresh();
                }
                Execution execution = new Execution(db, own, out, multi, counted);
                // Unless it says otherwise.
                wroteThere.set(true);
                fence = execution.run(queued);
                wroteThere.set(execution.wrote());
                if (release != null && !execution.wrote()) {
                  requireLease();
                }
              } catch (CommandException | RespWriter.OverflowException e) {
                long read = own.fence();
                return later -> {
                  counters.add(counted);
                  later.waitFor(read);
                  throw e;
                };
              }
              return later -> {
                counters.add(counted);
                later.waitFor(fence);
                later
                    .reply()
                    .raw(
                        encoded.array(),
                        encoded.arrayOffset() + encoded.readerIndex(),
                        encoded.readableBytes());
              };
            },
            () -> {
              if (release != null) {
                release.accept(wroteThere.get());
              }
            }));
  }

  private void error(int mark, @Nullable String message) {
    writer.rollback(mark);
    writer.error(message == null ? ErrorReplies.INTERNAL : message);
    counters.failed();
  }

  /** A defect of ours: said so to the client and to the log, never more. */
  private long defect(int mark, byte[][] arguments, RuntimeException e) {
    CommandTable.Command command = table.find(arguments[0]);
    Defects.log(
        "event=command.defect command=" + (command == null ? "none" : command.displayName()), e);
    error(mark, ErrorReplies.INTERNAL);
    return db.committedTime();
  }

  private void finish(int mark, long fence) {
    Session client = serving();
    if (context.deferred() != null) {
      writer.rollback(mark);
      return;
    }
    Session.ReplyMode mode = client.replyMode();
    if (mode != Session.ReplyMode.ON) {
      if (mode != Session.ReplyMode.SKIP_NEXT) {
        writer.rollback(mark);
      }
      client.replyMode(
          switch (mode) {
            case SKIP_NEXT -> Session.ReplyMode.SKIPPING;
            case SKIPPING, ON -> Session.ReplyMode.ON;
            case OFF -> Session.ReplyMode.OFF;
          });
    }
    if (writer.mark() != mark) {
      java.util.Objects.requireNonNull(replies).replied(fence, sinceNanos);
    }
  }
}
