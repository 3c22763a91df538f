package io.capsuledb.engine;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * A store that refuses the records of sealed writers, as replicas do, and can show a chain as if
 * its newest records had not come yet.
 */
final class SealingStore implements RecordStore {

  final Set<Long> sealed = new HashSet<>();
  final Map<Long, Long> shownTo = new HashMap<>();
  private final RecordStore below;

  SealingStore(RecordStore below) {
    this.below = below;
  }

  private long limit(long writer) {
    return shownTo.getOrDefault(writer, Long.MAX_VALUE);
  }

  @Override
  public byte[] metadata() {
    return below.metadata();
  }

  @Override
  public void initialize(byte[] metadata) {
    below.initialize(metadata);
  }

  @Override
  public void append(List<StoredRecord> batch) {
    for (StoredRecord record : batch) {
      if (sealed.contains(record.writer())) {
        throw new IntegrityException(
            Rejection.of(Reason.SEALED_WRITER, record + " is of a writer that was sealed"));
      }
    }
    below.append(batch);
  }

  @Override
  public void release(List<StoredRecord> stubs) {
    below.release(stubs);
  }

  @Override
  public void reclaim() {
    below.reclaim();
  }

  @Override
  public byte[] read(long writer, long sequence) {
    return sequence > limit(writer) ? null : below.read(writer, sequence);
  }

  @Override
  public byte[] read(Hash32 hash) {
    return below.read(hash);
  }

  @Override
  public long[] writers() {
    return Arrays.stream(below.writers()).filter(writer -> limit(writer) > 0).toArray();
  }

  @Override
  public long newestSequence(long writer) {
    return Math.min(below.newestSequence(writer), limit(writer));
  }

  @Override
  public void scan(long writer, long fromSequence, Visitor visitor) {
    below.scan(
        writer,
        fromSequence,
        (w, sequence, bytes) -> sequence <= limit(w) && visitor.visit(w, sequence, bytes));
  }

  @Override
  public void audit(Consumer<String> findings) {
    below.audit(findings);
  }

  @Override
  public long sizeBytes() {
    return below.sizeBytes();
  }

  @Override
  public void close() {
    below.close();
  }
}
