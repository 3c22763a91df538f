package io.capsuledb.scl.resp;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A command that is a container of others, such as CLIENT. Subcommands are found in any case; HELP
 * is made from the descriptions. Errors are worded as in Redis 7. Immutable once it serves.
 */
final class Subcommands implements CommandSpec.Body {

  /** One of them. */
  private record Entry(
      String name, int arity, boolean admin, String description, CommandSpec.Body body) {}

  private static final String HELP = "HELP";
  private static final int MAX_NAME_BYTES = 64;

  private final String container;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  /**
   * Without subcommands yet.
   *
   * @param container the command's name, upper case
   */
  Subcommands(String container) {
    this.container = container;
  }

  /**
   * Adds a subcommand.
   *
   * @param arity as {@link CommandSpec#arity}, both names included
   */
  Subcommands add(String name, int arity, String description, CommandSpec.Body body) {
    entries.put(name, new Entry(name, arity, false, description, body));
    return this;
  }

  /** Adds a subcommand for users that may administer the server. */
  Subcommands admin(String name, int arity, String description, CommandSpec.Body body) {
    entries.put(name, new Entry(name, arity, true, description, body));
    return this;
  }

  /** Upper-case names, without HELP. */
  List<String> names() {
    return List.copyOf(entries.keySet());
  }

  /** Arity of one, as {@link CommandSpec#arity}. */
  int arity(String name) {
    return java.util.Objects.requireNonNull(entries.get(name)).arity;
  }

  /**
   * Refuses what can be refused without running it: also what MULTI would queue.
   *
   * @throws CommandException if there is no such subcommand, or not with so many arguments
   */
  void check(byte[][] arguments) {
    if (arguments.length < 2) {
      throw Refusals.wrongArity(container.toLowerCase(Locale.ROOT));
    }
    Entry entry = entry(arguments[1]);
    int count = arguments.length;
    if (entry == null) {
      if (!Operands.is(arguments[1], HELP)) {
        throw Refusals.unknownSubcommand(container, arguments[1]);
      }
      if (count != 2) {
        throw Refusals.wrongArity(path(HELP));
      }
    } else if (entry.arity >= 0 ? count != entry.arity : count < -entry.arity) {
      throw Refusals.wrongArity(path(entry.name));
    }
  }

  private @Nullable Entry entry(byte[] name) {
    return name.length > MAX_NAME_BYTES
        ? null
        : entries.get(new String(name, StandardCharsets.US_ASCII).toUpperCase(Locale.ROOT));
  }

  @Override
  public void run(CommandContext context) {
    check(context.arguments());
    Entry entry = entry(context.argument(1));
    if (entry == null) {
      help(context);
      return;
    }
    if (entry.admin) {
      context.requireAdmin(path(entry.name));
    }
    entry.body.run(context);
  }

  private String path(String name) {
    return (container + "|" + name).toLowerCase(Locale.ROOT);
  }

  private void help(CommandContext context) {
    List<String> lines = new ArrayList<>();
    lines.add(container + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (Entry entry : entries.values()) {
      lines.add(entry.name);
      lines.add("    " + entry.description);
    }
    lines.add(HELP);
    lines.add("    Print this help.");
    context.reply().array(lines.size());
    lines.forEach(context.reply()::simple);
  }
}
