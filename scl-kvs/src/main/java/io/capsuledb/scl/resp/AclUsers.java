package io.capsuledb.scl.resp;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.error.InvalidRequestException;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Who may connect, and what each may do. Immutable and thread-safe.
 *
 * <p>Without any user the server asks for no password and everybody may do everything; that is only
 * allowed on loopback addresses. With users, a connection may do nothing until it authenticates;
 * {@code AUTH password} means the user {@code default}.
 */
public final class AclUsers {

  /** No users: everybody may do everything. */
  public static final AclUsers NONE = builder().build();

  /** The user that {@code AUTH password} means. */
  public static final String DEFAULT_USER = "default";

  /** Longest user name, in characters. */
  public static final int MAX_NAME_CHARS = 64;

  /** Most users. */
  public static final int MAX_USERS = 10_000;

  /** Most key prefixes of a user. */
  public static final int MAX_PREFIXES = 64;

  /** What a user may do. */
  public enum Permission {
    /** Run commands that read keys. */
    READ,
    /** Run commands that change keys, also those that reply with what the key held. */
    WRITE,
    /** Configure and stop the server, and look at and close other connections. */
    ADMIN
  }

  /** Everybody, where there are no users. */
  static final AclUser EVERYBODY =
      new AclUser(DEFAULT_USER, null, EnumSet.allOf(Permission.class), List.of());

  private final Map<String, AclUser> users;

  private AclUsers(Map<String, AclUser> users) {
    this.users = new LinkedHashMap<>(users);
  }

  /** Collects users. */
  public static Builder builder() {
    return new Builder();
  }

  /** Whether there are none. */
  public boolean isEmpty() {
    return users.isEmpty();
  }

  /** How many there are. */
  public int size() {
    return users.size();
  }

  @Nullable AclUser user(String name) {
    return users.get(name);
  }

  /** Every user; where there are none, the one that stands for everybody. */
  Collection<AclUser> all() {
    return users.isEmpty() ? List.of(EVERYBODY) : users.values();
  }

  /** The hash that takes longest to verify, or null if there are no users. */
  @Nullable PasswordHash costliestHash() {
    return users.values().stream()
        .map(AclUser::requiredPassword)
        .max(Comparator.comparingLong(PasswordHash::cost))
        .orElse(null);
  }

  @Override
  public String toString() {
    return "AclUsers[" + users.size() + "]";
  }

  /** Collects users; not thread-safe. */
  public static final class Builder {
    private final Map<String, AclUser> users = new LinkedHashMap<>();

    private Builder() {}

    /**
     * Adds a user that may touch every key.
     *
     * @param name 1 to {@value #MAX_NAME_CHARS} printable ASCII characters without space
     * @param password the password's hash
     * @param permissions what the user may do
     * @throws InvalidRequestException naming what is wrong with which user
     */
    public Builder user(String name, PasswordHash password, Set<Permission> permissions) {
      return user(name, password, permissions, List.of());
    }

    /**
     * Adds a user that may touch only keys that begin with one of {@code prefixes}, and run no
     * command over all keys.
     *
     * @param name 1 to {@value #MAX_NAME_CHARS} printable ASCII characters without space
     * @param password the password's hash
     * @param permissions what the user may do
     * @param prefixes UTF-8, at most {@value #MAX_PREFIXES}; none means every key
     * @throws InvalidRequestException naming what is wrong with which user
     */
    public Builder user(
        String name, PasswordHash password, Set<Permission> permissions, List<String> prefixes) {
      if (name.isEmpty()
          || name.length() > MAX_NAME_CHARS
          || !name.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
        throw new InvalidRequestException(
            "user name number "
                + (users.size() + 1)
                + " is not allowed; allowed are 1 to "
                + MAX_NAME_CHARS
                + " printable ASCII characters without space");
      }
      if (prefixes.size() > MAX_PREFIXES) {
        throw new InvalidRequestException(
            "user "
                + name
                + " has "
                + prefixes.size()
                + " key prefixes; allowed are at most "
                + MAX_PREFIXES);
      }
      if (users.size() == MAX_USERS) {
        throw new InvalidRequestException(
            "there are more than " + MAX_USERS + " users; allowed are at most " + MAX_USERS);
      }
      if (users.put(name, new AclUser(name, password, permissions, prefixes)) != null) {
        throw new InvalidRequestException("user " + name + " is given twice");
      }
      return this;
    }

    /** The users collected so far. */
    public AclUsers build() {
      return new AclUsers(users);
    }
  }
}
