package io.capsuledb.host.bench.engine;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A key-value store under measurement. Thread-safe but for {@link #reopen} and {@link #close}. */
interface BenchStore extends AutoCloseable {

  /** What it is called in reports. */
  String name();

  /** Where its files are. */
  Path directory();

  /** Writes some keys together; they are on stable storage when this returns. */
  void write(byte[][] keys, byte[][] values);

  /** The value of a key, or null. */
  byte @Nullable [] get(byte[] key);

  /** Goes to the first key at or after one and reads {@code count} keys with their values. */
  int scan(byte[] from, int count);

  /** Has everything that is due in the background done, and waits for it. */
  void settle();

  /** Has everything merged, and waits for it. */
  void compact();

  /** Closes and opens it again, so that nothing is in its own caches. */
  void reopen();

  @Override
  void close();
}
