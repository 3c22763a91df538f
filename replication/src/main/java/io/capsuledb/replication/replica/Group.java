package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.SealState;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * One group commit: changes of any number of capsules that become durable together, what they make
 * true, and who waits for them.
 */
final class Group {

  /**
   * Somebody who is told when the group is durable.
   *
   * @param held writers whose heads it is told
   * @param sealed writers it is told the promises about
   */
  record Waiter(
      long link, long request, CapsuleName capsule, SortedSet<Long> held, SortedSet<Long> sealed) {
    Waiter(long link, long request, CapsuleName capsule) {
      this(link, request, capsule, new TreeSet<>(), new TreeSet<>());
    }
  }

  final ReplicaLog.Batch batch = new ReplicaLog.Batch();
  final Map<HeldChain, ChainHead> heads = new LinkedHashMap<>();
  final Map<HeldChain, SealState> seals = new LinkedHashMap<>();
  final List<Waiter> waiters = new ArrayList<>();

  /** Run when it is durable, before anybody is told. */
  final List<Runnable> then = new ArrayList<>();

  long bytes;
  long records;

  /** Takes note that the batch is durable. Once. */
  void durable() {
    heads.forEach((chain, head) -> chain.durable = head);
    seals.forEach((chain, seal) -> chain.durableSeal = seal);
    then.forEach(Runnable::run);
  }

  boolean isEmpty() {
    return batch.isEmpty() && waiters.isEmpty() && then.isEmpty();
  }
}
