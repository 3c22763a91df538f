package io.capsuledb.core.sim;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

class SimRecordStorePropertyTest {

  @Property(tries = 200)
  void agreesWithAMap(@ForAll long seed) {
    try (RecordStoreContract.Medium medium = SimRecordStoreTest.medium()) {
      RecordStoreModel.run(medium, seed, 60);
    }
  }
}
