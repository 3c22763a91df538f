package io.capsuledb.scl.resp;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** CLIENT, as Redis 7.2 has it, without tracking. */
final class ClientCommands {

  /** Longest client or library name, in bytes. */
  static final int MAX_NAME_BYTES = 256;

  private final ServerState state;

  ClientCommands(ServerState state) {
    this.state = state;
  }

  List<CommandSpec> specs() {
    Subcommands client =
        new Subcommands("CLIENT")
            .add("ID", 2, "Return this connection's id.", ClientCommands::id)
            .add("INFO", 2, "Describe this connection.", this::info)
            .add("GETNAME", 2, "Return this connection's name.", ClientCommands::getName)
            .add("SETNAME", 3, "Name this connection.", ClientCommands::setName)
            .add("SETINFO", 4, "Set LIB-NAME or LIB-VER.", ClientCommands::setInfo)
            .add("REPLY", 3, "ON, OFF or SKIP: whether replies are sent.", ClientCommands::reply)
            .add("NO-TOUCH", 3, "ON or OFF; without effect.", ClientCommands::noTouch)
            .add(
                "GETREDIR",
                2,
                "Return where tracking is redirected to: nowhere.",
                context -> context.reply().integer(-1))
            .add("TRACKINGINFO", 2, "Tell that tracking is off.", ClientCommands::trackingInfo)
            .admin("LIST", -2, "[TYPE <type>] [ID <id> ...]: describe connections.", this::list)
            .admin("KILL", -3, "<addr> or filters: close connections.", this::kill)
            .admin("NO-EVICT", 3, "ON or OFF; without effect.", ClientCommands::noEvict)
            .admin("PAUSE", -3, "<ms> [WRITE|ALL]: hold commands on keys back.", this::pause)
            .admin("UNPAUSE", 2, "End a pause.", this::unpause)
            .admin("UNBLOCK", -3, "<id> [TIMEOUT|ERROR]: end a client's waiting.", this::unblock);
    return List.of(CommandSpec.keyless("CLIENT", -2, Set.of(), client));
  }

  private static void id(CommandContext context) {
    context.reply().integer(context.session().id());
  }

  private static void getName(CommandContext context) {
    String name = context.session().name();
    if (name.isEmpty()) {
      context.reply().nullBulk();
    } else {
      context.reply().bulk(name);
    }
  }

  private static void setName(CommandContext context) {
    context.session().name(validName(context.argument(2)));
    context.reply().ok();
  }

  /** A connection's name: printable ASCII without space; empty takes the name away. */
  static String validName(byte[] name) {
    return printable(name, "Client names");
  }

  private static String printable(byte[] text, String what) {
    for (byte b : text) {
      if (b < '!' || b > '~') {
        throw new CommandException(
            "ERR " + what + " cannot contain spaces, newlines or special characters.");
      }
    }
    if (text.length > MAX_NAME_BYTES) {
      throw new CommandException(
          "ERR " + what + " cannot be longer than " + MAX_NAME_BYTES + " bytes.");
    }
    return new String(text, StandardCharsets.US_ASCII);
  }

  private static void setInfo(CommandContext context) {
    byte[] attribute = context.argument(2);
    if (Operands.is(attribute, "LIB-NAME")) {
      context.session().libraryName(printable(context.argument(3), "lib-name"));
    } else if (Operands.is(attribute, "LIB-VER")) {
      context.session().libraryVersion(printable(context.argument(3), "lib-ver"));
    } else {
      throw new CommandException(
          "ERR Unrecognized option '" + new String(attribute, StandardCharsets.UTF_8) + "'");
    }
    context.reply().ok();
  }

  private static void reply(CommandContext context) {
    byte[] mode = context.argument(2);
    if (context.inExec()) {
      throw new CommandException("ERR Command not allowed inside a transaction");
    }
    Session session = context.session();
    if (Operands.is(mode, "ON")) {
      session.replyMode(Session.ReplyMode.ON);
      context.reply().ok();
    } else if (Operands.is(mode, "OFF")) {
      session.replyMode(Session.ReplyMode.OFF);
    } else if (Operands.is(mode, "SKIP")) {
      if (session.replyMode() != Session.ReplyMode.OFF) {
        session.replyMode(Session.ReplyMode.SKIP_NEXT);
      }
    } else {
      throw Refusals.syntax();
    }
  }

  private static boolean onOrOff(CommandContext context) {
    byte[] word = context.argument(2);
    boolean on = Operands.is(word, "ON");
    if (!on && !Operands.is(word, "OFF")) {
      throw Refusals.syntax();
    }
    return on;
  }

  private static void noEvict(CommandContext context) {
    context.session().noEvict(onOrOff(context));
    context.reply().ok();
  }

  private static void noTouch(CommandContext context) {
    context.session().noTouch(onOrOff(context));
    context.reply().ok();
  }

  private static void trackingInfo(CommandContext context) {
    RespWriter reply = context.reply();
    reply.map(3);
    reply.bulk("flags");
    reply.set(1);
    reply.bulk("off");
    reply.bulk("redirect");
    reply.integer(-1);
    reply.bulk("prefixes");
    reply.array(0);
  }

  // ------------------------------------------------------------------ LIST

  private void info(CommandContext context) {
    RespConnection own = state.connections().get(context.session().id());
    context.reply().text(own == null ? "" : describe(own) + "\n");
  }

  private void list(CommandContext context) {
    Predicate<RespConnection> filter = c -> true;
    if (context.count() == 4 && Operands.is(context.argument(2), "TYPE")) {
      boolean normal = isNormal(context.argument(3));
      filter = c -> normal;
    } else if (context.count() > 3 && Operands.is(context.argument(2), "ID")) {
      Set<Long> ids = new TreeSet<>();
      for (int i = 3; i < context.count(); i++) {
        ids.add(clientId(context, i));
      }
      filter = c -> ids.contains(c.session().id());
    } else if (context.count() > 2) {
      throw Refusals.syntax();
    }
    StringBuilder lines = new StringBuilder();
    for (RespConnection connection : sorted()) {
      if (filter.test(connection)) {
        lines.append(describe(connection)).append('\n');
      }
    }
    context.reply().text(lines.toString());
  }

  private static long clientId(CommandContext context, int index) {
    byte[] text = context.argument(index);
    if (!Operands.isInteger(text, 0, text.length) || Operands.integer(context, index) < 1) {
      throw new CommandException("ERR Invalid client ID");
    }
    return Operands.integer(context, index);
  }

  /** Whether a type is the one all clients here have. */
  private static boolean isNormal(byte[] type) {
    if (Operands.is(type, "NORMAL")) {
      return true;
    }
    for (String other : List.of("MASTER", "REPLICA", "SLAVE", "PUBSUB")) {
      if (Operands.is(type, other)) {
        return false;
      }
    }
    throw new CommandException(
        "ERR Unknown client type '" + new String(type, StandardCharsets.UTF_8) + "'");
  }

  private List<RespConnection> sorted() {
    List<RespConnection> all = new ArrayList<>(state.connections().values());
    all.sort(Comparator.comparingLong(connection -> connection.session().id()));
    return all;
  }

  private String describe(RespConnection connection) {
    Session session = connection.session();
    long now = state.clock().monotonicNanos();
    StringBuilder flags = new StringBuilder();
    if (session.multi().open()) {
      flags.append('x');
    }
    if (connection.blocked()) {
      flags.append('b');
    }
    if (session.noEvict()) {
      flags.append('e');
    }
    if (session.noTouch()) {
      flags.append('T');
    }
    if (flags.isEmpty()) {
      flags.append('N');
    }
    long output = connection.heldOutputBytes();
    long input = connection.heldInputBytes();
    return "id="
        + session.id()
        + " addr="
        + session.remoteAddress()
        + " laddr="
        + session.localAddress()
        + " fd=-1 name="
        + session.name()
        + " age="
        + Math.max(0, TimeUnit.NANOSECONDS.toSeconds(now - session.createdNanos()))
        + " idle="
        + Math.max(0, TimeUnit.NANOSECONDS.toSeconds(now - session.activeNanos()))
        + " flags="
        + flags
        + " db=0 sub=0 psub=0 ssub=0 multi="
        + session.multi().queuedCommands()
        + " qbuf="
        + input
        + " qbuf-free=0 argv-mem=0 multi-mem="
        + session.multi().heldBytes()
        + " rbs=0 rbp=0 obl=0 oll=0 omem="
        + output
        + " tot-mem="
        + (input + output + session.multi().heldBytes())
        + " events=r cmd="
        + session.lastCommand().toLowerCase(Locale.ROOT)
        + " user="
        + session.userName()
        + " redir=-1 resp="
        + session.protocol()
        + " lib-name="
        + session.libraryName()
        + " lib-ver="
        + session.libraryVersion();
  }

  // ------------------------------------------------------------------ KILL

  private void kill(CommandContext context) {
    if (context.count() == 3) {
      String address = new String(context.argument(2), StandardCharsets.UTF_8);
      for (RespConnection connection : sorted()) {
        if (connection.session().remoteAddress().equals(address)) {
          killOne(context, connection);
          context.reply().ok();
          return;
        }
      }
      throw new CommandException("ERR No such client");
    }
    boolean skipMe = true;
    Predicate<RespConnection> filter = c -> true;
    for (int i = 2; i < context.count(); i += 2) {
      if (i + 1 == context.count()) {
        throw Refusals.syntax();
      }
      byte[] word = context.argument(i);
      byte[] value = context.argument(i + 1);
      String text = new String(value, StandardCharsets.UTF_8);
      Predicate<RespConnection> next = c -> true;
      if (Operands.is(word, "ID")) {
        if (!Operands.isInteger(value, 0, value.length) || Operands.integer(context, i + 1) < 1) {
          throw new CommandException("ERR client-id should be greater than 0");
        }
        long id = Operands.integer(context, i + 1);
        next = c -> c.session().id() == id;
      } else if (Operands.is(word, "TYPE")) {
        boolean normal = isNormal(value);
        next = c -> normal;
      } else if (Operands.is(word, "ADDR")) {
        next = c -> c.session().remoteAddress().equals(text);
      } else if (Operands.is(word, "LADDR")) {
        next = c -> c.session().localAddress().equals(text);
      } else if (Operands.is(word, "USER")) {
        if (state.options().users().user(text) == null && !text.equals(AclUsers.DEFAULT_USER)) {
          throw new CommandException("ERR No such user '" + text + "'");
        }
        next = c -> c.session().userName().equals(text);
      } else if (Operands.is(word, "MAXAGE")) {
        long age = TimeUnit.SECONDS.toNanos(Operands.integer(context, i + 1));
        long now = state.clock().monotonicNanos();
        next = c -> now - c.session().createdNanos() >= age;
      } else if (Operands.is(word, "SKIPME")) {
        skipMe = Operands.is(value, "YES");
        if (!skipMe && !Operands.is(value, "NO")) {
          throw Refusals.syntax();
        }
      } else {
        throw Refusals.syntax();
      }
      filter = filter.and(next);
    }
    long killed = 0;
    for (RespConnection connection : sorted()) {
      boolean own = connection.session() == context.session();
      if (filter.test(connection) && !(own && skipMe)) {
        killOne(context, connection);
        killed++;
      }
    }
    context.reply().integer(killed);
  }

  /** Closes a connection; one's own after the reply. */
  private static void killOne(CommandContext context, RespConnection connection) {
    if (connection.session() == context.session()) {
      context.closeAfterReply();
    } else {
      connection.kill();
    }
  }

  // ------------------------------------------------------------------ PAUSE, UNBLOCK

  private void pause(CommandContext context) {
    byte[] text = context.argument(2);
    if (!Operands.isInteger(text, 0, text.length)) {
      throw new CommandException("ERR timeout is not an integer or out of range");
    }
    long timeoutMs = Operands.integer(context, 2);
    if (timeoutMs < 0) {
      throw new CommandException("ERR timeout is negative");
    }
    if (timeoutMs > PauseGate.MAX_PAUSE_MS) {
      throw new CommandException(
          "ERR timeout is out of range, at most " + PauseGate.MAX_PAUSE_MS + " milliseconds");
    }
    PauseGate.Mode mode = PauseGate.Mode.ALL;
    if (context.count() == 4 && Operands.is(context.argument(3), "WRITE")) {
      mode = PauseGate.Mode.WRITE;
    } else if (context.count() > 4
        || (context.count() == 4 && !Operands.is(context.argument(3), "ALL"))) {
      throw new CommandException("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
    state.gate().pause(mode, timeoutMs);
    context.reply().ok();
  }

  private void unpause(CommandContext context) {
    state.gate().unpause();
    state.connections().values().forEach(RespConnection::unpaused);
    context.reply().ok();
  }

  private void unblock(CommandContext context) {
    boolean error = false;
    if (context.count() == 4) {
      error = Operands.is(context.argument(3), "ERROR");
      if (!error && !Operands.is(context.argument(3), "TIMEOUT")) {
        throw new CommandException("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
      }
    } else if (context.count() > 4) {
      throw Refusals.wrongArity("client|unblock");
    }
    long id = Operands.integer(context, 2);
    RespConnection connection = state.connections().get(id);
    context.reply().integer(connection != null && connection.unblock(error) ? 1 : 0);
  }
}
