package io.capsuledb.host.pair;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Answers what the other process asks of the stores. Thread-safe; waits for the disk. */
final class HostStores {

  /** Longest record, encoded. */
  static final int MAX_RECORD_BYTES = (32 << 20) + (64 << 10);

  /** Where a page of a scan ends. */
  private static final int PAGE_BYTES = 1 << 20;

  private static final int MAX_PAGE_RECORDS = 4096;
  private static final int MAX_METADATA_BYTES = 1 << 20;
  private static final int MAX_FINDINGS = 1 << 10;

  private final CapsuleStores stores;
  private final Map<Hash32, RecordStore> open = new ConcurrentHashMap<>();

  HostStores(CapsuleStores stores) {
    this.stores = stores;
  }

  /** Records as they are appended. */
  static PairWriter write(PairWriter to, List<StoredRecord> records) {
    to.u32(records.size());
    for (StoredRecord record : records) {
      to.u64(record.writer()).u64(record.sequence()).hash(record.hash()).bytes(record.bytes());
    }
    return to;
  }

  private static List<StoredRecord> records(PairReader from) {
    int count = from.count(RecordStore.MAX_BATCH_RECORDS);
    List<StoredRecord> records = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      records.add(
          new StoredRecord(from.u64(), from.u64(), from.hash(), from.bytes(MAX_RECORD_BYTES)));
    }
    return records;
  }

  /** Answers one question about stores; null if it is none. */
  PairWriter answer(PairOp op, PairReader question) {
    PairWriter answer = PairCalls.ok();
    switch (op) {
      case CAPSULES -> {
        List<byte[]> names = stores.capsules();
        answer.u32(names.size());
        names.forEach(name -> answer.hash(Hash32.of(name)));
        return answer;
      }
      case SIZE -> {
        return answer.u64(stores.sizeBytes());
      }
      default -> {}
    }
    RecordStore store =
        open.computeIfAbsent(question.hash(), name -> stores.capsule(name.toBytes()));
    switch (op) {
      case METADATA -> answer.bytes(store.metadata());
      case INITIALIZE -> store.initialize(question.bytes(MAX_METADATA_BYTES));
      case APPEND -> store.append(records(question));
      case RELEASE -> store.release(records(question));
      case TRUNCATE -> store.truncate(question.u64(), question.u64());
      case RECLAIM -> store.reclaim();
      case READ -> answer.bytes(store.read(question.u64(), question.u64()));
      case READ_HASH -> answer.bytes(store.read(question.hash()));
      case WRITERS -> {
        long[] writers = store.writers();
        answer.u32(writers.length);
        for (long writer : writers) {
          answer.u64(writer);
        }
      }
      case NEWEST -> answer.u64(store.newestSequence(question.u64()));
      case SCAN -> scan(store, question.u64(), question.u64(), answer);
      case AUDIT -> {
        List<String> findings = new ArrayList<>();
        store.audit(
            finding -> {
              if (findings.size() < MAX_FINDINGS) {
                findings.add(finding);
              }
            });
        answer.u32(findings.size());
        findings.forEach(answer::text);
      }
      default -> throw new io.capsuledb.core.error.InvalidRequestException("stores know no " + op);
    }
    return answer;
  }

  private static void scan(RecordStore store, long writer, long from, PairWriter answer) {
    PairWriter page = new PairWriter();
    int[] count = {0};
    boolean[] more = {false};
    store.scan(
        writer,
        from,
        (_, sequence, bytes) -> {
          if (count[0] == MAX_PAGE_RECORDS || page.length() >= PAGE_BYTES) {
            more[0] = true;
            return false;
          }
          page.u64(sequence).bytes(bytes);
          count[0]++;
          return true;
        });
    answer.u32(count[0]).u8(more[0] ? 1 : 0).raw(page);
  }
}
