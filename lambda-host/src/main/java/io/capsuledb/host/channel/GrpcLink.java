package io.capsuledb.host.channel;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Verdict;
import io.capsuledb.host.log.EventLog;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * One side of one channel over one gRPC stream: the challenge first, then messages.
 *
 * <p>Invariants: hearers are called by one thread at a time, which is gRPC's for this stream; what
 * waits to be sent is bounded, and a channel whose other side takes nothing is closed; nothing is
 * handed to hearers before {@link ChannelAttestation#established}, nor sent for them.
 */
final class GrpcLink implements Link {

  private static final long MAX_WAITING_BYTES = 32L << 20;

  /** The stream below, as much of it as is the same on both sides. */
  interface Wire {
    boolean ready();

    void send(byte[] frame);

    void close(String reason);
  }

  private final Wire wire;
  private final Events events;
  private final Octets binding;
  private final String remote;
  private final @Nullable ChannelAttestation attestation;
  private final Deque<byte[]> waiting = new ArrayDeque<>();
  private long waitingBytes;
  private boolean closing;
  private boolean opened;
  private boolean reported;

  /**
   * A channel that is about to begin.
   *
   * @param attestation null where nobody has to show anything, as without TLS
   */
  GrpcLink(
      Wire wire,
      Events events,
      Octets binding,
      String remote,
      @Nullable ChannelAttestation attestation) {
    this.wire = wire;
    this.events = events;
    this.binding = binding;
    this.remote = remote;
    this.attestation = attestation;
  }

  /** Begins: on the stream's thread, before anything arrives. */
  void begin() {
    ChannelAttestation own = attestation;
    if (own == null) {
      open();
    } else {
      put(own.challenge().toArray());
    }
  }

  private void open() {
    opened = true;
    events.opened(this);
  }

  /** A frame arrived, on the stream's thread. */
  void arrived(byte[] bytes) {
    Octets frame = Octets.own(bytes);
    if (opened) {
      if (frame.length() == 0 || frame.unsignedByte(0) != ChannelAttestation.MESSAGE) {
        fail("a frame that is no message");
        return;
      }
      events.message(frame.from(1).toArray());
      return;
    }
    ChannelAttestation own = attestation;
    if (own == null) {
      fail("a frame before the channel is open");
      return;
    }
    try {
      Octets reply = own.take(frame);
      if (reply != null) {
        put(reply.toArray());
      }
    } catch (CapsuleException e) {
      EventLog.warn("attest.refused", "remote", remote, "reason", String.valueOf(e.getMessage()));
      fail(String.valueOf(e.getMessage()));
      return;
    }
    if (own.established()) {
      open();
    }
  }

  private void fail(String reason) {
    close(reason);
    over(reason);
  }

  /** The stream is over, on its thread; only the first reason counts. */
  void over(String reason) {
    synchronized (this) {
      closing = true;
      waiting.clear();
      waitingBytes = 0;
      if (reported) {
        return;
      }
      reported = true;
    }
    events.closed(reason);
  }

  /** The stream takes more. */
  void drain() {
    synchronized (this) {
      while (!waiting.isEmpty() && wire.ready()) {
        byte[] next = waiting.removeFirst();
        waitingBytes -= next.length;
        wire.send(next);
      }
    }
  }

  private void put(byte[] frame) {
    boolean full = false;
    synchronized (this) {
      if (closing) {
        return;
      }
      if (waiting.isEmpty() && wire.ready()) {
        wire.send(frame);
      } else if (waitingBytes + frame.length > MAX_WAITING_BYTES) {
        full = true;
      } else {
        waiting.add(frame);
        waitingBytes += frame.length;
      }
    }
    if (full) {
      close("the other side takes nothing");
    }
  }

  @Override
  public void send(byte[] message) {
    if (message.length > MAX_MESSAGE_BYTES) {
      throw new IllegalArgumentException("a message of " + message.length + " bytes");
    }
    byte[] frame = new byte[message.length + 1];
    frame[0] = ChannelAttestation.MESSAGE;
    System.arraycopy(message, 0, frame, 1, message.length);
    put(frame);
  }

  @Override
  public void close(String reason) {
    synchronized (this) {
      if (closing) {
        return;
      }
      closing = true;
      wire.close(reason);
    }
  }

  @Override
  public @Nullable Verdict peer() {
    ChannelAttestation own = attestation;
    return own == null ? null : own.peer();
  }

  @Override
  public Verdict judge(PeerRules rules) {
    ChannelAttestation own = attestation;
    if (own == null) {
      throw new IllegalStateException("a channel without evidence");
    }
    return own.judge(rules);
  }

  @Override
  public Octets binding() {
    return binding;
  }

  @Override
  public String remote() {
    return remote;
  }
}
