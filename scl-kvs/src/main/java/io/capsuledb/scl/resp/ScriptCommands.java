package io.capsuledb.scl.resp;

import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.util.List;
import java.util.Set;

/**
 * What clients and test suites ask of scripts and functions, of which there are none: looking and
 * clearing work, running says why not.
 */
final class ScriptCommands {

  private ScriptCommands() {}

  static List<CommandSpec> specs() {
    CommandSpec.Body noLua =
        context -> {
          throw new CommandException("ERR Lua scripts are not supported by CapsuleDB");
        };
    CommandSpec.Body noScript =
        context -> {
          throw new CommandException("NOSCRIPT No matching script. Please use EVAL.");
        };
    CommandSpec.Body noFunction =
        context -> {
          throw new CommandException("ERR Function not found");
        };
    Set<Flag> none = Set.of();
    return List.of(
        CommandSpec.keyless("EVAL", -3, none, noLua),
        CommandSpec.keyless("EVAL_RO", -3, none, noLua),
        CommandSpec.keyless("EVALSHA", -3, none, noScript),
        CommandSpec.keyless("EVALSHA_RO", -3, none, noScript),
        CommandSpec.keyless("FCALL", -3, none, noFunction),
        CommandSpec.keyless("FCALL_RO", -3, none, noFunction),
        CommandSpec.keyless("SCRIPT", -2, none, script(noLua)),
        CommandSpec.keyless("FUNCTION", -2, none, function()));
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

  private static Subcommands function() {
    return new Subcommands("FUNCTION")
        .admin("FLUSH", -2, "Forget all functions: there are none.", ScriptCommands::flush)
        .add("LIST", -2, "List functions: none.", context -> context.reply().array(0))
        .add("STATS", 2, "Tell what is running: nothing.", ScriptCommands::functionStats)
        .admin(
            "LOAD",
            -3,
            "Not supported.",
            context -> {
              throw new CommandException("ERR functions are not supported by this server yet");
            })
        .admin(
            "KILL",
            2,
            "Stop the running function: there is none.",
            context -> {
              throw new CommandException("NOTBUSY No scripts in execution right now.");
            });
  }

  private static void flush(CommandContext context) {
    boolean understood =
        context.count() == 2
            || (context.count() == 3
                && (Operands.is(context.argument(2), "SYNC")
                    || Operands.is(context.argument(2), "ASYNC")));
    if (!understood) {
      throw new CommandException(
          Operands.is(context.argument(0), "SCRIPT")
              ? "ERR SCRIPT FLUSH only support SYNC|ASYNC option"
              : "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    }
    context.reply().ok();
  }

  private static void exists(CommandContext context) {
    context.reply().array(context.count() - 2);
    for (int i = 2; i < context.count(); i++) {
      context.reply().integer(0);
    }
  }

  private static void functionStats(CommandContext context) {
    RespWriter reply = context.reply();
    reply.map(2);
    reply.bulk("running_script");
    reply.nullBulk();
    reply.bulk("engines");
    reply.map(0);
  }
}
