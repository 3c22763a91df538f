package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Manifest;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.TreeReader;
import io.capsuledb.engine.merge.MergeOperator;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Whether a manifest's frontier is too high: whether operations that it says are in its tables are
 * not, so that nobody would ever replay them.
 *
 * <p>What was covered is released soon after, and nobody can tell any more what it was. So what can
 * be checked is the newest of what is covered, back to the first record without its payload. The
 * newest operation on each key has to be what the tables have, or something newer.
 *
 * <p>Memory: the keys of at most {@link #MAX_OPERATIONS} operations. One thread.
 */
final class CoverageCheck {

  /** Operations looked at; what is older is not. */
  private static final int MAX_OPERATIONS = 1 << 20;

  /** Hears of a record that is not covered. */
  @FunctionalInterface
  interface Problems {
    /** In {@code where}, something is wrong. */
    void found(String where, Rejection rejection);
  }

  /** One operation; a CLEAR has no key. */
  private static final class Operation {
    private final byte @Nullable [] key;
    private final boolean isPut;
    private final Version version;

    Operation(byte @Nullable [] key, boolean isPut, Version version) {
      this.key = key;
      this.isPut = isPut;
      this.version = version;
    }
  }

  private final CapsuleName name;
  private final KeyRing keys;
  private final RecordStore store;
  private final Problems problems;
  private final Set<ByteBuffer> seen = new HashSet<>();

  CoverageCheck(CapsuleName name, KeyRing keys, RecordStore store, Problems problems) {
    this.name = name;
    this.keys = keys;
    this.store = store;
    this.problems = problems;
  }

  /**
   * Checks a manifest whose tables were found to be in order.
   *
   * @param firstLamport when a writer's chain began
   */
  void run(Manifest manifest, LongUnaryOperator firstLamport) {
    List<Chain> chains = new ArrayList<>();
    for (Chain chain : manifest.frontier()) {
      if (!chain.isTree()) {
        chains.add(chain);
      }
    }
    chains.sort(Comparator.comparingLong(Chain::lamport).reversed());
    Version cleared = manifest.clears().isEmpty() ? null : manifest.clears().getLast();
    try (TreeReader tables = new TreeReader(name, keys, store, manifest);
        RecordOpener opener = new RecordOpener(name, keys)) {
      boolean whole = true;
      for (int i = 0; i < chains.size() && whole; i++) {
        Chain chain = chains.get(i);
        // Chains that were written side by side have no order here in which one could go back.
        whole =
            (i + 1 == chains.size()
                    || chains.get(i + 1).lamport() < firstLamport.applyAsLong(chain.writer()))
                && chain(chain, tables, opener, cleared);
      }
    } catch (IntegrityException unreadable) {
      // All of it was read before: an engine is at work and has released it meanwhile.
      seen.clear();
    }
  }

  /** Goes back along a chain; returns whether to go on with the chain before. */
  private boolean chain(
      Chain chain, TreeReader tables, RecordOpener opener, @Nullable Version cleared) {
    for (long sequence = chain.sequence(); sequence > 1; sequence--) {
      byte[] bytes = store.read(chain.writer(), sequence);
      if (bytes == null || RecordCodec.isStub(bytes)) {
        return false;
      }
      if (RecordCodec.typeOf(bytes) != RecordType.DATA) {
        continue;
      }
      CapsuleRecord record = RecordCodec.decode(name, bytes).orThrow();
      if (!(opener.open(record) instanceof Decoded.Accepted<byte[]>(byte[] payload))) {
        return false;
      }
      Operations operations = new Operations(record.header().lamport(), record.header().writer());
      if (BatchCodec.decode(payload, operations) != null
          || !check(record, operations.list, tables, cleared)) {
        return false;
      }
    }
    return true;
  }

  /** Checks the operations of one record, newest first; returns whether to go on before it. */
  private boolean check(
      CapsuleRecord record,
      List<Operation> operations,
      TreeReader tables,
      @Nullable Version cleared) {
    long missing = 0;
    boolean more = true;
    for (Operation operation : operations.reversed()) {
      byte[] key = operation.key;
      if (key == null
          || (cleared != null && operation.version.compareTo(cleared) < 0)
          || seen.size() == MAX_OPERATIONS) {
        more = false;
        break;
      }
      if (seen.add(ByteBuffer.wrap(key))) {
        missing += isMissed(operation, tables.newest(key)) ? 1 : 0;
      }
    }
    if (missing > 0) {
      problems.found(
          record.toString(),
          Rejection.of(
              Reason.PAYLOAD,
              missing
                  + " of its operations are not in the tables, though the newest manifest's"
                  + " frontier says so"));
    }
    return more;
  }

  /** Whether the tables show the state before an operation that is the newest on its key. */
  private static boolean isMissed(Operation operation, @Nullable Entry newest) {
    if (newest == null) {
      return operation.isPut;
    }
    return newest.version().compareTo(operation.version) < 0
        && (operation.isPut || !newest.isTombstone());
  }

  /** The operations of a record. What expires may be gone, like a deletion. */
  private static final class Operations implements BatchCodec.Visitor {
    private final List<Operation> list = new ArrayList<>();
    private final long firstTime;
    private final long writer;

    Operations(long firstTime, long writer) {
      this.firstTime = firstTime;
      this.writer = writer;
    }

    private void add(byte @Nullable [] key, boolean isPut) {
      int index = list.size();
      list.add(new Operation(key, isPut, new Version(firstTime + index, writer, index)));
    }

    @Override
    public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      add(key, expiryAtMs == 0);
    }

    @Override
    public void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
      // What comes of it may expire with what it was merged into.
      add(key, false);
    }

    @Override
    public void delete(byte[] key) {
      add(key, false);
    }

    @Override
    public void clear() {
      add(null, false);
    }
  }
}
