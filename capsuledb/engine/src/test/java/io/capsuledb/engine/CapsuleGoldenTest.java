package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.get;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.golden.GoldenCapsule;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.sim.SimClock;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimRecordStore;
import io.capsuledb.core.sim.SimScheduler;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A whole capsule of format 1, from its golden bytes: today's engine opens it and goes on. */
class CapsuleGoldenTest {

  private static final List<String> RECORDS =
      List.of("record-roster.hex", "record-data.hex", "record-join.hex");

  private final GoldenCapsule capsule = new GoldenCapsule();
  private final SimRecordStore store = SimRecordStore.create();
  private final SimScheduler scheduler = new SimScheduler(1);
  private final List<Hash32> hashes = new ArrayList<>();

  private void load() {
    store.initialize(Golden.bytes("metadata.hex"));
    for (String file : RECORDS) {
      byte[] golden = Golden.bytes(file);
      CapsuleRecord record = RecordCodec.decode(capsule.name(), golden).orThrow();
      store.append(
          List.of(
              new StoredRecord(
                  record.header().writer(), record.header().sequence(), record.hash(), golden)));
      hashes.add(record.hash());
    }
  }

  private CapsuleVerifier.Report fsck() {
    try (KeyRing keys = new KeyRing(capsule.name(), List.of(capsule.owner().application(0, 0)))) {
      return new CapsuleVerifier(store, Secp256k1.best(), keys, (done, total) -> {})
          .verify(capsule.name(), List.of());
    }
  }

  @Test
  void itVerifies() {
    load();
    CapsuleVerifier.Report report = fsck();
    assertThat(report.problems()).isEmpty();
    assertThat(report.records()).isEqualTo(3);
    assertThat(report.signatures()).isEqualTo(3);
    assertThat(report.decrypted()).isEqualTo(3);
    assertThat(report.heads())
        .extracting(ChainVerifier.Head::hash)
        .containsExactly(hashes.get(1), hashes.get(2));
  }

  @Test
  void itIsOpenedReadAndContinued() {
    load();
    try (CapsuleDb db =
        CapsuleDb.open(
            CapsuleDbOptions.builder().memtableBytes(1 << 20).build(),
            new CapsulePorts(store, new SimClock(), new SimEntropy(1), scheduler, Telemetry.NONE),
            capsule.owner().application(0, 0),
            records -> {})) {
      assertThat(db.name()).isEqualTo(capsule.name());
      assertThat(db.size()).isEqualTo(1);
      assertThat(get(db, "color")).isEqualTo("blue");
      assertThat(db.get(bytes("color")).fence()).isEqualTo(2);
      assertThat(get(db, "shape")).isNull();
      CapsuleDb.Head born = db.head();
      assertThat(born.lamport()).isEqualTo(5);
      assertThat(db.record(born.hash()).header().parents()).containsExactly(hashes.get(2));
      put(db, "shape", "round");
      scheduler.run();
      assertThat(db.durableTime()).isEqualTo(6);
    }
    assertThat(fsck().problems()).isEmpty();
  }
}
