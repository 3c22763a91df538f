package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import org.jspecify.annotations.Nullable;

/** How an engine is opened. Immutable; made by {@link #builder()}. */
public final class CapsuleDbOptions {

  /** Least memory a memtable works with. */
  public static final long MIN_MEMTABLE_BYTES = 1L << 20;

  /** Most memory a memtable may be given. */
  public static final long MAX_MEMTABLE_BYTES = 1L << 40;

  private final long memtableBytes;
  private final @Nullable CapsuleName capsule;
  private final @Nullable PublicKey owner;

  private CapsuleDbOptions(Builder builder) {
    this.memtableBytes = builder.memtableBytes;
    this.capsule = builder.capsule;
    this.owner = builder.owner;
  }

  /** Options with their defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Bytes of keys and values, overhead included, beyond which writes are refused. */
  public long memtableBytes() {
    return memtableBytes;
  }

  /** The capsule the store has to hold, or null to take any. */
  public @Nullable CapsuleName capsule() {
    return capsule;
  }

  /** The owner the capsule has to have, or null to take any. */
  public @Nullable PublicKey owner() {
    return owner;
  }

  /** Collects options; not thread-safe. */
  public static final class Builder {
    private long memtableBytes = 1L << 30;
    private @Nullable CapsuleName capsule;
    private @Nullable PublicKey owner;

    private Builder() {}

    /** Default 1 GiB, off the heap; memory is taken as it fills. */
    public Builder memtableBytes(long bytes) {
      this.memtableBytes = bytes;
      return this;
    }

    /** The capsule to open: a store that holds another is refused. Default: whatever it holds. */
    public Builder capsule(@Nullable CapsuleName name) {
      this.capsule = name;
      return this;
    }

    /** The owner to insist on. Default: anybody whose capsule names the application key. */
    public Builder owner(@Nullable PublicKey key) {
      this.owner = key;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException naming the option, its value and what is allowed
     */
    public CapsuleDbOptions build() {
      if (memtableBytes < MIN_MEMTABLE_BYTES || memtableBytes > MAX_MEMTABLE_BYTES) {
        throw new InvalidRequestException(
            "memtableBytes is "
                + memtableBytes
                + "; allowed is "
                + MIN_MEMTABLE_BYTES
                + " to "
                + MAX_MEMTABLE_BYTES);
      }
      return new CapsuleDbOptions(this);
    }
  }
}
