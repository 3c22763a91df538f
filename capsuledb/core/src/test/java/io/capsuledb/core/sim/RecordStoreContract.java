package io.capsuledb.core.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What every {@link RecordStore} must do. A store's test extends this class and says how to open
 * one; the same tests then hold for the simulated store and the real one, so that whatever was
 * tested against the first is true of the second.
 */
public abstract class RecordStoreContract {

  /** The medium under a store: opened again after a close, it holds what was made durable. */
  public interface Medium extends AutoCloseable {

    /** Opens the store; the one opened before is closed already. */
    RecordStore open();

    /** Closes the store last opened, through its owner if it has one. */
    void closeStore(RecordStore store);

    @Override
    void close();
  }

  /** A new empty medium that may use {@code directory}. */
  protected abstract Medium newMedium(Path directory);

  @TempDir Path directory;
  private Medium medium;
  private RecordStore store;

  /** A record with content that its position and {@code size} determine. */
  public static StoredRecord record(long writer, long sequence, int size) {
    byte[] bytes = new byte[size];
    new SplittableRandom(writer * 1_000_000_007L + sequence).nextBytes(bytes);
    return record(writer, sequence, bytes);
  }

  /** A record of {@code bytes}; its hash covers position and bytes. */
  public static StoredRecord record(long writer, long sequence, byte[] bytes) {
    return new StoredRecord(writer, sequence, hash(writer, sequence, bytes), bytes);
  }

  /**
   * A record that can be released: it has the form of one, with a payload that its position and
   * {@code payloadBytes} determine. What is signed in it nobody checks here.
   *
   * @param payloadBytes at least 16
   */
  public static StoredRecord releasable(long writer, long sequence, int payloadBytes) {
    byte[] bytes = record(writer, sequence, 112 + payloadBytes + 64).bytes();
    ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    header.put(new byte[48]).flip().limit(bytes.length);
    header.put(0, (byte) 1).put(1, (byte) RecordType.DATA.number());
    header.putLong(8, 1).putLong(16, 2).putLong(32, 1).putInt(40, payloadBytes);
    return record(writer, sequence, bytes);
  }

  /** What is to be stored in the place of a record that is released. */
  public static StoredRecord stubOf(StoredRecord r) {
    return new StoredRecord(r.writer(), r.sequence(), r.hash(), RecordCodec.stub(r.bytes()));
  }

  /** The hash {@link #record} gives. */
  public static Hash32 hash(long writer, long sequence, byte[] bytes) {
    try {
      MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
      sha256.update(ByteBuffer.allocate(16).putLong(writer).putLong(sequence).flip());
      return Hash32.of(sha256.digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  @BeforeEach
  void openMedium() {
    medium = newMedium(directory);
    store = medium.open();
  }

  @AfterEach
  void closeMedium() {
    medium.closeStore(store);
    medium.close();
  }

  private void reopen() {
    medium.closeStore(store);
    store = medium.open();
  }

  private static List<String> audit(RecordStore store) {
    List<String> findings = new ArrayList<>();
    store.audit(findings::add);
    return findings;
  }

  private static List<Long> scan(RecordStore store, long writer, long from) {
    List<Long> sequences = new ArrayList<>();
    store.scan(
        writer,
        from,
        (w, s, bytes) -> {
          assertThat(w).isEqualTo(writer);
          assertThat(bytes).isEqualTo(store.read(w, s));
          return sequences.add(s);
        });
    return sequences;
  }

  @Test
  void anEmptyStoreHasNothing() {
    for (int round = 0; round < 2; round++) {
      assertThat(store.metadata()).isNull();
      assertThat(store.writers()).isEmpty();
      assertThat(store.newestSequence(0)).isZero();
      assertThat(store.newestSequence(-1)).isZero();
      assertThat(store.read(1, 1)).isNull();
      assertThat(store.read(Hash32.ZERO)).isNull();
      assertThat(scan(store, 1, 0)).isEmpty();
      assertThat(audit(store)).isEmpty();
      store.append(List.of());
      reopen();
    }
  }

  @Test
  void metadataIsStoredOnce() {
    byte[] metadata = {1, 2, 3};
    store.initialize(metadata);
    metadata[0] = 9;
    assertThat(store.metadata()).containsExactly(1, 2, 3);
    store.metadata()[0] = 9;
    assertThat(store.metadata()).containsExactly(1, 2, 3);
    assertThatThrownBy(() -> store.initialize(new byte[] {4}))
        .isInstanceOf(InvalidRequestException.class);
    reopen();
    assertThat(store.metadata()).containsExactly(1, 2, 3);
    assertThatThrownBy(() -> store.initialize(new byte[] {4}))
        .isInstanceOf(InvalidRequestException.class);
  }

  @Test
  void recordsAreFoundByPositionAndHashAlsoAfterReopening() {
    List<StoredRecord> batch = new ArrayList<>();
    for (int sequence = 1; sequence <= 100; sequence++) {
      batch.add(record(7, sequence, sequence % 3 == 0 ? 0 : sequence * 37));
    }
    store.append(batch);
    for (int round = 0; round < 2; round++) {
      for (StoredRecord r : batch) {
        assertThat(store.read(r.writer(), r.sequence())).isEqualTo(r.bytes());
        assertThat(store.read(r.hash())).isEqualTo(r.bytes());
      }
      assertThat(store.read(7, 101)).isNull();
      assertThat(store.read(6, 1)).isNull();
      assertThat(store.read(record(8, 1, 4).hash())).isNull();
      assertThat(store.newestSequence(7)).isEqualTo(100);
      assertThat(audit(store)).isEmpty();
      reopen();
    }
  }

  @Test
  void whatIsReadIsTheCallersOwn() {
    store.append(List.of(record(1, 1, new byte[] {1, 2, 3})));
    store.read(1, 1)[0] = 9;
    assertThat(store.read(1, 1)).containsExactly(1, 2, 3);
  }

  @Test
  void writersAndSequencesAreUnsignedAndOrdered() {
    long[] ascending = {0, 1, 255, 256, Long.MAX_VALUE, Long.MIN_VALUE, -2, -1};
    List<StoredRecord> batch = new ArrayList<>();
    for (long writer : ascending) {
      for (long sequence : ascending) {
        if (sequence != 0) {
          batch.add(record(writer, sequence, 10));
        }
      }
    }
    Collections.shuffle(batch, new java.util.Random(1));
    store.append(batch);
    for (int round = 0; round < 2; round++) {
      assertThat(store.writers()).containsExactly(ascending);
      for (long writer : ascending) {
        assertThat(scan(store, writer, 0))
            .containsExactly(1L, 255L, 256L, Long.MAX_VALUE, Long.MIN_VALUE, -2L, -1L);
        assertThat(scan(store, writer, 256))
            .containsExactly(256L, Long.MAX_VALUE, Long.MIN_VALUE, -2L, -1L);
        assertThat(scan(store, writer, -1)).containsExactly(-1L);
        assertThat(store.newestSequence(writer)).isEqualTo(-1);
      }
      assertThat(store.newestSequence(2)).isZero();
      assertThat(store.newestSequence(-3)).isZero();
      reopen();
    }
  }

  @Test
  void aScanEndsWhereTheVisitorSays() {
    store.append(List.of(record(1, 1, 5), record(1, 2, 5), record(1, 3, 5), record(2, 1, 5)));
    List<Long> seen = new ArrayList<>();
    store.scan(1, 1, (w, s, bytes) -> seen.add(s) && s < 2);
    assertThat(seen).containsExactly(1L, 2L);
  }

  @Test
  void aVisitorsExceptionEndsTheScanAndTheStoreLives() {
    store.append(List.of(record(1, 1, 5)));
    IllegalArgumentException thrown = new IllegalArgumentException("from the visitor");
    assertThatThrownBy(
            () ->
                store.scan(
                    1,
                    1,
                    (w, s, bytes) -> {
                      throw thrown;
                    }))
        .isSameAs(thrown);
    store.append(List.of(record(1, 2, 5)));
    assertThat(scan(store, 1, 1)).containsExactly(1L, 2L);
  }

  @Test
  void batchesAreBoundedAndRefusedWhole() {
    List<StoredRecord> batch = new ArrayList<>();
    for (int i = 1; i <= RecordStore.MAX_BATCH_RECORDS + 1; i++) {
      batch.add(record(1, i, 1));
    }
    assertThatThrownBy(() -> store.append(batch)).isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> store.append(List.of(record(1, 1, 1), record(1, 0, 1))))
        .isInstanceOf(InvalidRequestException.class);
    assertThat(store.writers()).isEmpty();
    store.append(batch.subList(0, RecordStore.MAX_BATCH_RECORDS));
    assertThat(store.newestSequence(1)).isEqualTo(RecordStore.MAX_BATCH_RECORDS);
  }

  @Test
  void aSecondRecordAtOnePositionIsRefusedAndTheFirstStays() {
    StoredRecord first = record(1, 5, new byte[] {1});
    StoredRecord second = record(1, 5, new byte[] {2});
    store.append(List.of(first, record(1, 6, 4)));
    for (int round = 0; round < 2; round++) {
      assertEquivocation(List.of(record(1, 7, 4), second));
      assertEquivocation(List.of(record(1, 8, new byte[] {1}), record(1, 8, new byte[] {2})));
      assertThat(store.read(1, 5)).containsExactly(1);
      assertThat(store.read(second.hash())).isNull();
      assertThat(store.newestSequence(1)).isEqualTo(6);
      store.append(List.of(first));
      assertThat(scan(store, 1, 1)).containsExactly(5L, 6L);
      assertThat(audit(store)).isEmpty();
      reopen();
    }
    store.append(List.of(record(1, 3, 4), record(1, 9, 4)));
    assertThat(scan(store, 1, 1)).containsExactly(3L, 5L, 6L, 9L);
    assertThat(audit(store)).isEmpty();
  }

  private void assertEquivocation(List<StoredRecord> batch) {
    assertThatThrownBy(() -> store.append(batch))
        .isInstanceOfSatisfying(
            IntegrityException.class,
            e -> assertThat(e.rejection().reason()).isEqualTo(Rejection.Reason.EQUIVOCATION));
  }

  // ------------------------------------------------------------------ release

  @Test
  void aReleasedRecordIsItsStubFromThenOn() {
    List<StoredRecord> batch = new ArrayList<>();
    for (int sequence = 1; sequence <= 40; sequence++) {
      batch.add(releasable(7, sequence, sequence % 2 == 0 ? 20_000 : 16));
    }
    store.append(batch);
    List<StoredRecord> stubs =
        batch.stream().filter(r -> r.sequence() % 3 == 0).map(r -> stubOf(r)).toList();
    store.release(stubs);
    store.release(List.of());
    for (int round = 0; round < 2; round++) {
      for (StoredRecord r : batch) {
        byte[] expected = r.sequence() % 3 == 0 ? stubOf(r).bytes() : r.bytes();
        assertThat(store.read(r.writer(), r.sequence())).isEqualTo(expected);
        assertThat(store.read(r.hash())).isEqualTo(expected);
      }
      assertThat(scan(store, 7, 1)).hasSize(40);
      assertThat(store.newestSequence(7)).isEqualTo(40);
      assertThat(audit(store)).isEmpty();
      // Twice is once, and whole records do not come back.
      store.release(stubs);
      store.append(batch);
      reopen();
    }
  }

  @Test
  void onlyARecordsOwnStubTakesItsPlace() {
    StoredRecord first = releasable(1, 1, 100);
    StoredRecord second = releasable(1, 2, 100);
    StoredRecord formless = record(1, 3, 300);
    store.append(List.of(first, second, formless));
    StoredRecord stub = stubOf(first);
    byte[] forged = stub.bytes().clone();
    forged[forged.length - 1] ^= 1;
    byte[] cut = java.util.Arrays.copyOf(first.bytes(), stub.bytes().length);
    List<StoredRecord> refused =
        List.of(
            new StoredRecord(1, 1, first.hash(), forged),
            new StoredRecord(1, 1, first.hash(), cut),
            new StoredRecord(1, 1, first.hash(), new byte[0]),
            new StoredRecord(1, 1, second.hash(), stub.bytes()),
            new StoredRecord(1, 1, Hash32.ZERO, stub.bytes()),
            new StoredRecord(1, 2, second.hash(), stub.bytes()),
            new StoredRecord(1, 3, formless.hash(), stub.bytes()),
            new StoredRecord(1, 4, releasable(1, 4, 100).hash(), stub.bytes()),
            new StoredRecord(1, 0, first.hash(), stub.bytes()),
            new StoredRecord(2, 1, first.hash(), stub.bytes()));
    for (StoredRecord wrong : refused) {
      assertThatThrownBy(() -> store.release(List.of(stubOf(second), wrong)))
          .isInstanceOf(InvalidRequestException.class);
    }
    List<StoredRecord> tooMany =
        Collections.nCopies(RecordStore.MAX_BATCH_RECORDS + 1, stubOf(first));
    assertThatThrownBy(() -> store.release(tooMany)).isInstanceOf(InvalidRequestException.class);
    assertThat(store.read(1, 1)).isEqualTo(first.bytes());
    assertThat(store.read(1, 2)).isEqualTo(second.bytes());
    assertThat(store.read(1, 3)).isEqualTo(formless.bytes());
    store.release(List.of(stub, stub));
    assertThat(store.read(1, 1)).isEqualTo(stub.bytes());
    assertThat(audit(store)).isEmpty();
  }

  @Test
  void theTwoFormsOfARecordDoNotContradictEachOther() {
    StoredRecord released = releasable(1, 1, 100);
    StoredRecord whole = releasable(1, 2, 100);
    StoredRecord never = releasable(1, 3, 100);
    store.append(List.of(released, whole, stubOf(never)));
    store.release(List.of(stubOf(released)));
    for (int round = 0; round < 2; round++) {
      store.append(List.of(released, stubOf(whole), never));
      assertThat(store.read(1, 1)).isEqualTo(stubOf(released).bytes());
      assertThat(store.read(1, 2)).isEqualTo(whole.bytes());
      assertThat(store.read(1, 3)).isEqualTo(stubOf(never).bytes());
      store.release(List.of(stubOf(never)));
      assertEquivocation(List.of(releasable(1, 1, 99)));
      assertEquivocation(List.of(stubOf(releasable(1, 2, 99))));
      assertThat(audit(store)).isEmpty();
      reopen();
    }
  }

  @Test
  void aClosedStoreSaysSo() {
    store.append(List.of(record(1, 1, 4)));
    RecordStore closed = store;
    closed.close();
    closed.close();
    assertThatThrownBy(closed::metadata).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.initialize(new byte[1]))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.append(List.of(record(1, 2, 4))))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.release(List.of(record(1, 1, 4))))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.read(1, 1)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.read(Hash32.ZERO)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(closed::writers).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.newestSequence(1)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.scan(1, 1, (w, s, b) -> true))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> closed.audit(f -> {})).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(closed::sizeBytes).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void sizeFollowsContent() {
    int payload = 0;
    for (int sequence = 1; sequence <= 64; sequence++) {
      store.append(List.of(record(1, sequence, 32 << 10)));
      payload += 32 << 10;
    }
    assertThat(store.sizeBytes()).isBetween(payload / 2L, payload * 4L);
  }

  @Test
  void readersBesideTheAppendingThreadSeeWholeBatches() throws Exception {
    int batches = 200;
    int batchSize = 5;
    AtomicLong acknowledged = new AtomicLong();
    ExecutorService pool = Executors.newFixedThreadPool(3);
    try {
      List<Future<?>> futures = new ArrayList<>();
      futures.add(
          pool.submit(
              () -> {
                for (int b = 0; b < batches; b++) {
                  List<StoredRecord> batch = new ArrayList<>();
                  for (int i = 1; i <= batchSize; i++) {
                    batch.add(record(3, (long) b * batchSize + i, 50));
                  }
                  store.append(batch);
                  acknowledged.set((long) (b + 1) * batchSize);
                }
              }));
      for (int reader = 0; reader < 2; reader++) {
        futures.add(
            pool.submit(
                () -> {
                  long seen = 0;
                  while (seen < (long) batches * batchSize) {
                    long floor = acknowledged.get();
                    long newest = store.newestSequence(3);
                    assertThat(newest).isGreaterThanOrEqualTo(Math.max(floor, seen));
                    assertThat(newest % batchSize).isZero();
                    if (newest > 0) {
                      StoredRecord expected = record(3, newest, 50);
                      assertThat(store.read(3, newest)).isEqualTo(expected.bytes());
                      assertThat(store.read(expected.hash())).isEqualTo(expected.bytes());
                      assertThat(scan(store, 3, newest)).startsWith(newest);
                    }
                    seen = newest;
                  }
                }));
      }
      for (Future<?> future : futures) {
        future.get();
      }
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause());
    } finally {
      pool.shutdownNow();
    }
    assertThat(audit(store)).isEmpty();
  }
}
