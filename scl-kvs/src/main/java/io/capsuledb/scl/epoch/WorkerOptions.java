package io.capsuledb.scl.epoch;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.record.RecordLayout;
import java.util.concurrent.TimeUnit;

/** How a worker keeps time and what it bounds. Immutable; {@link #builder()}. */
public final class WorkerOptions {

  /** More operations than a record has: each takes a byte at least. */
  public static final long MAX_RECORD_OPERATIONS = 1L << 25;

  private static final long LEAST_LEASE_MS = 100;
  private static final long MOST_MS = TimeUnit.HOURS.toMillis(1);
  private static final int BEATS_PER_LEASE = 8;
  private static final int TICKS_PER_BEAT = 8;

  // Its reads renew its own worker's lease each beat: two of them may fail or take a beat longer.
  private static final int COORDINATOR_LEASE_BEATS = 3;

  private final long leaseNanos;
  private final long epochNanos;
  private final long epochDeadlineNanos;
  private final long pollNanos;
  private final long pullTimeoutNanos;
  private final long cutMargin;
  private final long recordOperations;
  private final int maxParkedRecords;
  private final long maxParkedBytes;
  private final int maxCachedLocks;
  private final int maxWaiting;

  private WorkerOptions(Builder builder) {
    this.leaseNanos = TimeUnit.MILLISECONDS.toNanos(builder.leaseMs);
    this.epochNanos = TimeUnit.MILLISECONDS.toNanos(builder.epochMs);
    this.epochDeadlineNanos = TimeUnit.MILLISECONDS.toNanos(builder.epochDeadlineMs);
    this.pollNanos = TimeUnit.MILLISECONDS.toNanos(builder.pollMs);
    this.pullTimeoutNanos = TimeUnit.MILLISECONDS.toNanos(builder.pullTimeoutMs);
    this.cutMargin = builder.cutMargin;
    this.recordOperations = builder.recordOperations;
    this.maxParkedRecords = builder.maxParkedRecords;
    this.maxParkedBytes = builder.maxParkedBytes;
    this.maxCachedLocks = builder.maxCachedLocks;
    this.maxWaiting = builder.maxWaiting;
  }

  /** Options with their defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** How long a worker may read under its locks after the beat that the coordinator echoes. */
  public long leaseNanos() {
    return leaseNanos;
  }

  /** How often a worker, and the coordinator, says that it lives. */
  public long beatNanos() {
    return leaseNanos / BEATS_PER_LEASE;
  }

  /** How often a worker is told the time at least. */
  public long tickNanos() {
    return beatNanos() / TICKS_PER_BEAT;
  }

  /**
   * After so long without a beat a coordinator takes a worker's lease for over: a quarter more, for
   * two clocks whose rates differ by less.
   */
  public long silenceNanos() {
    return leaseNanos + leaseNanos / 4;
  }

  /**
   * The lease of the worker in whose process the coordinator is: its beats and their echoes go
   * through no network, and a successor has to wait for it to be over.
   */
  public long coordinatorLeaseNanos() {
    return COORDINATOR_LEASE_BEATS * beatNanos();
  }

  /** That, and a quarter more, by another clock. */
  public long coordinatorSilenceNanos() {
    return coordinatorLeaseNanos() + coordinatorLeaseNanos() / 4;
  }

  /** From one RTS to the next, while there is something to join. */
  public long epochNanos() {
    return epochNanos;
  }

  /** How long a worker has to answer an RTS. */
  public long epochDeadlineNanos() {
    return epochDeadlineNanos;
  }

  /** How often replicas are asked for their frontier. */
  public long pollNanos() {
    return pollNanos;
  }

  /** A pull or a frontier read without an answer for so long is taken for lost. */
  public long pullTimeoutNanos() {
    return pullTimeoutNanos;
  }

  /** How far a cut time lies ahead of the coordinator's clock, in Lamport time. */
  public long cutMargin() {
    return cutMargin;
  }

  /** Most operations of a record. */
  public long recordOperations() {
    return recordOperations;
  }

  /** Most records that wait for what comes before them. */
  public int maxParkedRecords() {
    return maxParkedRecords;
  }

  /** Most bytes of them; one record always fits. */
  public long maxParkedBytes() {
    return maxParkedBytes;
  }

  /** Most locks that are kept though no transaction needs them. */
  public int maxCachedLocks() {
    return maxCachedLocks;
  }

  /** Most transactions, and most sessions, that wait at a time. */
  public int maxWaiting() {
    return maxWaiting;
  }

  /** Sets options; one thread. */
  public static final class Builder {
    private long leaseMs = 2_000;
    private long epochMs = 1_000;
    private long epochDeadlineMs = 2_000;
    private long pollMs = 1_000;
    private long pullTimeoutMs = 1_000;
    private long cutMargin = 1L << 28;
    private long recordOperations = MAX_RECORD_OPERATIONS;
    private int maxParkedRecords = 1 << 16;
    private long maxParkedBytes = 64L << 20;
    private int maxCachedLocks = 8_192;
    private int maxWaiting = 16_384;

    private Builder() {}

    /** Default 2 s; 100 ms to 1 h. */
    public Builder leaseMs(long milliseconds) {
      this.leaseMs = milliseconds;
      return this;
    }

    /** Default 1 s; 1 ms to 1 h. */
    public Builder epochMs(long milliseconds) {
      this.epochMs = milliseconds;
      return this;
    }

    /** Default 2 s; 1 ms to 1 h. */
    public Builder epochDeadlineMs(long milliseconds) {
      this.epochDeadlineMs = milliseconds;
      return this;
    }

    /** Default 1 s; 1 ms to 1 h. Without routers much less: it is how records are found. */
    public Builder pollMs(long milliseconds) {
      this.pollMs = milliseconds;
      return this;
    }

    /** Default 1 s; 1 ms to 1 h. */
    public Builder pullTimeoutMs(long milliseconds) {
      this.pullTimeoutMs = milliseconds;
      return this;
    }

    /** Default 2^28; more than {@link #recordOperations}, at most 2^40. */
    public Builder cutMargin(long lamport) {
      this.cutMargin = lamport;
      return this;
    }

    /** Default 2^25; 1 to that. Not less than the engine puts into a record. */
    public Builder recordOperations(long operations) {
      this.recordOperations = operations;
      return this;
    }

    /** Default 65536; 16 to 2^24. */
    public Builder maxParkedRecords(int records) {
      this.maxParkedRecords = records;
      return this;
    }

    /** Default 64 MiB; at least the largest record. */
    public Builder maxParkedBytes(long bytes) {
      this.maxParkedBytes = bytes;
      return this;
    }

    /** Default 8192; 1 to 8192: all of them are named in one frame. */
    public Builder maxCachedLocks(int locks) {
      this.maxCachedLocks = locks;
      return this;
    }

    /** Default 16384; 1 to 2^20. */
    public Builder maxWaiting(int waiting) {
      this.maxWaiting = waiting;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException naming the first option that is out of its range
     */
    public WorkerOptions build() {
      within("leaseMs", leaseMs, LEAST_LEASE_MS, MOST_MS);
      within("epochMs", epochMs, 1, MOST_MS);
      within("epochDeadlineMs", epochDeadlineMs, 1, MOST_MS);
      within("pollMs", pollMs, 1, MOST_MS);
      within("pullTimeoutMs", pullTimeoutMs, 1, MOST_MS);
      within("recordOperations", recordOperations, 1, MAX_RECORD_OPERATIONS);
      within("cutMargin", cutMargin, recordOperations + 1, 1L << 40);
      within("maxParkedRecords", maxParkedRecords, 16, 1 << 24);
      within("maxParkedBytes", maxParkedBytes, RecordLayout.MAX_RECORD_BYTES, 1L << 40);
      within("maxCachedLocks", maxCachedLocks, 1, 8_192);
      within("maxWaiting", maxWaiting, 1, 1 << 20);
      return new WorkerOptions(this);
    }

    private static void within(String name, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            name + " is " + value + "; allowed is " + least + " to " + most);
      }
    }
  }
}
