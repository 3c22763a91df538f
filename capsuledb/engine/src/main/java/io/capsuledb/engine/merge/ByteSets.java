package io.capsuledb.engine.merge;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.bytes.Varint;
import java.util.Arrays;
import java.util.NavigableSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Sets of byte strings as they are stored: docs/format/collections.md, format 1. */
final class ByteSets {

  private static final int FORMAT = 1;
  private static final int COUNT_OFFSET = 1;
  private static final int ELEMENTS_OFFSET = 5;
  private static final int MAX_ELEMENTS = 1 << 20;

  private ByteSets() {}

  /** The elements, ascending; null if the bytes are no set. */
  static @Nullable NavigableSet<byte[]> decode(byte[] bytes) {
    if (bytes.length < ELEMENTS_OFFSET || bytes[0] != FORMAT) {
      return null;
    }
    int count = LittleEndian.getInt(bytes, COUNT_OFFSET);
    if (count < 1 || count > MAX_ELEMENTS || count > bytes.length) {
      return null;
    }
    NavigableSet<byte[]> elements = new TreeSet<>(Arrays::compareUnsigned);
    int at = ELEMENTS_OFFSET;
    for (int i = 0; i < count; i++) {
      int length = Varint.get(bytes, at, bytes.length);
      if (length < 0) {
        return null;
      }
      at += Varint.bytes(length);
      if (length > bytes.length - at) {
        return null;
      }
      byte[] element = Arrays.copyOfRange(bytes, at, at + length);
      at += length;
      if (!elements.isEmpty() && Arrays.compareUnsigned(elements.last(), element) >= 0) {
        return null;
      }
      elements.add(element);
    }
    return at == bytes.length ? elements : null;
  }

  static byte[] encode(NavigableSet<byte[]> elements) {
    int length = ELEMENTS_OFFSET;
    for (byte[] element : elements) {
      length += Varint.bytes(element.length) + element.length;
    }
    byte[] bytes = new byte[length];
    bytes[0] = FORMAT;
    LittleEndian.putInt(bytes, COUNT_OFFSET, elements.size());
    int at = ELEMENTS_OFFSET;
    for (byte[] element : elements) {
      at = Varint.put(bytes, at, element.length);
      System.arraycopy(element, 0, bytes, at, element.length);
      at += element.length;
    }
    return bytes;
  }
}
