package io.capsuledb.replication.store;

import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.sim.RecordStoreContract.Medium;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A storage directory as the contract's medium, with buffers so small that tables are written. */
final class RocksMedium implements Medium {

  static final byte[] CAPSULE = new byte[32];

  static {
    Arrays.fill(CAPSULE, (byte) 0xc5);
  }

  static final RocksStorageOptions SMALL =
      RocksStorageOptions.builder().writeBufferBytes(1 << 20).blockCacheBytes(1 << 20).build();

  private final Path directory;
  private @Nullable RocksStorage storage;

  RocksMedium(Path directory) {
    this.directory = directory;
  }

  @Override
  public RecordStore open() {
    storage = RocksStorage.open(directory, SMALL);
    return storage.capsule(CAPSULE);
  }

  @Override
  public void closeStore(RecordStore store) {
    store.close();
    if (storage != null) {
      storage.close();
    }
  }

  @Override
  public void close() {}
}
