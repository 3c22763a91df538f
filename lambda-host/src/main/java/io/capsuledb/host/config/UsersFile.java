package io.capsuledb.host.config;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.host.terminal.PrivateFile;
import io.capsuledb.scl.resp.AclUsers;
import io.capsuledb.scl.resp.AclUsers.Permission;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/**
 * The users of a server, in a TOML file that {@code capsule users} keeps:
 *
 * <pre>
 * [[user]]
 * name = "alice"
 * password = "$scrypt$ln=14,r=8,p=5$…$…"
 * permissions = ["read", "write", "admin"]
 * prefixes = ["app:"]
 * </pre>
 *
 * <p>Without {@code prefixes} a user may touch every key. Not thread-safe.
 */
public final class UsersFile {

  private static final String TABLE = "user";
  private static final Set<String> FIELDS = Set.of("name", "password", "permissions", "prefixes");

  private static final String HEADER =
      "# Users of a CapsuleDB server, kept with 'capsule users'. Passwords are salted hashes.\n";

  /**
   * A user.
   *
   * @param name who it is
   * @param password the password's hash
   * @param permissions what the user may do
   * @param prefixes what keys must begin with; empty: every key is allowed
   */
  public record User(
      String name, PasswordHash password, Set<Permission> permissions, List<String> prefixes) {

    /** Copies what may change. */
    public User {
      permissions = Set.copyOf(permissions);
      prefixes = List.copyOf(prefixes);
    }

    /** This user with another password. */
    public User withPassword(PasswordHash other) {
      return new User(name, other, permissions, prefixes);
    }

    /** The permissions in lower case, in a fixed order. */
    public List<String> permissionNames() {
      List<String> names = new ArrayList<>();
      for (Permission permission : Permission.values()) {
        if (permissions.contains(permission)) {
          names.add(permission.name().toLowerCase(Locale.ROOT));
        }
      }
      return names;
    }
  }

  private final Path path;
  private final Map<String, User> users = new LinkedHashMap<>();

  private UsersFile(Path path) {
    this.path = path;
  }

  /** A file without users, not written yet. */
  public static UsersFile empty(Path path) {
    return new UsersFile(path);
  }

  /**
   * Reads a file.
   *
   * @throws InvalidRequestException if it cannot be read, or is not such a file; the message says
   *     where
   */
  public static UsersFile read(Path path) {
    TomlParseResult toml = ServeOptionsFile.parse(path);
    UsersFile file = new UsersFile(path);
    for (String key : toml.keySet()) {
      if (!key.equals(TABLE)) {
        throw wrong(path, toml.inputPositionOf(List.of(key)), "there is no '" + key + "' here");
      }
    }
    TomlArray tables = array(path, toml, TABLE);
    for (int i = 0; i < tables.size(); i++) {
      if (!(tables.get(i) instanceof TomlTable table)) {
        throw wrong(path, tables.inputPositionOf(i), "a user is a table: [[user]]");
      }
      TomlPosition at = tables.inputPositionOf(i);
      User user = user(path, table, at);
      if (file.users.putIfAbsent(user.name(), user) != null) {
        throw wrong(path, at, "user '" + user.name() + "' is there twice");
      }
    }
    file.toAclUsers();
    return file;
  }

  private static User user(Path path, TomlTable table, TomlPosition at) {
    for (String key : table.keySet()) {
      if (!FIELDS.contains(key)) {
        throw wrong(
            path, table.inputPositionOf(List.of(key)), "a user has no '" + key + "': " + FIELDS);
      }
    }
    String name = string(path, table, "name", at);
    PasswordHash password =
        switch (PasswordHash.parse(string(path, table, "password", at))) {
          case Decoded.Accepted<PasswordHash>(PasswordHash hash) -> hash;
          case Decoded.Rejected<PasswordHash>(Rejection rejection) ->
              throw wrong(path, table.inputPositionOf(List.of("password")), rejection.detail());
        };
    EnumSet<Permission> permissions = EnumSet.noneOf(Permission.class);
    for (String word : strings(path, table, "permissions")) {
      permissions.add(permission(word));
    }
    return new User(name, password, permissions, strings(path, table, "prefixes"));
  }

  /**
   * The permission of a name in files and on the command line.
   *
   * @throws InvalidRequestException if there is none
   */
  public static Permission permission(String word) {
    for (Permission permission : Permission.values()) {
      if (permission.name().toLowerCase(Locale.ROOT).equals(word)) {
        return permission;
      }
    }
    throw new InvalidRequestException(
        "'" + word + "' is no permission: allowed are read, write and admin");
  }

  private static String string(Path path, TomlTable table, String key, TomlPosition at) {
    if (table.get(List.of(key)) instanceof String value) {
      return value;
    }
    throw wrong(path, at, "the user has no string '" + key + "'");
  }

  private static List<String> strings(Path path, TomlTable table, String key) {
    TomlArray array = array(path, table, key);
    List<String> strings = new ArrayList<>();
    for (int i = 0; i < array.size(); i++) {
      if (!(array.get(i) instanceof String value)) {
        throw wrong(path, array.inputPositionOf(i), "'" + key + "' holds something but strings");
      }
      strings.add(value);
    }
    return strings;
  }

  private static TomlArray array(Path path, TomlTable table, String key) {
    return switch (table.get(List.of(key))) {
      case TomlArray array -> array;
      case null -> Toml.parse("none = []").getArrayOrEmpty("none");
      default ->
          throw wrong(path, table.inputPositionOf(List.of(key)), "'" + key + "' is no array");
    };
  }

  private static InvalidRequestException wrong(
      Path path, @Nullable TomlPosition at, String message) {
    return new InvalidRequestException(
        path + (at == null ? "" : ", line " + at.line()) + ": " + message);
  }

  /** Every user, in the order of the file. */
  public Collection<User> users() {
    return List.copyOf(users.values());
  }

  /**
   * The user of a name.
   *
   * @throws InvalidRequestException if there is none
   */
  public User user(String name) {
    User user = users.get(name);
    if (user == null) {
      throw new InvalidRequestException("there is no user '" + name + "' in " + path);
    }
    return user;
  }

  /** Whether there is a user of that name. */
  public boolean has(String name) {
    return users.containsKey(name);
  }

  /** Adds a user, or replaces the one of the same name. */
  public void put(User user) {
    users.put(user.name(), user);
  }

  /**
   * Removes a user.
   *
   * @throws InvalidRequestException if there is none
   */
  public void remove(String name) {
    users.remove(user(name).name());
  }

  /**
   * As the RESP server takes them.
   *
   * @throws InvalidRequestException if a name or a number is not allowed
   */
  public AclUsers toAclUsers() {
    AclUsers.Builder builder = AclUsers.builder();
    for (User user : users.values()) {
      builder.user(user.name(), user.password(), user.permissions(), user.prefixes());
    }
    return builder.build();
  }

  /** Writes the file, readable by its user only, in one step. Comments of others are lost. */
  public void write() {
    toAclUsers();
    StringBuilder text = new StringBuilder(HEADER);
    for (User user : users.values()) {
      text.append("\n[[user]]\nname = ").append(quoted(user.name()));
      text.append("\npassword = ").append(quoted(user.password().encoded()));
      text.append("\npermissions = ").append(quoted(user.permissionNames()));
      if (!user.prefixes().isEmpty()) {
        text.append("\nprefixes = ").append(quoted(user.prefixes()));
      }
      text.append('\n');
    }
    PrivateFile.write(path, text.toString().getBytes(StandardCharsets.UTF_8), true);
  }

  private static String quoted(List<String> values) {
    return "[" + String.join(", ", values.stream().map(UsersFile::quoted).toList()) + "]";
  }

  private static String quoted(String value) {
    return '"' + Toml.tomlEscape(value).toString() + '"';
  }
}
