package io.capsuledb.host.channel;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Verdict;
import org.jspecify.annotations.Nullable;

/**
 * An open channel to another party: messages in order, each whole or not at all, until it closes.
 * Thread-safe.
 */
public interface Link {

  /** Longest message, in bytes. */
  int MAX_MESSAGE_BYTES = 8 << 20;

  /**
   * Sends a message; one that cannot be sent any more is dropped, and the channel reported closed.
   *
   * @param message at most {@link #MAX_MESSAGE_BYTES}; not copied
   */
  void send(byte[] message);

  /** Closes; the other side hears the reason. Idempotent. */
  void close(String reason);

  /** The evidence of the other side; null if it has shown none. */
  @Nullable Verdict peer();

  /**
   * Judges the evidence that the other side has shown for this channel by other rules than those it
   * was let in by.
   *
   * @throws IllegalStateException if it has shown none
   */
  Verdict judge(PeerRules rules);

  /** What both sides of this connection know and nobody else; empty without TLS. */
  Octets binding();

  /** Where the other side is, for logs. */
  String remote();

  /** Hears of one channel: opened once, then messages, then closed once; one call at a time. */
  interface Events {
    /** Both sides have shown what they have to. */
    void opened(Link link);

    /**
     * A message arrived.
     *
     * @param message the hearer's own
     */
    void message(byte[] message);

    /**
     * It is over. Also instead of {@link #opened}, if that never happened.
     *
     * @param reason for people
     */
    void closed(String reason);
  }
}
