package io.capsuledb.enclave.script;

/**
 * The functions of the native library, as script_heap.h describes them. A heap is its address; only
 * {@link ScriptHeap} has one. Loaded by {@link EngineLoader}.
 */
final class NativeScript {

  private NativeScript() {}

  /** Tells the library how to call {@link ScriptHeap#hostCall}. */
  static native void initialize(Class<ScriptHeap> host);

  /** A heap, or the negative outcome. */
  static native long create(int heapBytes, int exchangeBytes);

  static native void destroy(long heap);

  static native long exchange(long heap);

  static native int load(
      long heap,
      int mode,
      ScriptHeap host,
      long cpuNs,
      long wallNs,
      long instructions,
      int heapBytes,
      int resultBytes,
      int hostCalls,
      int callDepth,
      boolean clockStands,
      double nowMs,
      long seed0,
      long seed1);

  /** Outcome in the lowest byte, length of what is in the exchange above it. */
  static native long call(
      long heap,
      int function,
      int length,
      ScriptHeap host,
      long cpuNs,
      long wallNs,
      long instructions,
      int heapBytes,
      int resultBytes,
      int hostCalls,
      int callDepth,
      boolean clockStands,
      double nowMs,
      long seed0,
      long seed1);

  static native void cancel(long heap);

  static native void clearCancel(long heap);

  static native void reset(long heap);

  static native long stat(long heap, int which);
}
