package io.capsuledb.host.cli;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.config.UsersFile;
import io.capsuledb.host.config.UsersFile.User;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.SecretInput;
import io.capsuledb.scl.resp.AclUsers.Permission;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Keeps the file of a server's users. Each subcommand is a method. */
@Command(
    name = "users",
    header = "Keep the users of a server: who may connect, and what each may do.",
    synopsisSubcommandLabel = "COMMAND",
    description = {
      "",
      "Passwords are kept as salted scrypt hashes and never taken from the command line. A server",
      "reads the file when it starts.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule users add alice --users users.toml",
      "  capsule users add web --users users.toml --permissions read --prefix page: < password.txt",
      "  capsule users list --users users.toml"
    })
final class UsersCommand implements Runnable {

  private static final String FILE_HELP = "The file of users.";
  private static final String PASSWORD_HELP =
      "File whose first line is the password, - for the standard input. If not given, a prompt, or"
          + " without a terminal the standard input.";

  @Spec private CommandSpec spec = CommandSpec.create();

  private final CommandContext context;

  UsersCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "say what to do: add, passwd, remove or list");
  }

  @Command(
      name = "add",
      header = "Add a user.",
      footer = {
        "",
        "Example:",
        "  capsule users add alice --users users.toml --permissions read,write --prefix app:"
      })
  int add(
      @Parameters(
              paramLabel = "NAME",
              description = "The user's name; 'default' is who AUTH without a name means.")
          String name,
      @Option(names = "--users", paramLabel = "FILE", required = true, description = FILE_HELP)
          Path file,
      @Option(names = "--password-file", paramLabel = "FILE", description = PASSWORD_HELP)
          @Nullable String passwordFile,
      @Option(
              names = "--permissions",
              paramLabel = "WORD",
              split = ",",
              description = "What the user may do: read, write, admin; all three if not given.")
          @Nullable List<String> permissions,
      @Option(
              names = "--prefix",
              paramLabel = "TEXT",
              description =
                  "Allow only keys that begin with this, and no command over all keys; may be given"
                      + " several times.")
          @Nullable List<String> prefixes) {
    UsersFile users = Files.exists(file) ? UsersFile.read(file) : UsersFile.empty(file);
    if (users.has(name)) {
      throw new InvalidRequestException(
          "user '"
              + name
              + "' is in "
              + file
              + " already: change the password with 'users passwd'");
    }
    Set<Permission> allowed = EnumSet.noneOf(Permission.class);
    if (permissions == null) {
      allowed.addAll(EnumSet.allOf(Permission.class));
    } else {
      permissions.forEach(word -> allowed.add(UsersFile.permission(word)));
    }
    PasswordHash password = password(name, passwordFile);
    users.put(new User(name, password, allowed, prefixes == null ? List.of() : prefixes));
    users.write();
    return ExitCodes.OK;
  }

  @Command(
      name = "passwd",
      header = "Change a user's password.",
      footer = {"", "Example:", "  capsule users passwd alice --users users.toml"})
  int passwd(
      @Parameters(paramLabel = "NAME", description = "The user's name.") String name,
      @Option(names = "--users", paramLabel = "FILE", required = true, description = FILE_HELP)
          Path file,
      @Option(names = "--password-file", paramLabel = "FILE", description = PASSWORD_HELP)
          @Nullable String passwordFile) {
    UsersFile users = UsersFile.read(file);
    User user = users.user(name);
    users.put(user.withPassword(password(name, passwordFile)));
    users.write();
    return ExitCodes.OK;
  }

  @Command(
      name = "remove",
      header = "Remove a user.",
      footer = {"", "Example:", "  capsule users remove alice --users users.toml"})
  int remove(
      @Parameters(paramLabel = "NAME", description = "The user's name.") String name,
      @Option(names = "--users", paramLabel = "FILE", required = true, description = FILE_HELP)
          Path file) {
    UsersFile users = UsersFile.read(file);
    users.remove(name);
    users.write();
    return ExitCodes.OK;
  }

  @Command(
      name = "list",
      header = "List the users; passwords are not shown.",
      footer = {"", "Example:", "  capsule users list --users users.toml --json"})
  int list(
      @Option(names = "--users", paramLabel = "FILE", required = true, description = FILE_HELP)
          Path file,
      @Option(names = "--json", description = "Print one JSON object a line.") boolean json) {
    PrintStream out = context.streams().out();
    for (User user : UsersFile.read(file).users()) {
      if (json) {
        JsonLine.print(
            out,
            fields -> {
              fields.writeStringField("name", user.name());
              fields.writeArrayFieldStart("permissions");
              for (String permission : user.permissionNames()) {
                fields.writeString(permission);
              }
              fields.writeEndArray();
              fields.writeArrayFieldStart("prefixes");
              for (String prefix : user.prefixes()) {
                fields.writeString(prefix);
              }
              fields.writeEndArray();
            });
      } else {
        out.println(
            user.name()
                + ": "
                + (user.permissions().isEmpty()
                    ? "nothing"
                    : String.join(", ", user.permissionNames()))
                + (user.prefixes().isEmpty()
                    ? ", every key"
                    : ", keys that begin with " + String.join(", ", user.prefixes())));
      }
    }
    return ExitCodes.OK;
  }

  private PasswordHash password(String name, @Nullable String passwordFile) {
    try (SecretBytes password = readPassword(name, passwordFile)) {
      if (password.length() > PasswordHash.MAX_PASSWORD_BYTES) {
        throw new InvalidRequestException(
            "the password is longer than " + PasswordHash.MAX_PASSWORD_BYTES + " bytes");
      }
      return PasswordHash.create(password.expose(), new SystemEntropy());
    }
  }

  private SecretBytes readPassword(String name, @Nullable String passwordFile) {
    if (passwordFile == null && SecretInput.canPrompt()) {
      return SecretInput.promptTwice("password of " + name);
    }
    return SecretInput.firstLine(
        passwordFile == null ? "-" : passwordFile, context.streams().in(), "password");
  }
}
