package io.capsuledb.jepsen.fuzz;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * The input that a decoder is at, in a file that both see: the process that runs it, by its memory,
 * and who started that, also when that process is no more. One thread writes.
 */
final class CurrentInput {

  /** No decoder is running. */
  private static final int NONE = -1;

  private static final long LENGTH = 0;
  private static final long BYTES = Integer.BYTES;

  private final MemorySegment memory;
  private final int capacity;

  private CurrentInput(MemorySegment memory, int capacity) {
    this.memory = memory;
    this.capacity = capacity;
  }

  /** A new file, with room for inputs of so many bytes; what is longer is cut. */
  static CurrentInput create(Path file, int capacity) throws IOException {
    Files.write(file, new byte[(int) BYTES + capacity]);
    return map(file, capacity);
  }

  private static CurrentInput map(Path file, int capacity) throws IOException {
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      CurrentInput input =
          new CurrentInput(
              channel.map(FileChannel.MapMode.READ_WRITE, 0, BYTES + capacity, Arena.ofAuto()),
              capacity);
      input.ends();
      return input;
    }
  }

  void begins(byte[] input) {
    int length = Math.min(input.length, capacity);
    MemorySegment.copy(input, 0, memory, ValueLayout.JAVA_BYTE, BYTES, length);
    memory.set(ValueLayout.JAVA_INT, LENGTH, length);
  }

  void ends() {
    memory.set(ValueLayout.JAVA_INT, LENGTH, NONE);
  }

  /** What the process that wrote this file was at when it ended; null if at nothing. */
  static byte @Nullable [] read(Path file) throws IOException {
    if (!Files.exists(file)) {
      return null;
    }
    byte[] all = Files.readAllBytes(file);
    int length = MemorySegment.ofArray(all).get(ValueLayout.JAVA_INT_UNALIGNED, LENGTH);
    return length < 0 || length > all.length - BYTES
        ? null
        : java.util.Arrays.copyOfRange(all, (int) BYTES, (int) BYTES + length);
  }
}
