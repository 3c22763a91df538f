package io.capsuledb.core.bytes;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Fixed-width little-endian integers in byte arrays. Bounds are the array's. */
public final class LittleEndian {

  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private LittleEndian() {}

  /** Reads an unsigned 16-bit integer. */
  public static int getUnsignedShort(byte[] source, int offset) {
    return (short) SHORT.get(source, offset) & 0xFFFF;
  }

  public static int getInt(byte[] source, int offset) {
    return (int) INT.get(source, offset);
  }

  public static long getLong(byte[] source, int offset) {
    return (long) LONG.get(source, offset);
  }

  /** Writes the low 16 bits of {@code value}. */
  public static void putShort(byte[] target, int offset, int value) {
    SHORT.set(target, offset, (short) value);
  }

  public static void putInt(byte[] target, int offset, int value) {
    INT.set(target, offset, value);
  }

  public static void putLong(byte[] target, int offset, long value) {
    LONG.set(target, offset, value);
  }
}
