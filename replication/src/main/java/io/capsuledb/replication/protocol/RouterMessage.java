package io.capsuledb.replication.protocol;

import io.capsuledb.core.crypto.Hash32;
import java.util.List;

/**
 * What routers of the multicast tree, and those who join it, say to each other over a session.
 * Nothing in it is trusted beyond the key that the session's peer has proved to have. Immutable.
 */
public sealed interface RouterMessage {

  /** Most bytes that one frame carries. Longer records travel from replicas only. */
  int MAX_PAYLOAD_BYTES = 4 << 20;

  /** Most bytes of an address. */
  int MAX_ADDRESS_BYTES = 255;

  /** Most routers on the way from the root to a leaf. */
  int MAX_DEPTH = 16;

  /** Most addresses in one {@link Turned}. */
  int MAX_ADDRESSES = 8;

  /** Most links a frame is passed on over. */
  int MAX_HOPS = 2 * MAX_DEPTH;

  /** Who joins. */
  enum Role {
    /** Somebody who sends and receives. */
    CLIENT(1),
    /** Another router, which passes on for others. */
    ROUTER(2);

    final int number;

    Role(int number) {
      this.number = number;
    }
  }

  /** Why somebody may not join. */
  enum Reason {
    /** All places are taken. */
    FULL(1),
    /** The router that wants to join is above this one already. */
    LOOP(2),
    /** The operator of this router does not know the key. */
    DENIED(3),
    /** The tree would become too deep. */
    DEPTH(4);

    final int number;

    Reason(int number) {
      this.number = number;
    }
  }

  /**
   * A router on the way from the root.
   *
   * @param id of its key
   * @param address where it is reached; may be empty
   */
  record Hop(Hash32 id, String address) {}

  /**
   * The first word of who wants to be a child.
   *
   * @param salt makes the origin of a client's frames, with its key
   * @param address where a router takes children of its own; empty for clients
   */
  record Join(Role role, long salt, String address) implements RouterMessage {}

  /**
   * Whoever asked is a child now; repeated as a heartbeat.
   *
   * @param path from the root to the router that says it, which is the last one
   */
  record Welcome(List<Hop> path) implements RouterMessage {
    public Welcome {
      path = List.copyOf(path);
    }
  }

  /**
   * Whoever asked is no child.
   *
   * @param instead routers that may have a place
   */
  record Turned(Reason reason, List<String> instead) implements RouterMessage {
    public Turned {
      instead = List.copyOf(instead);
    }
  }

  /** A child is still there. */
  record Beat() implements RouterMessage {}

  /**
   * A frame for everybody.
   *
   * @param origin who sent it: {@link RouterMessageCodec#origin}
   * @param counter of the origin, from 1 on, never twice
   * @param hops how often it was passed on
   * @param payload what nobody on the way can read
   */
  record Multicast(Hash32 origin, long counter, int hops, Blob payload) implements RouterMessage {}
}
