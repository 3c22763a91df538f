package io.capsuledb.replication.store;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.sim.TestChain;
import java.util.ArrayList;
import java.util.List;

/**
 * A sequence of commits that their numbers determine: so that one process can make them and another
 * knows what must be there after any number of them.
 */
final class ReplicaCrashPlan {

  private static final int CAPSULES = 3;
  private static final int WRITERS = 2;
  private static final int TRUNCATE_EVERY = 29;

  final List<TestChain> chains = new ArrayList<>();
  private long commits;

  ReplicaCrashPlan() {
    for (int c = 0; c < CAPSULES; c++) {
      for (int w = 1; w <= WRITERS; w++) {
        chains.add(new TestChain(TestChain.name(c), w));
      }
    }
  }

  /** How many batches it has made. */
  long commits() {
    return commits;
  }

  /** The next batch; its number is the number floor it sets. */
  ReplicaLog.Batch next() {
    ReplicaLog.Batch batch = new ReplicaLog.Batch();
    commits++;
    long number = commits;
    batch.add(w -> w.numberFloor(number));
    if (number == 1) {
      for (int c = 0; c < CAPSULES; c++) {
        CapsuleName name = TestChain.name(c);
        batch.add(w -> w.found(name, Blob.of(name.toBytes())));
      }
      chains.forEach(chain -> batch.add(w -> w.introduce(chain.capsule(), chain.entry())));
    }
    for (int i = 0; i < chains.size(); i++) {
      TestChain chain = chains.get(i);
      if (number % TRUNCATE_EVERY == i && chain.length() > 1) {
        long length = chain.length() - 1;
        ChainHead head = chain.head(length);
        batch.add(
            w ->
                w.truncate(
                    chain.capsule(), chain.writer(), head, TestChain.lamportOf(head.sequence())));
        chain.truncate(length);
      }
      for (long r = (number * 7 + i * 3L) % 4; r > 0; r--) {
        int size = number % 16 == i ? 60_000 : (int) (number * 131 % 2000);
        StoredRecord record = chain.next(size);
        long lamport = chain.lamport();
        batch.add(w -> w.record(chain.capsule(), record, lamport));
      }
    }
    return batch;
  }
}
