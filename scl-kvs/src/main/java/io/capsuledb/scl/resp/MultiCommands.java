package io.capsuledb.scl.resp;

import io.capsuledb.engine.Lookup;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.util.List;
import java.util.Set;

/** MULTI, EXEC, DISCARD, WATCH, UNWATCH, as Redis 7 has them. */
final class MultiCommands {

  /** The dispatcher itself does EXEC: it runs other commands, which no body can. */
  private static final CommandSpec.Body EXEC =
      context -> {
        throw new IllegalStateException("EXEC is the dispatcher's");
      };

  private MultiCommands() {}

  static List<CommandSpec> specs() {
    Set<Flag> flags = Set.of(Flag.IMMEDIATE);
    return List.of(
        CommandSpec.keyless("MULTI", 1, flags, MultiCommands::multi),
        CommandSpec.keyless("EXEC", 1, flags, EXEC),
        CommandSpec.keyless("DISCARD", 1, flags, MultiCommands::discard),
        new CommandSpec(
            "WATCH", -2, Set.of(Flag.READ, Flag.IMMEDIATE), 1, -1, 1, MultiCommands::watch),
        CommandSpec.keyless("UNWATCH", 1, Set.of(), MultiCommands::unwatch));
  }

  private static void multi(CommandContext context) {
    MultiState multi = context.session().multi();
    if (multi.open()) {
      throw new CommandException("ERR MULTI calls can not be nested");
    }
    multi.begin();
    context.reply().ok();
  }

  private static void discard(CommandContext context) {
    MultiState multi = context.session().multi();
    if (!multi.open()) {
      throw new CommandException("ERR DISCARD without MULTI");
    }
    multi.end();
    multi.unwatch();
    context.reply().ok();
  }

  private static void watch(CommandContext context) {
    MultiState multi = context.session().multi();
    if (multi.open()) {
      throw new CommandException("ERR WATCH inside MULTI is not allowed");
    }
    Operands.checkKeys(context, 1, 1);
    for (int i = 1; i < context.count(); i++) {
      byte[] key = context.argument(i);
      Lookup seen = context.db().describe(key);
      multi.watch(key, seen);
    }
    // The reply says nothing of the keys, so it need not wait for them to be durable.
    context.reply().ok();
  }

  private static void unwatch(CommandContext context) {
    // Inside EXEC the watched keys were compared before, and are forgotten afterwards.
    if (!context.inExec()) {
      context.session().multi().unwatch();
    }
    context.reply().ok();
  }
}
