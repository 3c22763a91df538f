package io.capsuledb.replication.store;

import io.capsuledb.core.sim.RecordStoreModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

class RocksRecordStorePropertyTest {

  @Property(tries = 8)
  void agreesWithAMap(@ForAll long seed) throws IOException {
    Path directory = Files.createTempDirectory("capsuledb-test");
    try (RocksMedium medium = new RocksMedium(directory)) {
      RecordStoreModel.run(medium, seed, 60);
    } finally {
      DirectoryImage.delete(directory);
    }
  }
}
