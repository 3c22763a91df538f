package io.capsuledb.replication.store;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32C;

/**
 * How far appends were acknowledged, kept beside the database: RocksDB's sequence number after the
 * newest append that returned. A database that comes back with less has lost something that was
 * promised, which RocksDB itself cannot see when the loss is at the end of its log.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>the mark is written after the append is durable, so it never says more than is true;
 *   <li>it is not synced: it costs a page-cache write. It survives the death of the process; after
 *       a loss of power it may be up to half a minute old, and then says less than is true, which
 *       is harmless;
 *   <li>it has two slots written in turn, so that a damaged one costs one append of knowledge.
 * </ul>
 *
 * <p>Thread-safe. Not a {@code FileChannel}: an interrupt of the appending thread would close it.
 */
final class AcknowledgedMark implements AutoCloseable {

  // A slot: sequence number (8, little endian), CRC-32C of tag and number (4), zero (4).
  private static final int SLOT_BYTES = 16;
  private static final int SLOT_CHECKSUM = 8;
  private static final int SLOTS = 2;
  private static final byte[] TAG = "capsuledb.mark.v1".getBytes(StandardCharsets.US_ASCII);

  private final Path path;
  private final RandomAccessFile file;
  private long marked;
  private int nextSlot;

  private AcknowledgedMark(Path path, RandomAccessFile file, long marked) {
    this.path = path;
    this.file = file;
    this.marked = marked;
  }

  /** Opens the mark of a database that has recovered up to {@code recovered}. */
  static AcknowledgedMark open(Path directory, long recovered) {
    Path path = directory.resolve(StoreLayout.MARK_FILE);
    try {
      RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw");
      if (file.length() < SLOTS * SLOT_BYTES) {
        // Its blocks are allocated now, so that later a full disk does not matter to it.
        file.seek(0);
        file.write(new byte[SLOTS * SLOT_BYTES]);
        file.getFD().sync();
      }
      return new AcknowledgedMark(path, file, recovered);
    } catch (IOException e) {
      throw RocksFailures.io(e, path, "opening");
    }
  }

  /**
   * What was acknowledged at least.
   *
   * @return a RocksDB sequence number; 0 if there is no mark
   */
  static long read(Path directory) {
    Path path = directory.resolve(StoreLayout.MARK_FILE);
    ByteBuffer slots = ByteBuffer.allocate(SLOTS * SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    if (!Files.exists(path)) {
      return 0;
    }
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
      while (slots.hasRemaining()) {
        int read = file.read(slots.array(), slots.position(), slots.remaining());
        if (read < 0) {
          break;
        }
        slots.position(slots.position() + read);
      }
    } catch (FileNotFoundException e) {
      throw RocksFailures.io(e, path, "opening");
    } catch (IOException e) {
      throw RocksFailures.io(e, path, "reading");
    }
    long highest = 0;
    boolean damaged = false;
    boolean valid = false;
    for (int slot = 0; slot < SLOTS; slot++) {
      long sequence = slots.getLong(slot * SLOT_BYTES);
      int checksum = slots.getInt(slot * SLOT_BYTES + SLOT_CHECKSUM);
      int rest = slots.getInt(slot * SLOT_BYTES + SLOT_CHECKSUM + Integer.BYTES);
      if (sequence == 0 && checksum == 0 && rest == 0) {
        continue;
      }
      if (checksum == checksum(sequence) && rest == 0) {
        valid = true;
        highest = Math.max(highest, sequence);
      } else {
        damaged = true;
      }
    }
    if (damaged && !valid) {
      throw RocksFailures.damaged(
          path + ", which says how far appends were acknowledged; its checksum does not fit");
    }
    return highest;
  }

  /** Remembers that everything up to {@code sequence} was acknowledged, or is about to be. */
  synchronized void advance(long sequence) {
    if (sequence <= marked) {
      return;
    }
    ByteBuffer slot = ByteBuffer.allocate(SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    slot.putLong(sequence).putInt(checksum(sequence));
    try {
      file.seek((long) nextSlot * SLOT_BYTES);
      file.write(slot.array());
    } catch (IOException e) {
      throw RocksFailures.io(e, path, "writing");
    }
    nextSlot = (nextSlot + 1) % SLOTS;
    marked = sequence;
  }

  private static int checksum(long sequence) {
    CRC32C crc = new CRC32C();
    crc.update(TAG);
    crc.update(
        ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(sequence).flip());
    return (int) crc.getValue();
  }

  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException e) {
      throw RocksFailures.io(e, path, "closing");
    }
  }
}
