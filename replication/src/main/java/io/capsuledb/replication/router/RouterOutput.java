package io.capsuledb.replication.router;

import io.capsuledb.replication.protocol.Blob;

/** What a router's or a client's core wants done. */
public sealed interface RouterOutput {

  /** Keep a link to this address; {@code token} names it from now on. */
  record Dial(long token, String address) implements RouterOutput {}

  /** End the link, and the dialling, of a {@link Dial}. */
  record HangUp(long token) implements RouterOutput {}

  /** Send this, if there is room. */
  record Send(long link, Blob body) implements RouterOutput {}

  /** End a link that a peer made. */
  record Drop(long link, String reason) implements RouterOutput {}

  /** Somebody sent this to everybody. */
  record Deliver(Blob payload) implements RouterOutput {}
}
