package io.capsuledb.replication.store;

import io.capsuledb.core.sim.RecordStoreContract;
import java.nio.file.Path;

class RocksRecordStoreTest extends RecordStoreContract {

  @Override
  protected Medium newMedium(Path directory) {
    return new RocksMedium(directory.resolve("store"));
  }
}
