package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;

/** What a run may use. Immutable; {@link Builder#build} checks every value. */
public final class ScriptLimits {

  /** Least memory: the engine itself takes half of it. */
  public static final int MIN_HEAP_BYTES = 256 << 10;

  /** Most memory. */
  public static final int MAX_HEAP_BYTES = 1 << 30;

  /** Most bytes of arguments, results and values. */
  public static final int MAX_EXCHANGE_BYTES = 64 << 20;

  private final long cpuMs;
  private final long wallMs;
  private final long instructions;
  private final int heapBytes;
  private final int argumentBytes;
  private final int resultBytes;
  private final int valueBytes;
  private final int hostCalls;
  private final int callDepth;

  private ScriptLimits(Builder builder) {
    this.cpuMs = builder.cpuMs;
    this.wallMs = builder.wallMs;
    this.instructions = builder.instructions;
    this.heapBytes = builder.heapBytes;
    this.argumentBytes = builder.argumentBytes;
    this.resultBytes = builder.resultBytes;
    this.valueBytes = builder.valueBytes;
    this.hostCalls = builder.hostCalls;
    this.callDepth = builder.callDepth;
  }

  /** The limits of a procedure for which nobody asked for others. */
  public static ScriptLimits defaults() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** CPU time of the calling thread in milliseconds, host functions included. */
  public long cpuMs() {
    return cpuMs;
  }

  /** Time in milliseconds: what ends a call that waits. */
  public long wallMs() {
    return wallMs;
  }

  /** Bytecode instructions. */
  public long instructions() {
    return instructions;
  }

  /** Memory of the script's heap, with what engine and library take of it. */
  public int heapBytes() {
    return heapBytes;
  }

  /** Encoded arguments of a call. */
  public int argumentBytes() {
    return argumentBytes;
  }

  /** Encoded result of a call. */
  public int resultBytes() {
    return resultBytes;
  }

  /** What one call of a host function may be given or answer, encoded. */
  public int valueBytes() {
    return valueBytes;
  }

  /** Calls of host functions, printing included. */
  public int hostCalls() {
    return hostCalls;
  }

  /** JavaScript functions active at once. */
  public int callDepth() {
    return callDepth;
  }

  /** The largest of what goes in or out at once. */
  int exchangeBytes() {
    return Math.max(argumentBytes, Math.max(resultBytes, valueBytes));
  }

  /** Sets some limits and leaves the others. Not thread-safe. */
  public static final class Builder {

    private long cpuMs = 50;
    private long wallMs = 10_000;
    private long instructions = Long.MAX_VALUE;
    private int heapBytes = 8 << 20;
    private int argumentBytes = 1 << 20;
    private int resultBytes = 1 << 20;
    private int valueBytes = 17 << 20;
    private int hostCalls = 10_000;
    private int callDepth = 1_000;

    private Builder() {}

    /** 1 to 600,000; 50 if not set. */
    public Builder cpuMs(long value) {
      this.cpuMs = value;
      return this;
    }

    /** 1 to 3,600,000; 10,000 if not set. */
    public Builder wallMs(long value) {
      this.wallMs = value;
      return this;
    }

    /** 1 and more; not limited if not set. */
    public Builder instructions(long value) {
      this.instructions = value;
      return this;
    }

    /** 256 KiB to 1 GiB; 8 MiB if not set. */
    public Builder heapBytes(int value) {
      this.heapBytes = value;
      return this;
    }

    /** 1 KiB to 64 MiB; 1 MiB if not set. */
    public Builder argumentBytes(int value) {
      this.argumentBytes = value;
      return this;
    }

    /** 1 KiB to 64 MiB; 1 MiB if not set. */
    public Builder resultBytes(int value) {
      this.resultBytes = value;
      return this;
    }

    /** 1 KiB to 64 MiB; 17 MiB if not set. */
    public Builder valueBytes(int value) {
      this.valueBytes = value;
      return this;
    }

    /** 0 to 1,000,000,000; 10,000 if not set. */
    public Builder hostCalls(int value) {
      this.hostCalls = value;
      return this;
    }

    /** 10 to 10,000; 1,000 if not set. */
    public Builder callDepth(int value) {
      this.callDepth = value;
      return this;
    }

    /**
     * Checks and freezes them.
     *
     * @throws InvalidRequestException that names the limit, the value and what is allowed
     */
    public ScriptLimits build() {
      check("cpuMs", cpuMs, 1, 600_000);
      check("wallMs", wallMs, 1, 3_600_000);
      check("instructions", instructions, 1, Long.MAX_VALUE);
      check("heapBytes", heapBytes, MIN_HEAP_BYTES, MAX_HEAP_BYTES);
      check("argumentBytes", argumentBytes, 1 << 10, MAX_EXCHANGE_BYTES);
      check("resultBytes", resultBytes, 1 << 10, MAX_EXCHANGE_BYTES);
      check("valueBytes", valueBytes, 1 << 10, MAX_EXCHANGE_BYTES);
      check("hostCalls", hostCalls, 0, 1_000_000_000);
      check("callDepth", callDepth, 10, 10_000);
      return new ScriptLimits(this);
    }

    private static void check(String limit, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            limit + " is " + value + "; allowed is " + least + " to " + most);
      }
    }
  }
}
