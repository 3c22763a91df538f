package io.capsuledb.replication.session;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.replication.protocol.Blob;
import org.jspecify.annotations.Nullable;

/** What a session makes of a frame or of the time. */
sealed interface Outcome {

  /** Nothing to do. */
  record Quiet() implements Outcome {}

  /** Send this frame. */
  record Answer(Blob frame) implements Outcome {}

  /** The peer proved to be {@code peer}; send this frame if there is one. */
  record Established(PublicKey peer, @Nullable Blob frame) implements Outcome {}

  /** The peer sent this. */
  record Delivered(Blob body) implements Outcome {}

  /** The frame counts for nothing, the link stays; send this frame if there is one. */
  record Refused(DropReason reason, @Nullable Blob frame) implements Outcome {}

  /** The session is over; the link has to go. */
  record Ended(DropReason reason, String detail) implements Outcome {}

  /** The one value of {@link Quiet}. */
  Quiet QUIET = new Quiet();
}
