package io.capsuledb.scl.resp;

import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * All commands, found by name in any case. Immutable and thread-safe.
 *
 * <p>Looked up for every command a client sends, so it works on the bytes of the name: an open hash
 * table, at most half full.
 */
final class CommandTable {

  /** A command of this table, with what the dispatcher asks for each time at hand. */
  static final class Command {
    private final int id;
    private final CommandSpec spec;
    private final boolean writes;
    private final boolean reads;
    private final boolean needsNoLogin;
    private final boolean immediate;
    private final boolean exec;
    private final boolean procedure;

    private Command(int id, CommandSpec spec) {
      this.id = id;
      this.spec = spec;
      this.writes = spec.has(Flag.WRITE);
      this.reads = spec.has(Flag.READ);
      this.needsNoLogin = spec.has(Flag.NO_AUTH);
      this.immediate = spec.has(Flag.IMMEDIATE);
      this.exec = spec.name().equals("EXEC");
      this.procedure = spec.has(Flag.PROCEDURE);
    }

    /** 0 to {@link CommandTable#size} - 1, for counting. */
    int id() {
      return id;
    }

    CommandSpec spec() {
      return spec;
    }

    /** In lower case, as errors name it. */
    String displayName() {
      return spec.name().toLowerCase(Locale.ROOT);
    }

    boolean writes() {
      return writes;
    }

    boolean reads() {
      return reads;
    }

    boolean needsNoLogin() {
      return needsNoLogin;
    }

    boolean immediate() {
      return immediate;
    }

    /** Whether this is EXEC, which runs other commands. */
    boolean exec() {
      return exec;
    }

    /** Whether it runs a procedure. */
    boolean procedure() {
      return procedure;
    }
  }

  private final List<Command> commands;
  private final @Nullable Command[] slots;

  /**
   * A table of these commands.
   *
   * @throws IllegalStateException if a name appears twice
   */
  CommandTable(List<CommandSpec> specs) {
    List<CommandSpec> sorted = new ArrayList<>(specs);
    sorted.sort(Comparator.comparing(CommandSpec::name));
    slots = new Command[Math.max(2, Integer.highestOneBit(Math.max(1, sorted.size())) * 4)];
    commands = new ArrayList<>(sorted.size());
    for (CommandSpec spec : sorted) {
      byte[] name = spec.name().getBytes(java.nio.charset.StandardCharsets.US_ASCII);
      if (find(name) != null) {
        throw new IllegalStateException("command " + spec.name() + " is defined twice");
      }
      int slot = hash(name) & (slots.length - 1);
      while (slots[slot] != null) {
        slot = (slot + 1) & (slots.length - 1);
      }
      Command command = new Command(commands.size(), spec);
      slots[slot] = command;
      commands.add(command);
    }
  }

  /** The command of this name, or null. */
  @Nullable Command find(byte[] name) {
    int slot = hash(name) & (slots.length - 1);
    while (true) {
      Command candidate = slots[slot];
      if (candidate == null || Operands.is(name, candidate.spec().name())) {
        return candidate;
      }
      slot = (slot + 1) & (slots.length - 1);
    }
  }

  private static int hash(byte[] name) {
    int hash = name.length;
    // Long names are no commands; their first bytes are enough to find that out.
    int hashed = Math.min(name.length, 32);
    for (int i = 0; i < hashed; i++) {
      // Clears the bit that tells upper from lower case.
      hash = 31 * hash + (name[i] & 0xdf);
    }
    return hash ^ (hash >>> 15);
  }

  int size() {
    return commands.size();
  }

  /** By id, which is by name. */
  List<Command> all() {
    return java.util.Collections.unmodifiableList(commands);
  }
}
