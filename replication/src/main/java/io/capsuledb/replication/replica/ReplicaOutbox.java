package io.capsuledb.replication.replica;

import io.capsuledb.replication.protocol.Message;

/** Where a {@link ReplicaCore} puts what has to happen outside it. */
public interface ReplicaOutbox {

  /** Send this; it may be lost. */
  void send(long link, Message message);

  /**
   * Make this durable, then call {@link ReplicaCore#committed}. There is never more than one under
   * way.
   */
  void commit(ReplicaLog.Batch batch);

  /**
   * Answer this read, a {@link Message.ReadRange} or {@link Message.ReadHash}, by {@link
   * ReplicaReader}, on any thread and in any order.
   */
  void answer(long link, Message.Request read);
}
