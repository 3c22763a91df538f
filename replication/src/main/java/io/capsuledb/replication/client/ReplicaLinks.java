package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.replication.protocol.Message;

/**
 * How a client reaches replicas: over links whose other end has shown that it has a replica's key.
 * Messages may be lost, delayed or repeated. Thread-safe.
 */
public interface ReplicaLinks {

  /** What happens on links; called on any thread, must return at once. */
  interface Events {
    /** There is a link to this replica now; further links of the same one change nothing. */
    void up(PublicKey replica);

    /** There is no link to this replica any more. */
    void down(PublicKey replica);

    /** A replica said something. */
    void received(PublicKey replica, Message message);
  }

  /**
   * Sends a message if there is a link and room in its queue.
   *
   * @return false if it was dropped
   */
  boolean send(PublicKey replica, Message message);
}
