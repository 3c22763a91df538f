package io.capsuledb.replication.replica;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** How a replica behaves. Immutable. */
public final class ReplicaOptions {

  private final List<PublicKey> owners;
  private final int maxCapsules;
  private final long gossipNanos;
  private final long healBytesPerSecond;
  private final long pullTimeoutNanos;

  private ReplicaOptions(Builder builder) {
    owners = List.copyOf(builder.owners);
    maxCapsules = builder.maxCapsules;
    gossipNanos = TimeUnit.MILLISECONDS.toNanos(builder.gossipMs);
    healBytesPerSecond = builder.healBytesPerSecond;
    pullTimeoutNanos = TimeUnit.MILLISECONDS.toNanos(builder.pullTimeoutMs);
  }

  /** The defaults. */
  public static ReplicaOptions defaults() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Owners whose capsules are taken; empty: everybody's. */
  public List<PublicKey> owners() {
    return owners;
  }

  /** Most capsules held. */
  public int maxCapsules() {
    return maxCapsules;
  }

  /** How often a peer is asked what it holds. */
  public long gossipNanos() {
    return gossipNanos;
  }

  /** Most bytes fetched from peers in a second; 0: as fast as it goes. */
  public long healBytesPerSecond() {
    return healBytesPerSecond;
  }

  /** After this a peer that has not answered is given up on. */
  public long pullTimeoutNanos() {
    return pullTimeoutNanos;
  }

  /** Sets options; {@link #build} checks them. */
  public static final class Builder {
    private List<PublicKey> owners = List.of();
    private int maxCapsules = 10_000;
    private long gossipMs = 500;
    private long healBytesPerSecond = 64L << 20;
    private long pullTimeoutMs = 5_000;

    private Builder() {}

    /** Owners whose capsules are taken; none, the default: everybody's. */
    public Builder owners(List<PublicKey> keys) {
      owners = keys;
      return this;
    }

    /** Most capsules held, 1 to 1,000,000; 10,000 by default. */
    public Builder maxCapsules(int capsules) {
      maxCapsules = capsules;
      return this;
    }

    /** Milliseconds between two looks at what a peer holds, 10 to 3,600,000; 500 by default. */
    public Builder gossipMs(long ms) {
      gossipMs = ms;
      return this;
    }

    /**
     * Most bytes a second fetched from peers, so that healing leaves room for clients: 1 MiB to 16
     * GiB, or 0 for no limit; 64 MiB by default.
     */
    public Builder healBytesPerSecond(long bytes) {
      healBytesPerSecond = bytes;
      return this;
    }

    /** Milliseconds a peer has to answer, 10 to 600,000; 5,000 by default. */
    public Builder pullTimeoutMs(long ms) {
      pullTimeoutMs = ms;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException if one is out of its range; the message names it
     */
    public ReplicaOptions build() {
      check("maxCapsules", maxCapsules, 1, 1_000_000);
      check("gossipMs", gossipMs, 10, 3_600_000);
      check("pullTimeoutMs", pullTimeoutMs, 10, 600_000);
      if (healBytesPerSecond != 0) {
        check("healBytesPerSecond", healBytesPerSecond, 1L << 20, 16L << 30);
      }
      return new ReplicaOptions(this);
    }

    private static void check(String option, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            option + " is " + value + "; allowed are " + least + " to " + most);
      }
    }
  }
}
