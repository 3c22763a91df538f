package io.capsuledb.replication.router;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** How a router, or a client of routers, behaves. Immutable. */
public final class RouterOptions {

  private final int fanOut;
  private final int maxClients;
  private final int maxOrigins;
  private final long framesPerSecond;
  private final long bytesPerSecond;
  private final long heartbeatNanos;
  private final long silenceNanos;
  private final long joinNanos;
  private final long retryNanos;
  private final Set<PublicKey> allowed;

  private RouterOptions(Builder builder) {
    fanOut = builder.fanOut;
    maxClients = builder.maxClients;
    maxOrigins = builder.maxOrigins;
    framesPerSecond = builder.framesPerSecond;
    bytesPerSecond = builder.bytesPerSecond;
    heartbeatNanos = TimeUnit.MILLISECONDS.toNanos(builder.heartbeatMs);
    silenceNanos = TimeUnit.MILLISECONDS.toNanos(builder.silenceMs);
    joinNanos = TimeUnit.MILLISECONDS.toNanos(builder.joinMs);
    retryNanos = TimeUnit.MILLISECONDS.toNanos(builder.retryMs);
    allowed = Set.copyOf(builder.allowed);
  }

  /** The defaults. */
  public static RouterOptions defaults() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Most routers below this one. */
  public int fanOut() {
    return fanOut;
  }

  /** Most clients of this one. */
  public int maxClients() {
    return maxClients;
  }

  /** Origins whose newest counters are remembered. */
  public int maxOrigins() {
    return maxOrigins;
  }

  /** Frames a second that one client may send; a router, 16 times as many. */
  public long framesPerSecond() {
    return framesPerSecond;
  }

  /** Bytes a second that one client may send; a router, 16 times as many. */
  public long bytesPerSecond() {
    return bytesPerSecond;
  }

  long heartbeatNanos() {
    return heartbeatNanos;
  }

  long silenceNanos() {
    return silenceNanos;
  }

  long joinNanos() {
    return joinNanos;
  }

  long retryNanos() {
    return retryNanos;
  }

  /** Keys that may join; empty: anybody's. */
  public Set<PublicKey> allowed() {
    return allowed;
  }

  /** Sets options; {@link #build} checks them. */
  public static final class Builder {
    private int fanOut = 8;
    private int maxClients = 64;
    private int maxOrigins = 4096;
    private long framesPerSecond = 20_000;
    private long bytesPerSecond = 128L << 20;
    private long heartbeatMs = 400;
    private long silenceMs = 2_000;
    private long joinMs = 2_000;
    private long retryMs = 200;
    private List<PublicKey> allowed = List.of();

    private Builder() {}

    /** Most routers below this one, 1 to 256; 8 by default. */
    public Builder fanOut(int routers) {
      fanOut = routers;
      return this;
    }

    /** Most clients, 0 to 4096; 64 by default. */
    public Builder maxClients(int clients) {
      maxClients = clients;
      return this;
    }

    /** Origins that are remembered, 16 to 1,048,576; 4096 by default. */
    public Builder maxOrigins(int origins) {
      maxOrigins = origins;
      return this;
    }

    /** Frames a second from one client, 1 to 10,000,000; 20,000 by default. */
    public Builder framesPerSecond(long frames) {
      framesPerSecond = frames;
      return this;
    }

    /** Bytes a second from one client, 64 KiB to 64 GiB; 128 MiB by default. */
    public Builder bytesPerSecond(long bytes) {
      bytesPerSecond = bytes;
      return this;
    }

    /** Milliseconds between heartbeats, 10 to 60,000; 400 by default. */
    public Builder heartbeatMs(long ms) {
      heartbeatMs = ms;
      return this;
    }

    /** A side that heard nothing for so long is left, three heartbeats to 600,000; 2000. */
    public Builder silenceMs(long ms) {
      silenceMs = ms;
      return this;
    }

    /** Milliseconds from dialling a router to being its child, 50 to 60,000; 2000 by default. */
    public Builder joinMs(long ms) {
      joinMs = ms;
      return this;
    }

    /** Milliseconds after all routers failed once, later up to 16 times that; 10 to 60,000; 200. */
    public Builder retryMs(long ms) {
      retryMs = ms;
      return this;
    }

    /** Keys that may join; none, the default: anybody's. */
    public Builder allowed(List<PublicKey> keys) {
      allowed = keys;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException if one is out of its range; the message names it
     */
    public RouterOptions build() {
      check("fanOut", fanOut, 1, 256);
      check("maxClients", maxClients, 0, 4096);
      check("maxOrigins", maxOrigins, 16, 1 << 20);
      check("framesPerSecond", framesPerSecond, 1, 10_000_000);
      check("bytesPerSecond", bytesPerSecond, 64L << 10, 64L << 30);
      check("heartbeatMs", heartbeatMs, 10, 60_000);
      check("silenceMs", silenceMs, 3 * heartbeatMs, 600_000);
      check("joinMs", joinMs, 50, 60_000);
      check("retryMs", retryMs, 10, 60_000);
      return new RouterOptions(this);
    }

    private static void check(String option, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            option + " is " + value + "; allowed are " + least + " to " + most);
      }
    }
  }
}
