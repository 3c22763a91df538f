package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A source that registered functions when it was loaded. What it did then, to globals of its own
 * for one, every call finds; what a call does, no other call finds. Thread-safe: every call has a
 * heap of its own.
 */
public final class ScriptLibrary implements AutoCloseable {

  private final HeapPool heaps;
  private final Map<String, Entry> functions;

  /** A function with its number in the heap and its limits. */
  private record Entry(
      int number, ScriptFunction function, ScriptLimits limits, ScriptLimits shortLimits) {}

  /** What a call may use that {@link #tryCall} makes. */
  private static final int SHORT_INSTRUCTIONS = 20_000;

  private static final int SHORT_MS = 1;

  /**
   * Takes what a library registered.
   *
   * @throws InvalidRequestException if a registration is wrong
   */
  ScriptLibrary(HeapPool heaps, ScriptValue registrations) {
    this.heaps = heaps;
    Map<String, Entry> byName = new LinkedHashMap<>();
    for (ScriptValue registration : ((ScriptValue.Items) registrations).values()) {
      ScriptFunction function = ScriptFunction.of(registration, heaps.limits());
      ScriptLimits limits = limitsOf(function, heaps.limits());
      Entry entry = new Entry(byName.size(), function, limits, shorter(limits));
      if (byName.putIfAbsent(function.name(), entry) != null) {
        throw new InvalidRequestException("two functions are called " + function.name());
      }
    }
    this.functions = Collections.unmodifiableMap(byName);
  }

  private static ScriptLimits limitsOf(ScriptFunction function, ScriptLimits library) {
    return ScriptLimits.builder()
        .cpuMs(function.timeoutMs() > 0 ? function.timeoutMs() : library.cpuMs())
        .wallMs(library.wallMs())
        .instructions(library.instructions())
        .heapBytes(function.heapBytes() > 0 ? function.heapBytes() : library.heapBytes())
        .argumentBytes(library.argumentBytes())
        .resultBytes(library.resultBytes())
        .valueBytes(library.valueBytes())
        .hostCalls(library.hostCalls())
        .callDepth(library.callDepth())
        .build();
  }

  /** What it registered, in that order. */
  public Collection<ScriptFunction> functions() {
    return functions.values().stream().map(Entry::function).toList();
  }

  /** The function of that name, or null. */
  public @Nullable ScriptFunction function(String name) {
    Entry entry = functions.get(name);
    return entry == null ? null : entry.function();
  }

  /**
   * Calls a function.
   *
   * @param arguments what it gets, each an argument of its own
   * @param call how; a function with no-writes is read-only in any case
   * @throws InvalidRequestException if there is no such function
   * @throws io.capsuledb.core.error.UnavailableException if no heap came free
   */
  public ScriptOutcome call(
      String name, List<ScriptValue> arguments, HostFunctions host, ScriptCall call) {
    return call(entry(name), CallArguments.of(arguments), host, call);
  }

  /**
   * Calls a function as FCALL does: with two arguments, the keys and the others, an array each.
   * What is UTF-8 is a string there, else it is bytes.
   *
   * @throws InvalidRequestException if there is no such function
   * @throws io.capsuledb.core.error.UnavailableException if no heap came free
   */
  public ScriptOutcome call(
      String name, List<byte[]> keys, List<byte[]> arguments, HostFunctions host, ScriptCall call) {
    return call(entry(name), CallArguments.of(keys, arguments), host, call);
  }

  private ScriptOutcome call(
      Entry entry, CallArguments arguments, HostFunctions host, ScriptCall call) {
    return heaps.call(entry.number(), arguments, entry.limits(), host, of(entry, call));
  }

  private Entry entry(String name) {
    Entry entry = functions.get(name);
    if (entry == null) {
      throw new InvalidRequestException("the library has no function of that name");
    }
    return entry;
  }

  private static ScriptCall of(Entry entry, ScriptCall call) {
    return entry.function().noWrites() && !call.readOnly() ? call.asReadOnly() : call;
  }

  /**
   * Calls a function, as FCALL does, if that takes no longer than a millisecond or so: on a thread
   * that must not be kept waiting. A call that would take longer is given up, and whatever it asked
   * of the host is to be forgotten.
   *
   * @return null if it was given up, or not begun because no heap was idle
   */
  public @Nullable ScriptOutcome tryCall(
      String name, List<byte[]> keys, List<byte[]> arguments, HostFunctions host, ScriptCall call) {
    Entry entry = entry(name);
    ScriptOutcome outcome =
        heaps.callNow(
            entry.number(),
            CallArguments.of(keys, arguments),
            entry.shortLimits(),
            host,
            of(entry, call));
    return outcome instanceof ScriptOutcome.TimedOut ? null : outcome;
  }

  private static ScriptLimits shorter(ScriptLimits limits) {
    long instructions = limits.instructions();
    return ScriptLimits.builder()
        .cpuMs(Math.min(SHORT_MS, limits.cpuMs()))
        .wallMs(limits.wallMs())
        .instructions(
            instructions == 0 ? SHORT_INSTRUCTIONS : Math.min(SHORT_INSTRUCTIONS, instructions))
        .heapBytes(limits.heapBytes())
        .argumentBytes(limits.argumentBytes())
        .resultBytes(limits.resultBytes())
        .valueBytes(limits.valueBytes())
        .hostCalls(limits.hostCalls())
        .callDepth(limits.callDepth())
        .build();
  }

  HeapPool heaps() {
    return heaps;
  }

  /** Frees its heaps; calls that are under way go on. */
  @Override
  public void close() {
    heaps.close();
  }
}
