package io.capsuledb.scl.resp;

import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/** INFO, DEBUG, SHUTDOWN, LATENCY, SLOWLOG, ROLE, LASTSAVE, CLUSTER. */
final class ServerCommands {

  /** Longest DEBUG SLEEP. */
  private static final double MAX_SLEEP_S = 60;

  private final ServerState state;
  private final InfoReport report;

  ServerCommands(ServerState state) {
    this.state = state;
    this.report = new InfoReport(state);
  }

  List<CommandSpec> specs() {
    Subcommands debug =
        new Subcommands("DEBUG")
            .admin("SLEEP", 3, "<seconds>: reply after that long.", ServerCommands::sleep)
            .admin(
                "SET-ACTIVE-EXPIRE",
                3,
                "0 or 1, which changes nothing: expired keys are never seen.",
                ServerCommands::activeExpire);
    Subcommands latency =
        new Subcommands("LATENCY")
            .admin("LATEST", 2, "Return latency spikes: none.", c -> c.reply().array(0))
            .admin("HISTORY", 3, "Return latency samples: none.", c -> c.reply().array(0))
            .admin("HISTOGRAM", -2, "Return histograms: none.", c -> c.reply().map(0))
            .admin("RESET", -2, "Forget latency samples.", c -> c.reply().integer(0))
            .admin(
                "DOCTOR",
                2,
                "Tell where latencies are reported.",
                c ->
                    c.reply()
                        .text("Latencies are reported as metrics, see /metrics on the HTTP port."));
    Subcommands slowlog =
        new Subcommands("SLOWLOG")
            .admin("GET", -2, "Return slow commands: not recorded.", c -> c.reply().array(0))
            .admin("LEN", 2, "Return their number.", c -> c.reply().integer(0))
            .admin("RESET", 2, "Forget them.", c -> c.reply().ok());
    return List.of(
        CommandSpec.keyless("INFO", -1, Set.of(), this::info),
        CommandSpec.keyless("DEBUG", -2, Set.of(Flag.ADMIN, Flag.NO_MULTI), debug),
        CommandSpec.keyless("LATENCY", -2, Set.of(), latency),
        CommandSpec.keyless("SLOWLOG", -2, Set.of(), slowlog),
        CommandSpec.keyless("SHUTDOWN", -1, Set.of(Flag.ADMIN, Flag.NO_MULTI), this::shutdown),
        CommandSpec.keyless("ROLE", 1, Set.of(), this::role),
        CommandSpec.keyless("LASTSAVE", 1, Set.of(), this::lastSave),
        CommandSpec.keyless(
            "CLUSTER",
            -2,
            Set.of(),
            context -> {
              throw new CommandException("ERR This instance has cluster support disabled");
            }));
  }

  private void info(CommandContext context) {
    Set<String> sections = new TreeSet<>();
    for (int i = 1; i < context.count(); i++) {
      sections.add(
          new String(context.argument(i), StandardCharsets.UTF_8).toLowerCase(Locale.ROOT));
    }
    context.reply().text(report.text(sections));
  }

  private static void sleep(CommandContext context) {
    String text = new String(context.argument(2), StandardCharsets.US_ASCII);
    double seconds;
    try {
      seconds = Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw Refusals.notAFloat();
    }
    if (!(seconds >= 0 && seconds <= MAX_SLEEP_S)) {
      throw new CommandException(
          "ERR seconds are out of range, allowed are 0 to " + (long) MAX_SLEEP_S);
    }
    CommandSpec.Body then = done -> done.reply().ok();
    long delayMs = (long) (seconds * 1000);
    if (delayMs == 0) {
      then.run(context);
    } else {
      context.defer(new Deferred.Delayed(delayMs, false, then));
    }
  }

  /**
   * Expired keys are invisible at once, and compaction drops them: there is nothing to turn off.
   */
  private static void activeExpire(CommandContext context) {
    if (!Operands.is(context.argument(2), "1") && !Operands.is(context.argument(2), "0")) {
      throw Refusals.syntax();
    }
    context.reply().ok();
  }

  private void shutdown(CommandContext context) {
    for (int i = 1; i < context.count(); i++) {
      byte[] word = context.argument(i);
      if (Operands.is(word, "ABORT") && context.count() == 2) {
        throw new CommandException("ERR No shutdown in progress.");
      }
      boolean known =
          Operands.is(word, "SAVE")
              || Operands.is(word, "NOSAVE")
              || Operands.is(word, "NOW")
              || Operands.is(word, "FORCE");
      if (!known) {
        throw Refusals.syntax();
      }
    }
    // On a thread of its own: it will stop this event loop, among others. As in Redis, the
    // connection is closed instead of a reply.
    Thread.ofPlatform().name("resp-shutdown").start(state.options().onShutdown());
    context.closeAfterReply();
  }

  private void role(CommandContext context) {
    context.reply().array(3);
    context.reply().bulk("master");
    context.reply().integer(state.db().committedTime());
    context.reply().array(0);
  }

  /** Everything is saved before it is acknowledged, so the last save is always now. */
  private void lastSave(CommandContext context) {
    context.reply().integer(Math.floorDiv(context.nowMs(), 1000L));
  }
}
