package io.capsuledb.replication.client;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.record.RecordLayout;
import java.util.concurrent.TimeUnit;

/** What a client of replicas bounds and how long it waits. Immutable; {@link #builder()}. */
public final class QuorumOptions {

  private static final long LEAST_BYTES = 1 << 10;
  private static final long MOST_BYTES = 1L << 40;
  private static final long MOST_MS = TimeUnit.HOURS.toMillis(1);

  private final long maxPendingBytes;
  private final long windowBytes;
  private final long flightBytes;
  private final long requestTimeoutMs;
  private final long backoffMs;
  private final long maxBackoffMs;
  private final long hedgeMs;
  private final long recoveryGraceMs;
  private final long refuseAfterMs;

  private QuorumOptions(Builder builder) {
    this.maxPendingBytes = builder.maxPendingBytes;
    this.windowBytes = builder.windowBytes;
    this.flightBytes = builder.flightBytes;
    this.requestTimeoutMs = builder.requestTimeoutMs;
    this.backoffMs = builder.backoffMs;
    this.maxBackoffMs = builder.maxBackoffMs;
    this.hedgeMs = builder.hedgeMs;
    this.recoveryGraceMs = builder.recoveryGraceMs;
    this.refuseAfterMs = builder.refuseAfterMs;
  }

  /** Options with their defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Bytes of records that are not durable beyond which no more are taken. */
  public long maxPendingBytes() {
    return maxPendingBytes;
  }

  /** Bytes of durable records that are kept for replicas that lag; they heal themselves beyond. */
  public long windowBytes() {
    return windowBytes;
  }

  /** Bytes under way to one replica and not answered. */
  public long flightBytes() {
    return flightBytes;
  }

  /** A request without an answer for so long is taken for lost. */
  public long requestTimeoutMs() {
    return requestTimeoutMs;
  }

  /** The first pause after a failure; doubles with each. */
  public long backoffMs() {
    return backoffMs;
  }

  /** The longest pause. */
  public long maxBackoffMs() {
    return maxBackoffMs;
  }

  /** The shortest delay before a second replica is asked what the first has not answered. */
  public long hedgeMs() {
    return hedgeMs;
  }

  /** How long recovery waits for more than a quorum. */
  public long recoveryGraceMs() {
    return recoveryGraceMs;
  }

  /** Without a quorum for so long, new writes are refused. */
  public long refuseAfterMs() {
    return refuseAfterMs;
  }

  /** Sets options; one thread. */
  public static final class Builder {
    private long maxPendingBytes = 64L << 20;
    private long windowBytes = 64L << 20;
    private long flightBytes = 8L << 20;
    private long requestTimeoutMs = 5_000;
    private long backoffMs = 20;
    private long maxBackoffMs = 5_000;
    private long hedgeMs = 10;
    private long recoveryGraceMs = 500;
    private long refuseAfterMs = 5_000;

    private Builder() {}

    /** Default 64 MiB. One record is always taken. */
    public Builder maxPendingBytes(long bytes) {
      this.maxPendingBytes = bytes;
      return this;
    }

    /** Default 64 MiB. */
    public Builder windowBytes(long bytes) {
      this.windowBytes = bytes;
      return this;
    }

    /** Default 8 MiB. One record may always be under way. */
    public Builder flightBytes(long bytes) {
      this.flightBytes = bytes;
      return this;
    }

    /** Default 5 s. */
    public Builder requestTimeoutMs(long milliseconds) {
      this.requestTimeoutMs = milliseconds;
      return this;
    }

    /** Default 20 ms. */
    public Builder backoffMs(long milliseconds) {
      this.backoffMs = milliseconds;
      return this;
    }

    /** Default 5 s. */
    public Builder maxBackoffMs(long milliseconds) {
      this.maxBackoffMs = milliseconds;
      return this;
    }

    /** Default 10 ms. */
    public Builder hedgeMs(long milliseconds) {
      this.hedgeMs = milliseconds;
      return this;
    }

    /** Default 500 ms. */
    public Builder recoveryGraceMs(long milliseconds) {
      this.recoveryGraceMs = milliseconds;
      return this;
    }

    /** Default 5 s. */
    public Builder refuseAfterMs(long milliseconds) {
      this.refuseAfterMs = milliseconds;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException naming the option, its value and what is allowed
     */
    public QuorumOptions build() {
      range("maxPendingBytes", maxPendingBytes, LEAST_BYTES, MOST_BYTES);
      range("windowBytes", windowBytes, 0, MOST_BYTES);
      range("flightBytes", flightBytes, LEAST_BYTES, MOST_BYTES);
      range("requestTimeoutMs", requestTimeoutMs, 1, MOST_MS);
      range("backoffMs", backoffMs, 1, MOST_MS);
      range("maxBackoffMs", maxBackoffMs, backoffMs, MOST_MS);
      range("hedgeMs", hedgeMs, 1, MOST_MS);
      range("recoveryGraceMs", recoveryGraceMs, 0, MOST_MS);
      range("refuseAfterMs", refuseAfterMs, 1, MOST_MS);
      return new QuorumOptions(this);
    }

    private static void range(String option, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            option + " is " + value + "; allowed is " + least + " to " + most);
      }
    }
  }

  /** Most bytes of records that one message takes before a further one is begun. */
  static final int MESSAGE_BYTES = 1 << 20;

  static {
    if (RecordLayout.MAX_RECORD_BYTES
        > io.capsuledb.replication.protocol.Message.MAX_RECORD_BYTES) {
      throw new AssertionError("a record does not fit a message");
    }
  }
}
