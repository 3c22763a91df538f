package io.capsuledb.scl.resp;

import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** COMMAND: what commands there are, in the form clients of Redis 7 read. */
final class CommandCommands {

  private final ServerState state;

  CommandCommands(ServerState state) {
    this.state = state;
  }

  List<CommandSpec> specs() {
    Subcommands sub =
        new Subcommands("COMMAND")
            .add("COUNT", 2, "Return how many commands there are.", this::count)
            .add("INFO", -2, "[<command> ...]: describe commands.", this::info)
            .add("DOCS", -2, "[<command> ...]: document commands.", this::docs)
            .add("LIST", -2, "[FILTERBY <filter> <value>]: list names.", this::list)
            .add("GETKEYS", -3, "<command>: return its keys.", this::getKeys);
    CommandSpec.Body body =
        context -> {
          if (context.count() == 1) {
            all(context);
          } else {
            sub.run(context);
          }
        };
    return List.of(CommandSpec.keyless("COMMAND", -1, Set.of(), body));
  }

  private void count(CommandContext context) {
    context.reply().integer(state.table().size());
  }

  private void all(CommandContext context) {
    context.reply().array(state.table().size());
    for (CommandTable.Command command : state.table().all()) {
      describe(context.reply(), command);
    }
  }

  private void info(CommandContext context) {
    if (context.count() == 2) {
      all(context);
      return;
    }
    context.reply().array(context.count() - 2);
    for (int i = 2; i < context.count(); i++) {
      CommandTable.Command command = state.table().find(context.argument(i));
      if (command == null) {
        context.reply().nullBulk();
      } else {
        describe(context.reply(), command);
      }
    }
  }

  /** The ten elements of COMMAND's entries. */
  private static void describe(RespWriter reply, CommandTable.Command command) {
    CommandSpec spec = command.spec();
    reply.array(10);
    reply.bulk(command.displayName());
    reply.integer(spec.arity());
    strings(reply, flags(spec));
    reply.integer(spec.firstKey());
    reply.integer(spec.lastKey());
    reply.integer(spec.keyStep());
    strings(reply, categories(spec));
    reply.array(0);
    if (spec.firstKey() == 0) {
      reply.array(0);
    } else {
      reply.array(1);
      keySpecification(reply, spec);
    }
    if (spec.body() instanceof Subcommands subcommands) {
      reply.array(subcommands.names().size());
      for (String name : subcommands.names()) {
        reply.array(10);
        reply.bulk(command.displayName() + "|" + name.toLowerCase(Locale.ROOT));
        reply.integer(subcommands.arity(name));
        strings(reply, flags(spec));
        reply.integer(0);
        reply.integer(0);
        reply.integer(0);
        strings(reply, categories(spec));
        reply.array(0);
        reply.array(0);
        reply.array(0);
      }
    } else {
      reply.array(0);
    }
  }

  private static void keySpecification(RespWriter reply, CommandSpec spec) {
    reply.map(3);
    reply.bulk("flags");
    strings(
        reply, spec.has(Flag.WRITE) ? List.of("RW", "ACCESS", "UPDATE") : List.of("RO", "ACCESS"));
    reply.bulk("begin_search");
    reply.map(2);
    reply.bulk("type");
    reply.bulk("index");
    reply.bulk("spec");
    reply.map(1);
    reply.bulk("index");
    reply.integer(spec.firstKey());
    reply.bulk("find_keys");
    reply.map(2);
    reply.bulk("type");
    reply.bulk("range");
    reply.bulk("spec");
    reply.map(3);
    reply.bulk("lastkey");
    // Counted from the first key, unless it counts from the end.
    reply.integer(spec.lastKey() < 0 ? spec.lastKey() : spec.lastKey() - spec.firstKey());
    reply.bulk("keystep");
    reply.integer(spec.keyStep());
    reply.bulk("limit");
    reply.integer(0);
  }

  private static List<String> flags(CommandSpec spec) {
    List<String> flags = new ArrayList<>();
    if (spec.has(Flag.WRITE)) {
      flags.add("write");
      flags.add("denyoom");
    }
    if (spec.has(Flag.READ)) {
      flags.add("readonly");
    }
    if (spec.has(Flag.ADMIN)) {
      flags.add("admin");
    }
    if (spec.has(Flag.NO_AUTH)) {
      flags.add("no_auth");
    }
    if (spec.has(Flag.NO_MULTI)) {
      flags.add("no_multi");
    }
    if (!spec.has(Flag.WRITE) && !spec.has(Flag.READ)) {
      flags.add("loading");
      flags.add("stale");
    }
    return flags;
  }

  private static List<String> categories(CommandSpec spec) {
    List<String> categories = new ArrayList<>();
    if (spec.has(Flag.WRITE)) {
      categories.add("@write");
    }
    if (spec.has(Flag.READ)) {
      categories.add("@read");
    }
    if (spec.has(Flag.ADMIN)) {
      categories.add("@admin");
    }
    if (spec.has(Flag.WRITE) || spec.has(Flag.READ)) {
      categories.add("@keyspace");
    } else {
      categories.add("@connection");
    }
    return categories;
  }

  /** Simple strings in a set, as Redis has flags and categories. */
  private static void strings(RespWriter reply, Collection<String> texts) {
    reply.set(texts.size());
    texts.forEach(reply::simple);
  }

  private void docs(CommandContext context) {
    List<CommandTable.Command> wanted = new ArrayList<>();
    if (context.count() == 2) {
      wanted.addAll(state.table().all());
    }
    for (int i = 2; i < context.count(); i++) {
      CommandTable.Command command = state.table().find(context.argument(i));
      if (command != null) {
        wanted.add(command);
      }
    }
    RespWriter reply = context.reply();
    reply.map(wanted.size());
    for (CommandTable.Command command : wanted) {
      CommandSpec spec = command.spec();
      reply.bulk(command.displayName());
      reply.map(3);
      reply.bulk("summary");
      reply.bulk(CommandSummaries.of(spec.name()));
      reply.bulk("since");
      reply.bulk(spec.name().startsWith("CAPSULE.") ? "0.1.0" : "1.0.0");
      reply.bulk("group");
      reply.bulk(group(spec));
    }
  }

  private static String group(CommandSpec spec) {
    if (spec.firstKey() > 0) {
      return "generic";
    }
    return spec.has(Flag.WRITE) || spec.has(Flag.READ) ? "generic" : "connection";
  }

  private void list(CommandContext context) {
    List<String> names =
        state.table().all().stream()
            .map(CommandTable.Command::displayName)
            .collect(Collectors.toCollection(ArrayList::new));
    if (context.count() == 5 && Operands.is(context.argument(2), "FILTERBY")) {
      byte[] value = context.argument(4);
      if (Operands.is(context.argument(3), "PATTERN")) {
        Glob glob = new Glob(value, MAX_PATTERN_WORK);
        names.removeIf(name -> !glob.matches(name.getBytes(StandardCharsets.US_ASCII)));
      } else if (Operands.is(context.argument(3), "ACLCAT")) {
        String category = "@" + new String(value, StandardCharsets.UTF_8).toLowerCase(Locale.ROOT);
        names.clear();
        for (CommandTable.Command command : state.table().all()) {
          if (categories(command.spec()).contains(category)) {
            names.add(command.displayName());
          }
        }
      } else if (Operands.is(context.argument(3), "MODULE")) {
        names.clear();
      } else {
        throw Refusals.syntax();
      }
    } else if (context.count() != 2) {
      throw Refusals.syntax();
    }
    context.reply().array(names.size());
    names.forEach(context.reply()::bulk);
  }

  private static final long MAX_PATTERN_WORK = 1 << 22;

  private void getKeys(CommandContext context) {
    CommandTable.Command command = state.table().find(context.argument(2));
    if (command == null) {
      throw new CommandException("ERR Invalid command specified");
    }
    CommandSpec spec = command.spec();
    int arguments = context.count() - 2;
    if (!spec.accepts(arguments)) {
      throw new CommandException("ERR Invalid number of arguments specified for command");
    }
    if (spec.firstKey() == 0) {
      throw new CommandException("ERR The command has no key arguments");
    }
    int last = spec.lastKey() >= 0 ? spec.lastKey() : arguments + spec.lastKey();
    List<byte[]> keys = new ArrayList<>();
    for (int i = spec.firstKey(); i <= last && i < arguments; i += spec.keyStep()) {
      keys.add(context.argument(i + 2));
    }
    context.reply().array(keys.size());
    keys.forEach(context.reply()::bulk);
  }
}
