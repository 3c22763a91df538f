package io.capsuledb.scl.resp;

import org.jspecify.annotations.Nullable;

/**
 * What the server knows about one connection, apart from bytes in flight.
 *
 * <p>Changed only on the connection's event loop. CLIENT LIST on another loop reads it as it is:
 * every field is a primitive or an immutable object, and may be seen a moment late.
 */
final class Session {

  /** CLIENT REPLY. */
  enum ReplyMode {
    ON,
    OFF,
    /** The command that runs now has no reply. */
    SKIPPING,
    /** The next command will have no reply. */
    SKIP_NEXT
  }

  private final long id;
  private final String remoteAddress;
  private final String localAddress;
  private final long createdNanos;
  private final @Nullable AclUser initialUser;
  private final MultiState multi = new MultiState();

  private @Nullable AclUser user;
  private int protocol = 2;
  private String name = "";
  private String libraryName = "";
  private String libraryVersion = "";
  private ReplyMode replyMode = ReplyMode.ON;
  private boolean noEvict;
  private boolean noTouch;
  private long activeNanos;
  private String lastCommand = "NULL";
  private int failedLogins;

  /**
   * A fresh connection.
   *
   * @param initialUser who it acts for without authenticating, or null if it must
   */
  Session(
      long id,
      String remoteAddress,
      String localAddress,
      @Nullable AclUser initialUser,
      long createdNanos) {
    this.id = id;
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
    this.initialUser = initialUser;
    this.user = initialUser;
    this.createdNanos = createdNanos;
    this.activeNanos = createdNanos;
  }

  long id() {
    return id;
  }

  String remoteAddress() {
    return remoteAddress;
  }

  String localAddress() {
    return localAddress;
  }

  long createdNanos() {
    return createdNanos;
  }

  MultiState multi() {
    return multi;
  }

  boolean authenticated() {
    return user != null;
  }

  /**
   * Who the connection acts for.
   *
   * @throws CommandException if nobody yet
   */
  AclUser user() {
    if (user == null) {
      throw new CommandException("NOAUTH Authentication required.");
    }
    return user;
  }

  /** The user's name, or {@code (none)}; from any thread. */
  String userName() {
    AclUser current = user;
    return current == null ? "(none)" : current.name();
  }

  void login(AclUser newUser) {
    this.user = newUser;
    this.failedLogins = 0;
  }

  /** Counts a failed login; returns how many there were in a row. */
  int loginFailed() {
    failedLogins++;
    return failedLogins;
  }

  int protocol() {
    return protocol;
  }

  void protocol(int version) {
    this.protocol = version;
  }

  String name() {
    return name;
  }

  void name(String newName) {
    this.name = newName;
  }

  String libraryName() {
    return libraryName;
  }

  void libraryName(String newName) {
    this.libraryName = newName;
  }

  String libraryVersion() {
    return libraryVersion;
  }

  void libraryVersion(String version) {
    this.libraryVersion = version;
  }

  ReplyMode replyMode() {
    return replyMode;
  }

  void replyMode(ReplyMode mode) {
    this.replyMode = mode;
  }

  boolean noEvict() {
    return noEvict;
  }

  void noEvict(boolean on) {
    this.noEvict = on;
  }

  boolean noTouch() {
    return noTouch;
  }

  void noTouch(boolean on) {
    this.noTouch = on;
  }

  /** When a command was read last. */
  long activeNanos() {
    return activeNanos;
  }

  void activeNanos(long nanos) {
    this.activeNanos = nanos;
  }

  /** Name of the command executed last, upper case. */
  String lastCommand() {
    return lastCommand;
  }

  void lastCommand(String command) {
    this.lastCommand = command;
  }

  /** RESET: as if just connected; the failed logins stay counted. */
  void reset() {
    multi.end();
    multi.unwatch();
    user = initialUser;
    protocol = 2;
    name = "";
    replyMode = ReplyMode.ON;
    noEvict = false;
    noTouch = false;
  }

  /** Memory this connection's state holds on to, in bytes. */
  long heldBytes() {
    return multi.heldBytes();
  }

  @Override
  public String toString() {
    return "Session[" + id + "]";
  }
}
