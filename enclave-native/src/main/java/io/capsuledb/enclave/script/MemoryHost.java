package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A store in memory, to try out scripts without a server: nothing is durable or shared, keys do not
 * expire, locks are always free, and the only operator of merge is {@code append}. Not thread-safe.
 */
public final class MemoryHost implements HostFunctions {

  private static final int MAX_KEYS = 1_000_000;

  private NavigableMap<byte[], byte[]> entries = new TreeMap<>(Arrays::compareUnsigned);
  private @Nullable NavigableMap<byte[], byte[]> before;
  private final Consumer<String> lines;

  /** Prints go to {@code lines}. */
  public MemoryHost(Consumer<String> lines) {
    this.lines = lines;
  }

  @Override
  public byte @Nullable [] get(byte[] key) {
    return entries.get(key);
  }

  @Override
  public void put(byte[] key, byte[] value, long ttlMs) {
    if (entries.size() >= MAX_KEYS) {
      throw new InvalidRequestException("a store in memory has at most " + MAX_KEYS + " keys");
    }
    entries.put(key, value);
  }

  @Override
  public boolean del(byte[] key) {
    return entries.remove(key) != null;
  }

  @Override
  public boolean exists(byte[] key) {
    return entries.containsKey(key);
  }

  @Override
  public List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit) {
    boolean behind = after != null && Arrays.compareUnsigned(after, prefix) >= 0;
    byte[] from = behind && after != null ? after : prefix;
    List<Entry> found = new ArrayList<>();
    for (var entry : entries.tailMap(from, !behind).entrySet()) {
      byte[] key = entry.getKey();
      if (found.size() >= limit
          || key.length < prefix.length
          || !Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length)) {
        break;
      }
      found.add(new Entry(key, entry.getValue()));
    }
    return found;
  }

  @Override
  public long incr(byte[] key, long by) {
    byte[] value = entries.get(key);
    try {
      long sum =
          Math.addExact(
              value == null ? 0 : Long.parseLong(new String(value, StandardCharsets.US_ASCII)), by);
      put(key, Long.toString(sum).getBytes(StandardCharsets.US_ASCII), 0);
      return sum;
    } catch (NumberFormatException | ArithmeticException e) {
      throw new InvalidRequestException("the value is not a number that can be added to", e);
    }
  }

  @Override
  public boolean cas(byte[] key, byte @Nullable [] expected, byte @Nullable [] replacement) {
    if (!Arrays.equals(entries.get(key), expected)) {
      return false;
    }
    if (replacement == null) {
      entries.remove(key);
    } else {
      put(key, replacement, 0);
    }
    return true;
  }

  @Override
  public byte[] merge(byte[] key, String operator, byte[] operand) {
    if (!operator.equals("append")) {
      throw new InvalidRequestException("the only operator of a store in memory is append");
    }
    byte[] value = entries.get(key);
    byte[] joined = value == null ? operand : Arrays.copyOf(value, value.length + operand.length);
    if (value != null) {
      System.arraycopy(operand, 0, joined, value.length, operand.length);
    }
    put(key, joined, 0);
    return joined;
  }

  /** Nobody else is there. */
  @Override
  public void lock(byte[] key) {}

  @Override
  public void begin() {
    before = new TreeMap<>(entries);
  }

  @Override
  public void commit() {
    before = null;
  }

  @Override
  public void rollback() {
    if (before != null) {
      entries = before;
      before = null;
    }
  }

  @Override
  public void log(String line) {
    lines.accept(line);
  }
}
