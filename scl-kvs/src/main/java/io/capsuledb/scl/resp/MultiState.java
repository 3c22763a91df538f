package io.capsuledb.scl.resp;

import io.capsuledb.engine.Lookup;
import java.util.ArrayList;
import java.util.List;

/**
 * What MULTI queued and WATCH watches on one connection.
 *
 * <p>A watched key is remembered by what a lookup said of it: whether it was there, and if so the
 * fence, which is the Lamport time of its last change. Both must be the same at EXEC.
 */
final class MultiState {

  /** Most bytes queued commands may hold: no transaction larger than a record could commit. */
  static final long MAX_QUEUED_BYTES = RespParser.MAX_COMMAND_BYTES;

  /** Most keys one connection watches. */
  static final int MAX_WATCHED_KEYS = 1 << 16;

  /** Most bytes of keys one connection watches. */
  static final long MAX_WATCHED_BYTES = 16L << 20;

  /** What a queued command or watched key costs beyond its arguments. */
  private static final int ENTRY_BYTES = 48;

  /** A queued command. */
  static final class Queued {
    private final CommandTable.Command command;
    private final byte[][] arguments;

    Queued(CommandTable.Command command, byte[][] arguments) {
      this.command = command;
      this.arguments = arguments;
    }

    CommandTable.Command command() {
      return command;
    }

    byte[][] arguments() {
      return arguments;
    }
  }

  /** A watched key as it was when WATCH saw it. */
  static final class Watched {
    private final byte[] key;
    private final boolean found;
    private final long fence;

    Watched(byte[] key, Lookup seen) {
      this.key = key;
      this.found = seen.found();
      this.fence = seen.fence();
    }

    byte[] key() {
      return key;
    }

    /**
     * Whether the key changed; one that expired did. One that was absent and is absent did not,
     * whatever happened between: nobody who saw it absent can tell.
     */
    boolean touched(Lookup now) {
      return now.found() != found || (found && now.fence() != fence);
    }
  }

  private final List<Queued> queue = new ArrayList<>();
  private final List<Watched> watched = new ArrayList<>();
  private boolean open;
  private boolean executing;
  private boolean doomed;
  private long queuedBytes;
  private long watchedBytes;

  /** Whether MULTI was called and commands are queued. */
  boolean open() {
    return open;
  }

  /** Whether EXEC runs the queued commands right now. */
  boolean executing() {
    return executing;
  }

  void executing(boolean running) {
    this.executing = running;
  }

  /** Whether a command was refused since MULTI, so that EXEC must fail. */
  boolean doomed() {
    return doomed;
  }

  void begin() {
    open = true;
  }

  /** EXEC will fail. Without MULTI, nothing. */
  void doom() {
    doomed = open;
  }

  /**
   * Queues a command.
   *
   * @throws CommandException if too much is queued
   */
  void queue(CommandTable.Command command, byte[][] arguments) {
    long bytes = ENTRY_BYTES;
    for (byte[] argument : arguments) {
      bytes += argument.length + RespParser.ARRAY_OVERHEAD_BYTES;
    }
    if (queuedBytes + bytes > MAX_QUEUED_BYTES) {
      throw new CommandException(
          "ERR transaction too large: at most " + MAX_QUEUED_BYTES + " bytes may be queued");
    }
    queuedBytes += bytes;
    queue.add(new Queued(command, arguments));
  }

  /** What is queued; valid until the next change. */
  List<Queued> queued() {
    return queue;
  }

  /** Ends what MULTI began; returns what was queued. */
  List<Queued> end() {
    List<Queued> queued = List.copyOf(queue);
    queue.clear();
    queuedBytes = 0;
    open = false;
    doomed = false;
    return queued;
  }

  /**
   * Watches a key as a lookup saw it.
   *
   * @throws CommandException if too many are watched
   */
  void watch(byte[] key, Lookup seen) {
    long bytes = (long) key.length + ENTRY_BYTES;
    if (watched.size() == MAX_WATCHED_KEYS || watchedBytes + bytes > MAX_WATCHED_BYTES) {
      throw new CommandException(
          "ERR too many watched keys: at most "
              + MAX_WATCHED_KEYS
              + " keys and "
              + MAX_WATCHED_BYTES
              + " bytes");
    }
    watchedBytes += bytes;
    watched.add(new Watched(key, seen));
  }

  /** What is watched; valid until the next change. */
  List<Watched> watched() {
    return watched;
  }

  void unwatch() {
    watched.clear();
    watchedBytes = 0;
  }

  /** How many commands are queued, or -1 without MULTI. */
  int queuedCommands() {
    return open ? queue.size() : -1;
  }

  long heldBytes() {
    return queuedBytes + watchedBytes;
  }
}
