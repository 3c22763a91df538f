package io.capsuledb.replication.session;

import io.capsuledb.core.error.Rejection;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Why a frame was refused or a link ended. Names are stable: they label counters. */
public enum DropReason {
  /** Lengths or reserved bytes do not fit the layout. */
  MALFORMED(Rejection.Reason.FIELD_OUT_OF_RANGE),
  /** Longer than a frame may be. */
  OVERSIZED(Rejection.Reason.TOO_LARGE),
  /** A version of the protocol this one does not speak. */
  VERSION(Rejection.Reason.UNKNOWN_FORMAT),
  /** No frame has this kind. */
  UNKNOWN_KIND(Rejection.Reason.UNKNOWN_TYPE),
  /** A frame that has no place in this phase. */
  UNEXPECTED(Rejection.Reason.MISPLACED),
  /** The MAC does not verify. */
  BAD_MAC(Rejection.Reason.SIGNATURE),
  /** The signature does not verify, or its key is none. */
  BAD_SIGNATURE(Rejection.Reason.SIGNATURE),
  /** The peer's ephemeral key gives no shared secret. */
  BAD_KEY_SHARE(Rejection.Reason.FIELD_OUT_OF_RANGE),
  /** The peer proved to be somebody else than was expected. */
  WRONG_IDENTITY(Rejection.Reason.MISPLACED),
  /** A frame of another session. */
  UNKNOWN_SESSION(Rejection.Reason.MISPLACED),
  /** A counter that does not grow: replayed, doubled or overtaken. Only refused, never a drop. */
  REPLAYED(Rejection.Reason.SEQUENCE_GAP),
  /** The peer says that it does not know the session. */
  PEER_RESET(null),
  /** The frame is the peer's, but its body is not a message. */
  BAD_MESSAGE(Rejection.Reason.PAYLOAD),
  /** The handshake took too long. */
  HANDSHAKE_TIMEOUT(null),
  /** The peer was silent for too long. */
  IDLE_TIMEOUT(null),
  /** Too many handshakes at once; this one was the oldest. */
  TOO_MANY_HALF_OPEN(null),
  /** Too many links at once. */
  TOO_MANY_LINKS(null),
  /** The medium ended the link. */
  TRANSPORT(null),
  /** The process that uses the link ended it. */
  LOCAL(null),
  /** This side is shutting down. */
  CLOSING(null);

  private final Rejection.@Nullable Reason rejection;

  DropReason(Rejection.@Nullable Reason rejection) {
    this.rejection = rejection;
  }

  /** The reason as telemetry knows it; null where no bytes are to blame. */
  public Rejection.@Nullable Reason rejection() {
    return rejection;
  }

  /** The name as it labels counters. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
