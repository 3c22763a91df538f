package io.capsuledb.scl.resp;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.scl.procedure.ProcedureFunction;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import io.capsuledb.scl.resp.Procedures.RestorePolicy;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * FUNCTION, FCALL, FCALL_RO, CAPSULE.FNLOG: stored procedures, asked for as in Redis 7.
 *
 * <p>Libraries are changed on a pool, and not inside MULTI. Functions run on a pool of their own;
 * inside MULTI the whole EXEC does, see {@link Dispatcher}.
 */
final class FunctionCommands {

  private static final System.Logger LOG = System.getLogger(FunctionCommands.class.getName());

  private static final String ENGINE = "DUKTAPE";
  private static final long MAX_PATTERN_WORK = 1 << 22;

  private final ServerState state;
  private final Procedures procedures;

  FunctionCommands(ServerState state) {
    this.state = state;
    this.procedures = state.procedures();
  }

  List<CommandSpec> specs() {
    return List.of(
        CommandSpec.keyless(
            "FCALL", -3, Set.of(Flag.WRITE, Flag.PROCEDURE), context -> call(context, false)),
        CommandSpec.keyless(
            "FCALL_RO", -3, Set.of(Flag.READ, Flag.PROCEDURE), context -> call(context, true)),
        CommandSpec.keyless("FUNCTION", -2, Set.of(), function()),
        CommandSpec.keyless("CAPSULE.FNLOG", -2, Set.of(Flag.ADMIN), this::log));
  }

  private Subcommands function() {
    return new Subcommands("FUNCTION")
        .admin(
            "LOAD",
            -3,
            "[REPLACE] <code>: load a library; <code> begins with the line #!js name=<library>.",
            this::load)
        .admin("DELETE", 3, "<library>: remove a library.", this::delete)
        .add(
            "LIST",
            -2,
            "[LIBRARYNAME <pattern>] [WITHCODE]: describe libraries and functions.",
            this::list)
        .add(
            "STATS", 2, "Tell which function has run longest, and how many there are.", this::stats)
        .admin("DUMP", 2, "Return all libraries in a serialized form.", this::dump)
        .admin(
            "RESTORE",
            -3,
            "<payload> [APPEND|REPLACE|FLUSH]: load what DUMP returned.",
            this::restore)
        .admin("FLUSH", -2, "[ASYNC|SYNC]: remove all libraries.", this::flush)
        .admin("KILL", 2, "Stop the function that has run longest.", this::kill);
  }

  // ------------------------------------------------------------------ libraries

  /** Does a change of libraries on a pool. */
  private void change(CommandContext context, Supplier<CommandSpec.Body> work) {
    if (context.inExec()) {
      throw new CommandException("ERR FUNCTION cannot change libraries inside MULTI");
    }
    context.offload(Deferred.Lane.SWEEPS, work);
  }

  private CommandSpec.Body done(CommandSpec.Body reply) {
    long fence = procedures.catalog().fence();
    return later -> {
      later.waitFor(fence);
      reply.run(later);
    };
  }

  private void load(CommandContext context) {
    boolean replace = false;
    for (int i = 2; i < context.count() - 1; i++) {
      if (!Operands.is(context.argument(i), "REPLACE")) {
        throw new CommandException("ERR Unknown option given: " + echo(context.argument(i)));
      }
      replace = true;
    }
    byte[] bytes = context.argument(context.count() - 1);
    if (bytes.length > LibraryLayout.MAX_CODE_BYTES) {
      throw new CommandException(
          "ERR a library has at most " + LibraryLayout.MAX_CODE_BYTES + " bytes of code");
    }
    String code = LibraryCodec.text(bytes, 0, bytes.length);
    if (code == null) {
      throw new CommandException("ERR a library's code has to be UTF-8");
    }
    boolean replaces = replace;
    String user = userName(context);
    change(
        context,
        () -> {
          String name = procedures.load(code, replaces, user);
          return done(later -> later.reply().bulk(name));
        });
  }

  private static String userName(CommandContext context) {
    String name = context.session().user().name();
    if (name.getBytes(StandardCharsets.UTF_8).length > LibraryLayout.MAX_USER_BYTES) {
      throw new CommandException(
          "ERR the name of a user who loads libraries has at most "
              + LibraryLayout.MAX_USER_BYTES
              + " bytes");
    }
    return name;
  }

  private void delete(CommandContext context) {
    String name = new String(context.argument(2), StandardCharsets.UTF_8);
    change(
        context,
        () -> {
          procedures.delete(name);
          return done(later -> later.reply().ok());
        });
  }

  private void flush(CommandContext context) {
    if (!ScriptCommands.isFlush(context)) {
      throw new CommandException("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    }
    if (procedures.catalog().libraries().isEmpty()
        && procedures.unread() == null
        && !procedures.isStale()) {
      context.reply().ok();
      return;
    }
    change(
        context,
        () -> {
          procedures.flush();
          return done(later -> later.reply().ok());
        });
  }

  private void dump(CommandContext context) {
    fresh(context, this::dumpFresh);
  }

  private void dumpFresh(CommandContext context) {
    Procedures.Catalog catalog = procedures.catalog();
    context.waitFor(catalog.fence());
    context
        .reply()
        .bulk(LibraryCodec.dump(catalog.all().stream().map(Procedures.Library::stored).toList()));
  }

  private void restore(CommandContext context) {
    byte[] payload = context.argument(2);
    RestorePolicy policy = RestorePolicy.APPEND;
    if (context.count() > 4) {
      throw Refusals.wrongArity("function|restore");
    }
    if (context.count() == 4) {
      policy = null;
      for (RestorePolicy one : RestorePolicy.values()) {
        if (Operands.is(context.argument(3), one.name())) {
          policy = one;
        }
      }
      if (policy == null) {
        throw new CommandException(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
      }
    }
    RestorePolicy chosen = policy;
    String user = userName(context);
    change(
        context,
        () -> {
          procedures.restore(payload, chosen, user);
          return done(later -> later.reply().ok());
        });
  }

  private void list(CommandContext context) {
    boolean withCode = false;
    Glob glob = null;
    for (int i = 2; i < context.count(); i++) {
      byte[] word = context.argument(i);
      if (Operands.is(word, "WITHCODE") && !withCode) {
        withCode = true;
      } else if (Operands.is(word, "LIBRARYNAME") && glob == null) {
        if (++i == context.count()) {
          throw new CommandException("ERR library name argument was not given");
        }
        glob = new Glob(context.argument(i), MAX_PATTERN_WORK);
      } else {
        throw new CommandException("ERR Unknown argument " + echo(word));
      }
    }
    boolean code = withCode;
    if (code) {
      context.requireAdmin("function|list|withcode");
    }
    @Nullable Glob wanted = glob;
    fresh(context, later -> list(later, wanted, code));
  }

  private void list(CommandContext context, @Nullable Glob wanted, boolean withCode) {
    Procedures.Catalog catalog = procedures.catalog();
    context.waitFor(catalog.fence());
    List<Procedures.Library> libraries =
        catalog.all().stream()
            .filter(
                library ->
                    wanted == null
                        || wanted.matches(
                            library.stored().name().getBytes(StandardCharsets.US_ASCII)))
            .toList();
    RespWriter reply = context.reply();
    reply.array(libraries.size());
    for (Procedures.Library library : libraries) {
      describe(reply, library, withCode);
    }
  }

  /** What Redis has, in its order; with the code also what vouches for it. */
  private static void describe(RespWriter reply, Procedures.Library library, boolean withCode) {
    StoredLibrary stored = library.stored();
    reply.map(withCode ? 7 : 3);
    field(reply, "library_name", stored.name());
    field(reply, "engine", ENGINE);
    reply.bulk("functions");
    reply.array(library.functions().size());
    for (ProcedureFunction function : library.functions()) {
      reply.map(3);
      field(reply, "name", function.name());
      reply.bulk("description");
      if (function.description().isEmpty()) {
        reply.nullBulk();
      } else {
        reply.bulk(function.description());
      }
      reply.bulk("flags");
      reply.set(function.noWrites() ? 1 : 0);
      if (function.noWrites()) {
        reply.bulk("no-writes");
      }
    }
    if (withCode) {
      field(reply, "library_code", stored.code());
      reply.bulk("version");
      reply.integer(stored.version());
      field(reply, "loaded_by", stored.loadedBy());
      reply.bulk("loaded_at_ms");
      reply.integer(stored.loadedAtMs());
    }
  }

  private static void field(RespWriter reply, String name, String value) {
    reply.bulk(name);
    reply.bulk(value);
  }

  // ------------------------------------------------------------------ calls

  private void stats(CommandContext context) {
    fresh(context, this::statsFresh);
  }

  private void statsFresh(CommandContext context) {
    RespWriter reply = context.reply();
    Procedures.Running running = procedures.longestRunning();
    Procedures.Catalog catalog = procedures.catalog();
    context.waitFor(catalog.fence());
    reply.map(2);
    reply.bulk("running_script");
    if (running == null) {
      reply.nullBulk();
    } else {
      reply.map(3);
      field(reply, "name", running.function());
      reply.bulk("command");
      reply.array(2);
      reply.bulk("fcall");
      reply.bulk(running.function());
      reply.bulk("duration_ms");
      reply.integer(
          TimeUnit.NANOSECONDS.toMillis(
              procedures.clock().monotonicNanos() - running.sinceNanos()));
    }
    reply.bulk("engines");
    if (procedures.engine().unavailable() != null) {
      reply.map(0);
      return;
    }
    reply.map(1);
    reply.bulk(ENGINE);
    reply.map(2);
    reply.bulk("libraries_count");
    reply.integer(catalog.libraries().size());
    reply.bulk("functions_count");
    reply.integer(catalog.functions().size());
  }

  private void kill(CommandContext context) {
    if (!procedures.kill()) {
      throw new CommandException("NOTBUSY No scripts in execution right now.");
    }
    context.reply().ok();
  }

  /** Does it now, or, if another worker has changed libraries, when those are known here. */
  private void fresh(CommandContext context, CommandSpec.Body body) {
    if (context.inExec() || (procedures.unread() == null && !procedures.isStale())) {
      body.run(context);
      return;
    }
    context.offload(
        Deferred.Lane.PROCEDURES,
        () -> {
          procedures.refresh();
          return body;
        });
  }

  private void call(CommandContext context, boolean readOnly) {
    fresh(context, later -> callFresh(later, readOnly));
  }

  private void callFresh(CommandContext context, boolean readOnly) {
    Procedures.Catalog catalog = procedures.catalog();
    context.waitFor(catalog.fence());
    Procedures.Bound bound =
        catalog.functions().get(new String(context.argument(1), StandardCharsets.UTF_8));
    if (bound == null) {
      IntegrityException unread = procedures.unread();
      if (unread != null) {
        throw unread;
      }
      String reason = procedures.engine().unavailable();
      if (reason != null && !catalog.libraries().isEmpty()) {
        throw new UnavailableException(reason);
      }
      throw new CommandException("ERR Function not found");
    }
    byte[] count = context.argument(2);
    if (!Operands.isInteger(count, 0, count.length)) {
      throw new CommandException("ERR Bad number of keys provided");
    }
    long keys = Operands.integer(context, 2);
    if (keys > context.count() - 3) {
      throw new CommandException("ERR Number of keys can't be greater than number of args");
    }
    if (keys < 0) {
      throw new CommandException("ERR Number of keys can't be negative");
    }
    if (readOnly && !bound.function().noWrites()) {
      throw new CommandException(
          "ERR Can not execute a script with write flag using *_ro command.");
    }
    List<byte[]> all = Arrays.asList(context.arguments());
    ProcedureRun run =
        new ProcedureRun(
            state,
            catalog,
            bound,
            readOnly,
            all.subList(3, 3 + (int) keys),
            all.subList(3 + (int) keys, all.size()),
            context.session().user());
    if (context.inTransaction()) {
      run.within(context);
    } else {
      IntSupplier rotation =
          state.options().rotateEachCall() && !readOnly ? state.options().keyRotation() : null;
      CommandSpec.Body done = rotation == null ? quick(context, run) : null;
      if (done != null) {
        done.run(context);
        return;
      }
      context.offload(
          Deferred.Lane.PROCEDURES,
          () -> {
            if (rotation != null) {
              // First: a call whose keys could not be rotated is not made.
              int generation = rotation.getAsInt();
              LOG.log(System.Logger.Level.DEBUG, "event=procedure.keys generation={0}", generation);
            }
            return run.alone();
          });
    }
  }

  /** Runs it on the event loop, if it is short and the loop has time for it; else null. */
  private CommandSpec.@Nullable Body quick(CommandContext context, ProcedureRun run) {
    ShortCalls share = context.shortCalls();
    long began = procedures.clock().monotonicNanos();
    if (!share.allow(began)) {
      return null;
    }
    try {
      return run.quick();
    } finally {
      share.took(procedures.clock().monotonicNanos() - began);
    }
  }

  private void log(CommandContext context) {
    String name = new String(context.argument(1), StandardCharsets.UTF_8);
    long count = FunctionLogs.MAX_LINES;
    if (context.count() > 2) {
      if (context.count() != 4 || !Operands.is(context.argument(2), "COUNT")) {
        throw Refusals.syntax();
      }
      count = Operands.integer(context, 3);
      if (count < 1) {
        throw Refusals.syntax();
      }
    }
    if (!procedures.catalog().functions().containsKey(name)) {
      throw new CommandException("ERR Function not found");
    }
    context.waitForEverything();
    List<FunctionLogs.Line> lines =
        procedures.logs().newest(name, (int) Math.min(count, FunctionLogs.MAX_LINES));
    context.reply().array(lines.size());
    for (FunctionLogs.Line line : lines) {
      context.reply().array(2);
      context.reply().integer(line.atMs());
      context.reply().bulk(line.text());
    }
  }

  private static String echo(byte[] word) {
    String text = new String(word, 0, Math.min(word.length, 64), StandardCharsets.US_ASCII);
    return text.replaceAll("\\p{Cntrl}", "?").toLowerCase(Locale.ROOT);
  }
}
