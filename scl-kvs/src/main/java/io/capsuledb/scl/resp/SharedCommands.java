package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import io.capsuledb.scl.session.SessionToken;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * {@code CAPSULE.SYNC}, {@code SNAPSHOT}, {@code TOKEN}, {@code WAITFOR}: what there is to several
 * workers on one capsule. Refused where a node serves alone.
 */
final class SharedCommands {

  private static final long DEFAULT_TIMEOUT_MS = 10_000;
  private static final long MAX_TIMEOUT_MS = 600_000;

  private final ServerState state;

  SharedCommands(ServerState state) {
    this.state = state;
  }

  List<CommandSpec> specs() {
    EnumSet<Flag> deferred = EnumSet.of(Flag.NO_MULTI);
    return List.of(
        CommandSpec.keyless("CAPSULE.SYNC", -1, deferred, this::sync),
        CommandSpec.keyless("CAPSULE.SNAPSHOT", 1, EnumSet.noneOf(Flag.class), this::snapshot),
        CommandSpec.keyless("CAPSULE.TOKEN", 1, deferred, this::token),
        CommandSpec.keyless("CAPSULE.WAITFOR", -2, deferred, this::waitFor));
  }

  private Sharing sharing() {
    Sharing sharing = state.options().sharing();
    if (sharing == null) {
      throw new CommandException(
          "ERR this node serves its capsule alone: that is for workers ('capsule worker')");
    }
    return sharing;
  }

  private static long timeoutMs(CommandContext context, int at) {
    if (context.count() > at + 1) {
      throw Refusals.syntax();
    }
    if (context.count() == at) {
      return DEFAULT_TIMEOUT_MS;
    }
    long ms = Operands.integer(context, at);
    if (ms < 1 || ms > MAX_TIMEOUT_MS) {
      throw new CommandException(
          "ERR timeout is " + ms + ": allowed are 1 to " + MAX_TIMEOUT_MS + " milliseconds");
    }
    return ms;
  }

  private void sync(CommandContext context) {
    Sharing sharing = sharing();
    long timeoutMs = timeoutMs(context, 1);
    context.defer(
        awaited(
            (Sharing.Heard<Sharing.CutPoint> told) -> sharing.sync(timeoutMs, told),
            (later, cut) -> describe(later, sharing, cut)));
  }

  private void snapshot(CommandContext context) {
    Sharing sharing = sharing();
    Sharing.CutPoint cut = sharing.newestCut();
    if (cut == null) {
      context.reply().nullBulk();
    } else {
      describe(context, sharing, cut);
    }
  }

  private static void describe(CommandContext context, Sharing sharing, Sharing.CutPoint cut) {
    RespWriter reply = context.reply();
    reply.map(4);
    reply.bulk("epoch");
    reply.integer(cut.epoch());
    reply.bulk("lamport");
    reply.integer(cut.cutTime());
    reply.bulk("record");
    reply.bulk(cut.record().toString());
    reply.bulk("token");
    reply.bulk(sharing.encode(cut.token()));
  }

  /** Also covers what this connection wrote: replies leave when it is durable. */
  private void token(CommandContext context) {
    Sharing sharing = sharing();
    CapsuleDb db = context.db();
    long committed = db.committedTime();
    // Made when all of that is durable, so that it names what this session wrote.
    context.defer(
        new Deferred.Awaited(
            told ->
                db.whenDurable(committed)
                    .whenComplete(
                        (_, _) ->
                            told.accept(
                                later -> later.reply().bulk(sharing.encode(sharing.token()))))));
  }

  private void waitFor(CommandContext context) {
    Sharing sharing = sharing();
    long timeoutMs = timeoutMs(context, 2);
    String text = new String(context.argument(1), StandardCharsets.ISO_8859_1);
    switch (sharing.decode(text)) {
      case Decoded.Accepted<SessionToken>(SessionToken token) ->
          context.defer(
              awaited(
                  (Sharing.Heard<Boolean> told) -> sharing.waitFor(token, timeoutMs, told),
                  (later, reached) -> later.reply().ok()));
      case Decoded.Rejected<SessionToken>(var rejection) ->
          throw new CommandException(
              "ERR not a token of this capsule: "
                  + rejection.reason().name().toLowerCase(Locale.ROOT));
    }
  }

  private static <T> Deferred awaited(
      Consumer<Sharing.Heard<T>> ask, BiConsumer<CommandContext, T> reply) {
    return new Deferred.Awaited(
        told ->
            ask.accept(
                (@Nullable T answer, @Nullable CapsuleException failure) ->
                    told.accept(
                        later -> {
                          if (failure != null) {
                            throw failure;
                          }
                          if (answer == null) {
                            throw new StorageException("neither an answer nor a failure");
                          }
                          reply.accept(later, answer);
                        })));
  }
}
