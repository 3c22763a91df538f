package io.capsuledb.host.pair;

import io.capsuledb.core.port.RecordStore;
import java.util.List;

/**
 * The stores of capsules in one directory: a port. One implementation has the disk, the other asks
 * the process that has it. Thread-safe.
 */
public interface CapsuleStores extends AutoCloseable {

  /** The store of a capsule, empty if it is new; closed with this. */
  RecordStore capsule(byte[] name);

  /** The names of the capsules that are here. */
  List<byte[]> capsules();

  /** Bytes on the medium, approximately. */
  long sizeBytes();

  @Override
  void close();
}
