package io.capsuledb.scl.resp;

import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.util.List;
import java.util.Set;

/**
 * What clients and test suites ask of scripts that are sent to be run, of which there are none:
 * looking and clearing work, running says what to use instead.
 */
final class ScriptCommands {

  private static final String INSTEAD =
      "ERR Lua scripts are not supported by CapsuleDB: load a JavaScript library with FUNCTION"
          + " LOAD and call its functions with FCALL";

  private ScriptCommands() {}

  static List<CommandSpec> specs() {
    CommandSpec.Body noLua =
        context -> {
          throw new CommandException(INSTEAD);
        };
    // In the words that make clients send EVAL, which then says what to use.
    CommandSpec.Body noScript =
        context -> {
          throw new CommandException("NOSCRIPT No matching script. Please use EVAL.");
        };
    Set<Flag> none = Set.of();
    return List.of(
        CommandSpec.keyless("EVAL", -3, none, noLua),
        CommandSpec.keyless("EVAL_RO", -3, none, noLua),
        CommandSpec.keyless("EVALSHA", -3, none, noScript),
        CommandSpec.keyless("EVALSHA_RO", -3, none, noScript),
        CommandSpec.keyless("SCRIPT", -2, none, script(noLua)));
  }

  private static Subcommands script(CommandSpec.Body noLua) {
    return new Subcommands("SCRIPT")
        .admin("FLUSH", -2, "Forget all scripts: there are none.", ScriptCommands::flush)
        .add("EXISTS", -3, "Tell which scripts are known: none.", ScriptCommands::exists)
        .add("LOAD", 3, "Not supported.", noLua)
        .admin(
            "KILL",
            2,
            "Stop the running script: there is none.",
            context -> {
              throw new CommandException("NOTBUSY No scripts in execution right now.");
            });
  }

  /** Whether what follows FLUSH is nothing, SYNC or ASYNC. */
  static boolean isFlush(CommandContext context) {
    return context.count() == 2
        || (context.count() == 3
            && (Operands.is(context.argument(2), "SYNC")
                || Operands.is(context.argument(2), "ASYNC")));
  }

  private static void flush(CommandContext context) {
    if (!isFlush(context)) {
      throw new CommandException("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    }
    context.reply().ok();
  }

  private static void exists(CommandContext context) {
    context.reply().array(context.count() - 2);
    for (int i = 2; i < context.count(); i++) {
      context.reply().integer(0);
    }
  }
}
