package io.capsuledb.scl.resp;

import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** PING, ECHO, AUTH, HELLO, SELECT, RESET, QUIT, WAIT, WAITAOF, as Redis 7 has them. */
final class ConnectionCommands {

  /** What clients that look at version numbers are told: the Redis whose commands these are. */
  static final String REDIS_VERSION = "7.2.0";

  /** Wrong passwords in a row after which the connection is closed. */
  static final int MAX_FAILED_LOGINS = 10;

  private static final long FIRST_FAILURE_DELAY_MS = 100;
  private static final long MAX_FAILURE_DELAY_MS = 2_000;

  private static final byte[] DEFAULT_USER =
      AclUsers.DEFAULT_USER.getBytes(StandardCharsets.US_ASCII);

  private final ServerState state;

  ConnectionCommands(ServerState state) {
    this.state = state;
  }

  List<CommandSpec> specs() {
    return List.of(
        CommandSpec.keyless("PING", -1, Set.of(), ConnectionCommands::ping),
        CommandSpec.keyless("ECHO", 2, Set.of(), c -> c.reply().bulk(c.argument(1))),
        CommandSpec.keyless("AUTH", -2, Set.of(Flag.NO_AUTH, Flag.NO_MULTI), this::auth),
        CommandSpec.keyless("HELLO", -1, Set.of(Flag.NO_AUTH, Flag.NO_MULTI), this::hello),
        CommandSpec.keyless("SELECT", 2, Set.of(), ConnectionCommands::select),
        CommandSpec.keyless(
            "RESET", 1, Set.of(Flag.NO_AUTH, Flag.IMMEDIATE), ConnectionCommands::reset),
        CommandSpec.keyless(
            "QUIT", -1, Set.of(Flag.NO_AUTH, Flag.IMMEDIATE), ConnectionCommands::quit),
        CommandSpec.keyless("WAIT", 3, Set.of(), ConnectionCommands::await),
        CommandSpec.keyless("WAITAOF", 4, Set.of(), ConnectionCommands::awaitAof));
  }

  private static void ping(CommandContext context) {
    if (context.count() > 2) {
      throw Refusals.wrongArity("ping");
    }
    if (context.count() == 2) {
      context.reply().bulk(context.argument(1));
    } else {
      context.reply().simple("PONG");
    }
  }

  private static void select(CommandContext context) {
    long database = Operands.integer(context, 1);
    if (database != (int) database) {
      throw new CommandException(
          "ERR value is out of range, value must between -2147483648 and 2147483647");
    }
    if (database != 0) {
      throw new CommandException("ERR DB index is out of range");
    }
    context.reply().ok();
  }

  private static void reset(CommandContext context) {
    context.session().reset();
    context.reply().protocol(context.session().protocol());
    context.reply().simple("RESET");
  }

  private static void quit(CommandContext context) {
    context.reply().ok();
    context.closeAfterReply();
  }

  // ------------------------------------------------------------------ AUTH, HELLO

  private void auth(CommandContext context) {
    if (context.count() > 3) {
      throw Refusals.syntax();
    }
    if (context.count() == 2 && state.options().users().isEmpty()) {
      throw new CommandException(
          "ERR AUTH <password> called without any password configured for the default user. Are"
              + " you sure your configuration is correct?");
    }
    byte[] name = context.count() == 3 ? context.argument(1) : DEFAULT_USER;
    byte[] password = context.argument(context.count() - 1);
    login(context, name, password, done -> done.reply().ok());
  }

  /** Logs in, now or after a while; {@code then} writes the reply if the password is right. */
  private void login(
      CommandContext context, byte[] name, byte[] password, Consumer<CommandContext> then) {
    if (state.options().users().isEmpty()) {
      // Like Redis' default user without a password: any will do.
      if (!Arrays.equals(name, DEFAULT_USER)) {
        throw wrongPassword();
      }
      then.accept(context);
      return;
    }
    AclUser known = state.authenticator().remembered(name, password);
    if (known != null) {
      Arrays.fill(password, (byte) 0);
      context.session().login(known);
      then.accept(context);
      return;
    }
    context.defer(
        new Deferred.Offloaded(
            Deferred.Lane.AUTHENTICATION,
            () -> {
              AclUser user = state.authenticator().verify(name, password);
              Arrays.fill(password, (byte) 0);
              return done -> loggedIn(done, user, then);
            }));
  }

  private void loggedIn(
      CommandContext context, @Nullable AclUser user, Consumer<CommandContext> then) {
    Session session = context.session();
    if (user != null) {
      session.login(user);
      then.accept(context);
      return;
    }
    state.telemetry().count(io.capsuledb.core.port.Telemetry.Counter.AUTHENTICATIONS_FAILED, 1);
    int failures = session.loginFailed();
    long delayMs =
        Math.min(MAX_FAILURE_DELAY_MS, FIRST_FAILURE_DELAY_MS << Math.min(failures - 1, 10));
    context.defer(
        new Deferred.Delayed(
            delayMs,
            false,
            late -> {
              if (failures >= MAX_FAILED_LOGINS) {
                state.refusals().count(RefusalCounters.Cause.WRONG_PASSWORDS);
                late.closeAfterReply();
              }
              throw wrongPassword();
            }));
  }

  private static CommandException wrongPassword() {
    return new CommandException("WRONGPASS invalid username-password pair or user is disabled.");
  }

  private void hello(CommandContext context) {
    int protocol = context.session().protocol();
    int next = 1;
    if (context.count() > 1) {
      byte[] version = context.argument(1);
      if (!Operands.isInteger(version, 0, version.length)) {
        throw new CommandException("ERR Protocol version is not an integer or out of range");
      }
      long wanted = Operands.integer(context, 1);
      if (wanted < 2 || wanted > 3) {
        throw new CommandException("NOPROTO unsupported protocol version");
      }
      protocol = (int) wanted;
      next = 2;
    }
    byte[] user = null;
    byte[] password = null;
    String name = null;
    while (next < context.count()) {
      byte[] option = context.argument(next);
      int left = context.count() - next - 1;
      if (Operands.is(option, "AUTH") && left >= 2) {
        user = context.argument(next + 1);
        password = context.argument(next + 2);
        next += 3;
      } else if (Operands.is(option, "SETNAME") && left >= 1) {
        name = ClientCommands.validName(context.argument(next + 1));
        next += 2;
      } else {
        throw new CommandException(
            "ERR Syntax error in HELLO option '"
                + new String(option, StandardCharsets.UTF_8)
                + "'");
      }
    }
    int version = protocol;
    String newName = name;
    if (user != null && password != null) {
      login(context, user, password, done -> greet(done, version, newName));
    } else if (!context.session().authenticated()) {
      throw new CommandException(
          "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO"
              + " <proto> AUTH <user> <pass> option can be used to authenticate the client and"
              + " select the RESP protocol version at the same time");
    } else {
      greet(context, version, newName);
    }
  }

  private static void greet(CommandContext context, int protocol, @Nullable String name) {
    Session session = context.session();
    if (name != null) {
      session.name(name);
    }
    session.protocol(protocol);
    RespWriter reply = context.reply();
    reply.protocol(protocol);
    reply.map(7);
    reply.bulk("server");
    reply.bulk("redis");
    reply.bulk("version");
    reply.bulk(REDIS_VERSION);
    reply.bulk("proto");
    reply.integer(protocol);
    reply.bulk("id");
    reply.integer(session.id());
    reply.bulk("mode");
    reply.bulk("standalone");
    reply.bulk("role");
    reply.bulk("master");
    reply.bulk("modules");
    reply.array(0);
  }

  // ------------------------------------------------------------------ WAIT

  private static void await(CommandContext context) {
    long replicas = Operands.integer(context, 1);
    long timeoutMs = timeoutMs(context, 2);
    CommandSpec.Body none = done -> done.reply().integer(0);
    if (replicas <= 0 || context.inExec()) {
      none.run(context);
    } else {
      context.defer(new Deferred.Delayed(timeoutMs, true, none));
    }
  }

  private static void awaitAof(CommandContext context) {
    long local = Operands.integer(context, 1);
    long replicas = Operands.integer(context, 2);
    long timeoutMs = timeoutMs(context, 3);
    if (local < 0 || local > 1) {
      throw new CommandException("ERR value is out of range, must be between 0 and 1");
    }
    if (replicas < 0) {
      throw new CommandException("ERR value is out of range, must be positive");
    }
    // Everything this client wrote is durable when the replies before this one have left.
    CommandSpec.Body one =
        done -> {
          done.reply().array(2);
          done.reply().integer(1);
          done.reply().integer(0);
        };
    if (replicas == 0 || context.inExec()) {
      one.run(context);
    } else {
      context.defer(new Deferred.Delayed(timeoutMs, true, one));
    }
  }

  private static long timeoutMs(CommandContext context, int index) {
    byte[] text = context.argument(index);
    if (!Operands.isInteger(text, 0, text.length)) {
      throw new CommandException("ERR timeout is not an integer or out of range");
    }
    long timeout = Operands.integer(context, index);
    if (timeout < 0) {
      throw new CommandException("ERR timeout is negative");
    }
    if (timeout > MAX_WAIT_MS) {
      throw new CommandException("ERR timeout is out of range");
    }
    return timeout;
  }

  /** Longest wait that can be asked for; 0 is still for ever. */
  private static final long MAX_WAIT_MS = 365L * 24 * 3600 * 1000;
}
