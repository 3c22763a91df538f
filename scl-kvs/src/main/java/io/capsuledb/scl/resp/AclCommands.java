package io.capsuledb.scl.resp;

import io.capsuledb.scl.resp.AclUsers.Permission;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;

/**
 * ACL: looking at users, which are configured where the server is started. Hashes are never shown.
 */
final class AclCommands {

  private final ServerState state;

  AclCommands(ServerState state) {
    this.state = state;
  }

  List<CommandSpec> specs() {
    Subcommands acl =
        new Subcommands("ACL")
            .add(
                "WHOAMI",
                2,
                "Return the name of the current user.",
                context -> context.reply().bulk(context.session().user().name()))
            .add("CAT", -2, "List the categories of commands.", AclCommands::categories)
            .admin("USERS", 2, "List the names of users.", this::users)
            .admin("LIST", 2, "Describe users.", this::list)
            .admin("GETUSER", 3, "Describe one user.", this::getUser);
    return List.of(CommandSpec.keyless("ACL", -2, Set.of(), acl));
  }

  private static void categories(CommandContext context) {
    if (context.count() > 2) {
      throw new CommandException("ERR ACL CAT takes no category here");
    }
    List<String> names = List.of("read", "write", "admin", "keyspace", "connection");
    context.reply().array(names.size());
    names.forEach(context.reply()::bulk);
  }

  private void users(CommandContext context) {
    context.reply().array(state.options().users().all().size());
    for (AclUser user : state.options().users().all()) {
      context.reply().bulk(user.name());
    }
  }

  private void list(CommandContext context) {
    context.reply().array(state.options().users().all().size());
    for (AclUser user : state.options().users().all()) {
      context
          .reply()
          .bulk(
              "user "
                  + user.name()
                  + (user.hasPassword() ? " on " : " on nopass ")
                  + keys(user)
                  + " &* "
                  + commands(user));
    }
  }

  private void getUser(CommandContext context) {
    byte[] name = context.argument(2);
    RespWriter reply = context.reply();
    for (AclUser user : state.options().users().all()) {
      if (java.util.Arrays.equals(user.name().getBytes(StandardCharsets.US_ASCII), name)) {
        reply.map(6);
        reply.bulk("flags");
        reply.set(user.hasPassword() ? 1 : 2);
        reply.bulk("on");
        if (!user.hasPassword()) {
          reply.bulk("nopass");
        }
        reply.bulk("passwords");
        reply.array(0);
        reply.bulk("commands");
        reply.bulk(commands(user));
        reply.bulk("keys");
        reply.bulk(keys(user));
        reply.bulk("channels");
        reply.bulk("&*");
        reply.bulk("selectors");
        reply.array(0);
        return;
      }
    }
    reply.nullBulk();
  }

  private static String keys(AclUser user) {
    if (user.prefixes().isEmpty()) {
      return "~*";
    }
    StringBuilder keys = new StringBuilder();
    for (String prefix : user.prefixes()) {
      keys.append(keys.isEmpty() ? "~" : " ~").append(prefix).append('*');
    }
    return keys.toString();
  }

  private static String commands(AclUser user) {
    StringBuilder commands = new StringBuilder("-@all +@connection");
    for (Permission permission : Permission.values()) {
      if (user.may(permission)) {
        commands.append(" +@").append(permission.name().toLowerCase(java.util.Locale.ROOT));
      }
    }
    return user.prefixes().isEmpty()
            && java.util.Arrays.stream(Permission.values()).allMatch(user::may)
        ? "+@all"
        : commands.toString();
  }
}
