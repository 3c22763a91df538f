package io.capsuledb.scl.resp;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Snapshot;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.scl.procedure.ProcedureCall;
import io.capsuledb.scl.procedure.ProcedureEngine;
import io.capsuledb.scl.procedure.ProcedureFunction;
import io.capsuledb.scl.procedure.ProcedureLibrary;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The libraries of the capsule, compiled, and the calls that are under way. Thread-safe.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a catalog is immutable, and holds what the capsule held at its fence: changes are committed
 *       first, one after the other, and then replace the catalog;
 *   <li>a function's name belongs to one library;
 *   <li>all libraries together fit one record, so that FLUSHALL and RESTORE can write them at once;
 *   <li>whoever answers from a catalog waits for its fence.
 * </ul>
 */
final class Procedures implements AutoCloseable {

  private static final System.Logger LOG = System.getLogger(Procedures.class.getName());

  /** Written with every change of libraries, so that others notice. No library has such a name. */
  private static final byte[] MARK = ReservedKeys.key(new byte[1]);

  /** What RESTORE does with the libraries that are there. */
  enum RestorePolicy {
    APPEND,
    REPLACE,
    FLUSH
  }

  /**
   * A library.
   *
   * @param stored as the capsule keeps it
   * @param compiled null if it cannot be compiled here
   */
  record Library(StoredLibrary stored, @Nullable ProcedureLibrary compiled) {

    List<ProcedureFunction> functions() {
      return compiled == null ? List.of() : compiled.functions();
    }
  }

  /** A function and where it comes from. */
  record Bound(ProcedureLibrary library, ProcedureFunction function, Pace pace) {}

  /**
   * Whether calls of a function are short enough for an event loop: one that was not, or that
   * others spoilt, has the next ones run on the pool. Thread-safe; a call counted wrong does no
   * harm.
   */
  static final class Pace {
    private static final int CALLS = 64;
    private volatile int onPool;

    /** Whether the next call may be tried on the event loop. */
    boolean isShort() {
      int left = onPool;
      if (left > 0) {
        onPool = left - 1;
        return false;
      }
      return true;
    }

    /** It took too long. */
    void wasLong() {
      onPool = CALLS;
    }
  }

  /**
   * Everything that is loaded.
   *
   * @param libraries by name
   * @param functions by name
   * @param fence Lamport time of the newest change
   * @param mark Lamport time of the mark that changes leave, 0 if there is none
   */
  record Catalog(
      Map<String, Library> libraries, Map<String, Bound> functions, long fence, long mark) {

    /** All libraries, by name. */
    Collection<Library> all() {
      return libraries.values();
    }
  }

  /** A call under way. */
  static final class Running {
    private final String function;
    private final ProcedureCall call;
    private final long sinceNanos;
    private volatile boolean killed;

    private Running(String function, ProcedureCall call, long sinceNanos) {
      this.function = function;
      this.call = call;
      this.sinceNanos = sinceNanos;
    }

    String function() {
      return function;
    }

    long sinceNanos() {
      return sinceNanos;
    }

    /** Whether FUNCTION KILL stopped it. */
    boolean killed() {
      return killed;
    }
  }

  private final CapsuleDb db;
  private final ProcedureEngine engine;
  private final Clock clock;
  private final FunctionLogs logs = new FunctionLogs();
  private final ConcurrentSkipListMap<Long, Running> running = new ConcurrentSkipListMap<>();
  private final AtomicLong calls = new AtomicLong();
  private volatile Catalog catalog = new Catalog(Map.of(), Map.of(), 0, 0);
  private final @Nullable Sharing sharing;
  private final CallLocks.Local localLocks = new CallLocks.Local();

  Procedures(CapsuleDb db, ProcedureEngine engine, Clock clock, @Nullable Sharing sharing) {
    this.db = db;
    this.engine = engine;
    this.clock = clock;
    this.sharing = sharing;
  }

  /** Whether other workers share the capsule. */
  boolean shared() {
    return sharing != null;
  }

  /** Locks for one call, none of them taken yet. */
  CallLocks locks() {
    return new CallLocks(sharing, localLocks, clock);
  }

  CapsuleDb db() {
    return db;
  }

  Clock clock() {
    return clock;
  }

  FunctionLogs logs() {
    return logs;
  }

  ProcedureEngine engine() {
    return engine;
  }

  Catalog catalog() {
    return catalog;
  }

  // ------------------------------------------------------------------ libraries

  private static byte[] key(String library) {
    return ReservedKeys.key(library.getBytes(StandardCharsets.US_ASCII));
  }

  /** Compiles what the capsule holds. What cannot be compiled stays, and is said to the log. */
  synchronized void open() {
    refresh();
    int count = catalog.libraries().size();
    if (count > 0) {
      LOG.log(System.Logger.Level.INFO, "event=library.loaded count={0}", count);
    }
  }

  /**
   * Whether another worker has changed the libraries since the catalog was made. Cheap: one key is
   * looked at, the mark that each change leaves in its record.
   */
  boolean isStale() {
    return sharing != null && mark(db.describe(MARK)) != catalog.mark();
  }

  private static long mark(Lookup lookup) {
    return lookup.found() ? lookup.fence() : 0;
  }

  /** Takes over what others have changed. Compiles, so not on an event loop. */
  synchronized void refresh() {
    Catalog old = catalog;
    Map<String, Library> libraries = new TreeMap<>();
    long fence;
    long mark;
    try (Snapshot snapshot = db.snapshot()) {
      fence = snapshot.time();
      mark = mark(snapshot.get(MARK));
      for (byte[] key : keys(snapshot)) {
        Lookup lookup = snapshot.get(key);
        switch (LibraryCodec.decode(lookup.value())) {
          case Decoded.Accepted<StoredLibrary>(StoredLibrary stored) -> {
            Library known = old.libraries().get(stored.name());
            libraries.put(
                stored.name(),
                known != null && known.stored().equals(stored)
                    ? known
                    : new Library(stored, compileStored(stored)));
          }
          case Decoded.Rejected<StoredLibrary>(var rejection) ->
              LOG.log(System.Logger.Level.WARNING, "event=library.rejected reason={0}", rejection);
        }
      }
    }
    Catalog made;
    try {
      made = catalogOf(libraries, libraries.isEmpty() ? 0 : fence, mark);
    } catch (CommandException e) {
      // Not by commands: they see to it. What was there goes on.
      LOG.log(System.Logger.Level.WARNING, "event=library.clash detail={0}", e.getMessage());
      made = new Catalog(old.libraries(), old.functions(), fence, mark);
    }
    catalog = made;
    logs.keepOnly(made.functions().keySet());
    for (Library library : libraries.values()) {
      if (!library.equals(made.libraries().get(library.stored().name()))) {
        close(library);
      }
    }
    for (Library library : old.all()) {
      if (!library.equals(made.libraries().get(library.stored().name()))) {
        close(library);
      }
    }
  }

  /** Has no other worker change libraries, and knows what they are. To be closed. */
  private CallLocks changing() {
    CallLocks locks = locks();
    if (sharing == null) {
      return locks;
    }
    boolean ready = false;
    try {
      locks.acquire(List.of(MARK));
      if (isStale()) {
        refresh();
      }
      ready = true;
      return locks;
    } finally {
      if (!ready) {
        locks.close();
      }
    }
  }

  private static List<byte[]> keys(Snapshot snapshot) {
    List<byte[]> keys = new ArrayList<>();
    byte[] at = ReservedKeys.prefix();
    while (at != null && keys.size() < LibraryLayout.MAX_LIBRARIES) {
      at =
          snapshot.walk(
              at,
              LibraryLayout.MAX_LIBRARIES,
              (key, type) -> {
                if (ReservedKeys.isReserved(key) && !Arrays.equals(key, MARK)) {
                  keys.add(key);
                }
              });
      if (at != null && !ReservedKeys.isReserved(at)) {
        at = null;
      }
    }
    return keys;
  }

  private @Nullable ProcedureLibrary compileStored(StoredLibrary stored) {
    if (engine.unavailable() != null) {
      return null;
    }
    try {
      return compile(LibraryHeader.of(stored.code()));
    } catch (CommandException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "event=library.not_compiled library={0} detail={1}",
          stored.name(),
          e.getMessage());
      return null;
    }
  }

  private ProcedureLibrary compile(LibraryHeader header) {
    try {
      return engine.load(header.name(), header.source());
    } catch (InvalidRequestException e) {
      throw new CommandException("ERR Error compiling function: " + e.getMessage());
    }
  }

  /**
   * Puts a catalog together.
   *
   * @throws CommandException if two libraries have a function of one name
   */
  private static Catalog catalogOf(Map<String, Library> libraries, long fence, long mark) {
    Map<String, Bound> functions = new HashMap<>();
    for (Library library : libraries.values()) {
      ProcedureLibrary compiled = library.compiled();
      if (compiled != null) {
        for (ProcedureFunction function : compiled.functions()) {
          if (functions.put(function.name(), new Bound(compiled, function, new Pace())) != null) {
            throw new CommandException("ERR Function " + function.name() + " already exists");
          }
        }
      }
    }
    return new Catalog(
        Collections.unmodifiableMap(new TreeMap<>(libraries)), Map.copyOf(functions), fence, mark);
  }

  /**
   * Loads a library.
   *
   * @param user who does
   * @return the library's name; it is durable when the catalog's fence is
   */
  synchronized String load(String code, boolean replace, String user) {
    LibraryHeader header = LibraryHeader.of(code);
    try (CallLocks locks = changing()) {
      return load(locks, header, code, replace, user);
    }
  }

  private String load(
      CallLocks locks, LibraryHeader header, String code, boolean replace, String user) {
    Library old = catalog.libraries().get(header.name());
    if (old != null && !replace) {
      throw new CommandException("ERR Library '" + header.name() + "' already exists");
    }
    Map<String, Library> libraries = new TreeMap<>(catalog.libraries());
    StoredLibrary stored = stored(header.name(), code, user, old);
    ProcedureLibrary compiled = compile(header);
    boolean kept = false;
    try {
      libraries.put(header.name(), new Library(stored, compiled));
      replaceBy(locks, libraries, List.of(stored), List.of());
      kept = true;
    } finally {
      if (!kept) {
        compiled.close();
      }
    }
    if (old != null && old.compiled() != null) {
      old.compiled().close();
    }
    return header.name();
  }

  private StoredLibrary stored(String name, String code, String user, @Nullable Library old) {
    return new StoredLibrary(
        name,
        old == null ? 1 : old.stored().version() + 1,
        Math.max(0, clock.wallMs()),
        user,
        code);
  }

  /** Commits a change, then makes it the catalog. */
  private void replaceBy(
      CallLocks locks,
      Map<String, Library> libraries,
      List<StoredLibrary> written,
      List<String> removed) {
    if (libraries.size() > LibraryLayout.MAX_LIBRARIES) {
      throw new CommandException("ERR too many libraries: at most " + LibraryLayout.MAX_LIBRARIES);
    }
    long bytes = 0;
    for (Library library : libraries.values()) {
      bytes += LibraryCodec.encode(library.stored()).length;
    }
    if (bytes > LibraryLayout.MAX_TOTAL_BYTES) {
      throw new CommandException(
          "ERR all libraries together have at most " + LibraryLayout.MAX_TOTAL_BYTES + " bytes");
    }
    // Refuses what cannot be before anything is written.
    Catalog checked = catalogOf(libraries, 0, 0);
    long fence;
    locks.wrote();
    try (Transaction transaction = db.begin()) {
      removed.forEach(name -> transaction.delete(key(name)));
      for (StoredLibrary library : written) {
        transaction.put(
            key(library.name()), ValueType.STRING, LibraryCodec.encode(library), Expiry.NEVER);
      }
      // Last, so that its time is that of the commit.
      transaction.put(MARK, ValueType.STRING, new byte[0], Expiry.NEVER);
      fence = Math.max(catalog.fence(), transaction.commit());
    }
    catalog = new Catalog(checked.libraries(), checked.functions(), fence, fence);
    logs.keepOnly(checked.functions().keySet());
  }

  /** Removes a library. */
  synchronized void delete(String name) {
    try (CallLocks locks = changing()) {
      Map<String, Library> libraries = new TreeMap<>(catalog.libraries());
      Library removed = libraries.remove(name);
      if (removed == null) {
        throw new CommandException("ERR Library not found");
      }
      replaceBy(locks, libraries, List.of(), List.of(name));
      close(removed);
    }
  }

  /** Removes all libraries. */
  synchronized void flush() {
    try (CallLocks locks = changing()) {
      Catalog old = catalog;
      if (!old.libraries().isEmpty()) {
        replaceBy(locks, Map.of(), List.of(), List.copyOf(old.libraries().keySet()));
        old.all().forEach(Procedures::close);
      }
    }
  }

  /** Loads the libraries of a dump, all or none. */
  synchronized void restore(byte[] payload, RestorePolicy policy, String user) {
    List<StoredLibrary> dumped = dumped(payload);
    try (CallLocks locks = changing()) {
      restore(locks, dumped, policy, user);
    }
  }

  private void restore(
      CallLocks locks, List<StoredLibrary> dumped, RestorePolicy policy, String user) {
    Catalog old = catalog;
    Map<String, Library> libraries =
        new TreeMap<>(policy == RestorePolicy.FLUSH ? Map.of() : old.libraries());
    List<Library> fresh = new ArrayList<>();
    boolean kept = false;
    try {
      for (StoredLibrary one : dumped) {
        if (policy == RestorePolicy.APPEND && libraries.containsKey(one.name())) {
          throw new CommandException("ERR Library " + one.name() + " already exists");
        }
        LibraryHeader header = LibraryHeader.of(one.code());
        if (!header.name().equals(one.name())) {
          throw badPayload();
        }
        StoredLibrary stored =
            stored(one.name(), one.code(), user, old.libraries().get(one.name()));
        Library library = new Library(stored, compile(header));
        fresh.add(library);
        libraries.put(one.name(), library);
      }
      List<String> removed =
          old.libraries().keySet().stream().filter(name -> !libraries.containsKey(name)).toList();
      if (!fresh.isEmpty() || !removed.isEmpty()) {
        replaceBy(locks, libraries, fresh.stream().map(Library::stored).toList(), removed);
      }
      kept = true;
    } finally {
      if (!kept) {
        fresh.forEach(Procedures::close);
      }
    }
    for (Library library : old.all()) {
      String name = library.stored().name();
      boolean replaced = dumped.stream().anyMatch(one -> one.name().equals(name));
      if (replaced || !libraries.containsKey(name)) {
        close(library);
      }
    }
  }

  private static List<StoredLibrary> dumped(byte[] payload) {
    return switch (LibraryCodec.restore(payload)) {
      case Decoded.Accepted<List<StoredLibrary>>(List<StoredLibrary> libraries) -> libraries;
      case Decoded.Rejected<List<StoredLibrary>> _ -> throw badPayload();
    };
  }

  private static CommandException badPayload() {
    return new CommandException("ERR DUMP payload version or checksum are wrong");
  }

  private static void close(Library library) {
    ProcedureLibrary compiled = library.compiled();
    if (compiled != null) {
      compiled.close();
    }
  }

  /**
   * What FLUSHALL writes back in its own transaction, before it clears: key and value in turn.
   *
   * @throws IntegrityException if a block is damaged
   */
  static List<byte[]> reservedEntries(Transaction transaction) {
    List<byte[]> keys = new ArrayList<>();
    byte[] at = ReservedKeys.prefix();
    while (at != null) {
      at =
          transaction.walk(
              at,
              LibraryLayout.MAX_LIBRARIES,
              (key, type) -> {
                if (ReservedKeys.isReserved(key)) {
                  keys.add(key);
                }
              });
      if (at != null && !ReservedKeys.isReserved(at)) {
        at = null;
      }
    }
    List<byte[]> entries = new ArrayList<>();
    for (byte[] key : keys) {
      entries.add(key);
      entries.add(transaction.get(key).value());
    }
    return entries;
  }

  // ------------------------------------------------------------------ calls

  /** Notes that a call begins; {@link #ended} follows in any case. */
  long began(String function, ProcedureCall call) {
    long id = calls.incrementAndGet();
    running.put(id, new Running(function, call, clock.monotonicNanos()));
    return id;
  }

  /** Notes that a call ended. */
  void ended(long id) {
    running.remove(id);
  }

  /** Whether a call was stopped by {@link #kill}. */
  boolean killed(long id) {
    Running one = running.get(id);
    return one != null && one.killed();
  }

  /** The call that has run longest, or null if none runs. */
  @Nullable Running longestRunning() {
    Map.Entry<Long, Running> first = running.firstEntry();
    return first == null ? null : first.getValue();
  }

  /** Stops the call that has run longest; false if none runs. */
  boolean kill() {
    for (Running one : running.values()) {
      if (!one.killed) {
        one.killed = true;
        one.call.cancel();
        return true;
      }
    }
    return false;
  }

  /** Stops all calls and frees all libraries. */
  @Override
  public synchronized void close() {
    for (Running one : running.values()) {
      one.call.cancel();
    }
    catalog.all().forEach(Procedures::close);
    catalog = new Catalog(Map.of(), Map.of(), catalog.fence(), catalog.mark());
  }
}
