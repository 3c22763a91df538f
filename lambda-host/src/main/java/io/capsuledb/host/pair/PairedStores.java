package io.capsuledb.host.pair;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.RecordStore;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Stores in the other process, which is not trusted: what it says is held to its bounds here, and
 * to everything else by whoever verifies records. Thread-safe.
 */
final class PairedStores implements CapsuleStores {

  private static final int NAME_BYTES = 32;
  private static final int MAX_CAPSULES = 1 << 16;
  private static final int MAX_METADATA_BYTES = 1 << 20;
  private static final int MAX_WRITERS = 1 << 20;
  private static final int MAX_FINDINGS = 1 << 16;
  private static final int MAX_FINDING_BYTES = 64 << 10;

  /** Most records a page of a scan has: the host ends it by their bytes. */
  private static final int MAX_PAGE_RECORDS = 1 << 16;

  private final PairCalls calls;

  PairedStores(PairCalls calls) {
    this.calls = calls;
  }

  @Override
  public RecordStore capsule(byte[] name) {
    return new Paired(name.clone());
  }

  @Override
  public List<byte[]> capsules() {
    PairReader answer = calls.call(PairOp.CAPSULES);
    int count = answer.count(MAX_CAPSULES);
    List<byte[]> names = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      names.add(answer.hash().toBytes());
    }
    answer.end();
    return names;
  }

  @Override
  public long sizeBytes() {
    PairReader answer = calls.call(PairOp.SIZE);
    long bytes = Math.max(0, answer.u64());
    answer.end();
    return bytes;
  }

  @Override
  public void close() {
    // The host closes what it has.
  }

  /** The store of one capsule. */
  private final class Paired implements RecordStore {
    private final byte[] name;

    Paired(byte[] name) {
      if (name.length != NAME_BYTES) {
        throw new IllegalArgumentException("a capsule's name of " + name.length + " bytes");
      }
      this.name = name;
    }

    private PairWriter about() {
      return new PairWriter().hash(Hash32.of(name));
    }

    private void tell(PairOp op, PairWriter body) {
      calls.call(op, body).end();
    }

    private byte @Nullable [] found(PairReader answer, int most) {
      byte[] bytes = answer.bytesOrNull(most);
      answer.end();
      return bytes;
    }

    @Override
    public byte @Nullable [] metadata() {
      return found(calls.call(PairOp.METADATA, about()), MAX_METADATA_BYTES);
    }

    @Override
    public void initialize(byte[] metadata) {
      tell(PairOp.INITIALIZE, about().bytes(metadata));
    }

    @Override
    public void append(List<StoredRecord> batch) {
      tell(PairOp.APPEND, HostStores.write(about(), batch));
    }

    @Override
    public void release(List<StoredRecord> stubs) {
      tell(PairOp.RELEASE, HostStores.write(about(), stubs));
    }

    @Override
    public void truncate(long writer, long after) {
      tell(PairOp.TRUNCATE, about().u64(writer).u64(after));
    }

    @Override
    public void reclaim() {
      tell(PairOp.RECLAIM, about());
    }

    @Override
    public byte @Nullable [] read(long writer, long sequence) {
      return found(
          calls.call(PairOp.READ, about().u64(writer).u64(sequence)), HostStores.MAX_RECORD_BYTES);
    }

    @Override
    public byte @Nullable [] read(Hash32 hash) {
      return found(calls.call(PairOp.READ_HASH, about().hash(hash)), HostStores.MAX_RECORD_BYTES);
    }

    @Override
    public long[] writers() {
      PairReader answer = calls.call(PairOp.WRITERS, about());
      int count = answer.count(MAX_WRITERS);
      List<Long> writers = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        long writer = answer.u64();
        if (i > 0 && Long.compareUnsigned(writers.getLast(), writer) >= 0) {
          throw PairReader.rejected(Rejection.Reason.FIELD_OUT_OF_RANGE, "writers out of order");
        }
        writers.add(writer);
      }
      answer.end();
      return writers.stream().mapToLong(Long::longValue).toArray();
    }

    @Override
    public long newestSequence(long writer) {
      PairReader answer = calls.call(PairOp.NEWEST, about().u64(writer));
      long newest = answer.u64();
      answer.end();
      if (newest < 0) {
        throw PairReader.rejected(Rejection.Reason.FIELD_OUT_OF_RANGE, "sequence " + newest);
      }
      return newest;
    }

    @Override
    public void scan(long writer, long fromSequence, Visitor visitor) {
      long from = fromSequence;
      boolean more = true;
      while (more) {
        PairReader page = calls.call(PairOp.SCAN, about().u64(writer).u64(from));
        int count = page.count(MAX_PAGE_RECORDS);
        more = page.u8() != 0;
        if (more && count == 0) {
          // Else it could keep us asking for ever.
          throw PairReader.rejected(Rejection.Reason.FIELD_OUT_OF_RANGE, "an empty page");
        }
        for (int i = 0; i < count; i++) {
          long sequence = page.u64();
          byte[] bytes = page.bytes(HostStores.MAX_RECORD_BYTES);
          if (sequence < from) {
            throw PairReader.rejected(Rejection.Reason.FIELD_OUT_OF_RANGE, "scan goes back");
          }
          from = sequence + 1;
          if (!visitor.visit(writer, sequence, bytes)) {
            return;
          }
        }
        page.end();
      }
    }

    @Override
    public void audit(Consumer<String> findings) {
      PairReader answer = calls.call(PairOp.AUDIT, about());
      int count = answer.count(MAX_FINDINGS);
      for (int i = 0; i < count; i++) {
        findings.accept(answer.text(MAX_FINDING_BYTES));
      }
      answer.end();
    }

    @Override
    public long sizeBytes() {
      return PairedStores.this.sizeBytes();
    }

    @Override
    public void close() {
      // As its storage.
    }
  }
}
