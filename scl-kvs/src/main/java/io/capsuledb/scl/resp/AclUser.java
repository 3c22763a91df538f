package io.capsuledb.scl.resp;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.scl.resp.AclUsers.Permission;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One user: a name, a password's hash, and what it allows. Immutable. */
final class AclUser {

  private final String name;
  private final @Nullable PasswordHash password;
  private final Set<Permission> permissions;
  private final List<String> prefixes;
  private final byte[][] prefixBytes;

  /** Whether nothing at all needs to be checked. */
  private final boolean unrestricted;

  AclUser(
      String name,
      @Nullable PasswordHash password,
      Set<Permission> permissions,
      List<String> prefixes) {
    this.name = name;
    this.password = password;
    this.permissions =
        permissions.isEmpty() ? EnumSet.noneOf(Permission.class) : EnumSet.copyOf(permissions);
    this.prefixes = List.copyOf(prefixes);
    this.prefixBytes =
        prefixes.stream().map(p -> p.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
    this.unrestricted = this.permissions.size() == Permission.values().length && prefixes.isEmpty();
  }

  String name() {
    return name;
  }

  /** The hash; only for users that were configured, which all have one. */
  PasswordHash requiredPassword() {
    return Objects.requireNonNull(password);
  }

  boolean hasPassword() {
    return password != null;
  }

  boolean may(Permission permission) {
    return permissions.contains(permission);
  }

  List<String> prefixes() {
    return prefixes;
  }

  /**
   * Lets a command pass.
   *
   * @throws CommandException if this user may not run it, or not with these keys
   */
  void authorize(CommandSpec spec, byte[][] arguments) {
    if (unrestricted) {
      return;
    }
    boolean reads = spec.has(Flag.READ);
    boolean writes = spec.has(Flag.WRITE);
    if ((reads && !may(Permission.READ))
        || (writes && !may(Permission.WRITE))
        || (spec.has(Flag.ADMIN) && !may(Permission.ADMIN))) {
      throw denied(spec.name().toLowerCase(Locale.ROOT));
    }
    // What a procedure touches is checked when it does.
    if ((reads || writes) && prefixBytes.length > 0 && !spec.has(Flag.PROCEDURE)) {
      if (spec.firstKey() == 0) {
        // KEYS, SCAN, FLUSHALL and the like would reach beyond the prefixes.
        throw denied(spec.name().toLowerCase(Locale.ROOT));
      }
      authorizeKeys(spec, arguments);
    }
  }

  private void authorizeKeys(CommandSpec spec, byte[][] arguments) {
    int last = spec.lastKey() >= 0 ? spec.lastKey() : arguments.length + spec.lastKey();
    for (int i = spec.firstKey(); i <= last && i < arguments.length; i += spec.keyStep()) {
      if (!coversKey(arguments[i])) {
        throw new CommandException("NOPERM No permissions to access a key");
      }
    }
  }

  private boolean coversKey(byte[] key) {
    for (byte[] prefix : prefixBytes) {
      if (key.length >= prefix.length
          && java.util.Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Lets a procedure that this user called touch a key, or all keys that begin with it.
   *
   * @throws DeniedException if this user may not
   */
  void requireKey(byte[] key, Permission permission) {
    if (!unrestricted && (!may(permission) || (prefixBytes.length > 0 && !coversKey(key)))) {
      throw new DeniedException("No permissions to access a key");
    }
  }

  /** Whether this user may administer the server. */
  boolean mayAdminister() {
    return may(Permission.ADMIN);
  }

  /**
   * Lets an administrative command pass.
   *
   * @param command lower case, with a bar before a subcommand
   */
  void requireAdmin(String command) {
    if (!may(Permission.ADMIN)) {
      throw denied(command);
    }
  }

  private CommandException denied(String command) {
    return new CommandException(
        "NOPERM User " + name + " has no permissions to run the '" + command + "' command");
  }

  @Override
  public String toString() {
    return "AclUser[" + name + "]";
  }
}
