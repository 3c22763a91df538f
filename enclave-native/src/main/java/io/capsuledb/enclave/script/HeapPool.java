package io.capsuledb.enclave.script;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The heaps of one source: all alike, made when they are wanted, at most so many at once.
 *
 * <p>Invariants: whoever has a permit has at most one heap; a heap is idle here or in one call;
 * after {@link #close} no heap is idle, and those still in calls are closed when they come back.
 * Thread-safe.
 */
final class HeapPool implements AutoCloseable {

  /** Room for the source and what is compiled from it: memory that is not used is not taken. */
  private static final int EXCHANGE_PER_SOURCE_BYTE = 16;

  private static final int EXCHANGE_LEAST = 128 << 10;

  private final String fileName;
  private final int mode;
  private final ScriptLimits limits;
  private final ScriptLimits loadLimits;
  private final ScriptReplay loadReplay;
  private final int exchangeBytes;
  private final Clock clock;
  private final Entropy entropy;
  private final Semaphore permits;
  private final Deque<ScriptHeap> idle = new ArrayDeque<>();
  private final ScriptValue source;

  /** What the first heap compiled; the others take it instead of the source. */
  private @Nullable ScriptValue bytecode;

  private boolean closed;

  HeapPool(
      ScriptSource source,
      int mode,
      ScriptLimits limits,
      ScriptEngineOptions options,
      Clock clock,
      Entropy entropy) {
    this.fileName = source.fileName();
    this.mode = mode;
    this.limits = limits;
    this.exchangeBytes =
        Math.max(
            limits.exchangeBytes(),
            EXCHANGE_LEAST + EXCHANGE_PER_SOURCE_BYTE * source.text().length());
    this.loadLimits =
        ScriptLimits.builder()
            .cpuMs(options.loadMs())
            .wallMs(10 * options.loadMs())
            .heapBytes(limits.heapBytes())
            .resultBytes(Math.min(exchangeBytes, ScriptLimits.MAX_EXCHANGE_BYTES))
            .callDepth(limits.callDepth())
            .build();
    this.clock = clock;
    this.entropy = entropy;
    this.permits = new Semaphore(options.heapsPerSource());
    this.source = ScriptValue.of(source.text());
    byte[] seed = new byte[Long.BYTES];
    entropy.fill(seed);
    // Every heap is loaded alike: what a library draws while it is loaded is the same in all.
    this.loadReplay = new ScriptReplay(clock.wallMs(), java.nio.ByteBuffer.wrap(seed).getLong());
  }

  ScriptLimits limits() {
    return limits;
  }

  /** Makes the first heap; a result holds the registrations. */
  ScriptOutcome first() {
    ScriptHeap heap = new ScriptHeap(limits.heapBytes(), exchangeBytes, fileName, clock, entropy);
    ScriptOutcome outcome = heap.load(mode, source, loadLimits, loadReplay);
    if (!(outcome instanceof ScriptOutcome.Ok(ScriptValue loaded))) {
      heap.close();
      return outcome;
    }
    List<ScriptValue> parts = ((ScriptValue.Items) loaded).values();
    synchronized (idle) {
      bytecode = parts.get(1);
      idle.push(heap);
    }
    return new ScriptOutcome.Ok(parts.get(0));
  }

  /**
   * A heap for one call; {@link #giveBack} returns it.
   *
   * @throws UnavailableException if all are in calls for as long as a call may take, or there is no
   *     memory for another
   */
  ScriptHeap take() {
    try {
      if (!permits.tryAcquire(limits.wallMs(), TimeUnit.MILLISECONDS)) {
        throw new UnavailableException("every heap of " + fileName + " is in a call");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while waiting for a heap of " + fileName, e);
    }
    boolean taken = false;
    try {
      ScriptHeap heap = idleOrNew();
      taken = true;
      return heap;
    } finally {
      if (!taken) {
        permits.release();
      }
    }
  }

  private ScriptHeap idleOrNew() {
    ScriptValue compiled;
    synchronized (idle) {
      if (closed) {
        throw new UnavailableException(fileName + " was unloaded");
      }
      ScriptHeap heap = idle.poll();
      if (heap != null) {
        return heap;
      }
      compiled = bytecode;
    }
    ScriptHeap heap = new ScriptHeap(limits.heapBytes(), exchangeBytes, fileName, clock, entropy);
    ScriptOutcome outcome =
        heap.load(mode, compiled == null ? source : compiled, loadLimits, loadReplay);
    if (outcome instanceof ScriptOutcome.Ok) {
      return heap;
    }
    heap.close();
    throw new UnavailableException(
        "another heap of " + fileName + " cannot be made: " + outcome.describe());
  }

  void giveBack(ScriptHeap heap) {
    synchronized (idle) {
      if (closed) {
        heap.close();
      } else {
        idle.push(heap);
      }
    }
    permits.release();
  }

  /**
   * Runs something with a heap of its own, if one is idle: does not wait, and makes none.
   *
   * @return null if none is idle
   */
  @Nullable ScriptOutcome callNow(
      int function,
      CallArguments arguments,
      ScriptLimits callLimits,
      HostFunctions host,
      ScriptCall call) {
    if (!permits.tryAcquire()) {
      return null;
    }
    ScriptHeap heap;
    synchronized (idle) {
      heap = closed ? null : idle.poll();
    }
    if (heap == null) {
      permits.release();
      return null;
    }
    try {
      return heap.call(function, arguments, callLimits, host, call);
    } finally {
      giveBack(heap);
    }
  }

  /** Runs something with a heap of its own. */
  ScriptOutcome call(
      int function,
      CallArguments arguments,
      ScriptLimits callLimits,
      HostFunctions host,
      ScriptCall call) {
    ScriptHeap heap = take();
    try {
      return heap.call(function, arguments, callLimits, host, call);
    } finally {
      giveBack(heap);
    }
  }

  @Override
  public void close() {
    synchronized (idle) {
      closed = true;
      idle.forEach(ScriptHeap::close);
      idle.clear();
    }
  }
}
