package io.capsuledb.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.golden.GoldenCapsule;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.Checkpoint.Range;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimRecordStore;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What fsck says of stubs, and of who may release what; on capsules made by hand. */
class ReleasedCapsuleTest {

  private static final Secp256k1 CURVE = Secp256k1.best();
  private static final long WORKER = 0x1111L;
  private static final long COMPACTOR = 0x2222L;
  private static final byte[] BATCH = HexFormat.of().parseHex(GoldenCapsule.BATCH);

  private final SimDisk disk = new SimDisk();
  private final SimRecordStore store = disk.open();
  private final ApplicationKey application;
  private final CapsuleName name;
  private final KeyRing keys;
  private final List<RecordSealer> sealers = new ArrayList<>();
  private long lamport;

  ReleasedCapsuleTest() {
    byte[] seed = new byte[64];
    SimEntropy entropy = new SimEntropy(5);
    entropy.fill(seed);
    KeyTree owner = KeyTree.fromSeed(SecretBytes.own(seed));
    application = owner.application(0, 0);
    byte[] metadata = NewCapsule.sign(owner, 0, List.of(), 0, entropy);
    name = MetadataCodec.nameOf(metadata);
    keys = new KeyRing(name, List.of(application));
    store.initialize(metadata);
  }

  @AfterEach
  void close() {
    sealers.forEach(RecordSealer::close);
    keys.close();
  }

  private RecordSealer introduce(long writer, Role role) {
    try (SecretBytes dataKey = keys.dataKey(0, writer)) {
      RecordSealer sealer =
          new RecordSealer(name, 0, writer, application.writerPrivateKey(writer), dataKey, CURVE);
      sealers.add(sealer);
      byte[] roster =
          RosterCodec.encode(
              name,
              0,
              List.of(new RosterEntry(writer, application.writerPublicKey(writer), role, 0)),
              application::sign);
      append(sealer, RecordType.ROSTER, List.of(), roster);
      return sealer;
    }
  }

  private CapsuleRecord append(
      RecordSealer sealer, RecordType type, List<Hash32> parents, byte[] payload) {
    lamport += 10;
    CapsuleRecord record = sealer.seal(type, 0, lamport, parents, payload, 0, payload.length);
    store.append(List.of(stored(record, record.bytes())));
    return record;
  }

  private static StoredRecord stored(CapsuleRecord record, byte[] bytes) {
    return new StoredRecord(
        record.header().writer(), record.header().sequence(), record.hash(), bytes);
  }

  private CapsuleRecord batch(RecordSealer worker) {
    return append(worker, RecordType.DATA, List.of(), BATCH);
  }

  private CapsuleRecord checkpoint(RecordSealer writer, Range... released) {
    return append(
        writer,
        RecordType.CHECKPOINT,
        List.of(),
        CheckpointCodec.encode(
            new Checkpoint(Hash32.ZERO, Hash32.ZERO, lamport, List.of(released))));
  }

  private void release(CapsuleRecord... records) {
    store.release(
        List.of(records).stream()
            .map(record -> stored(record, RecordCodec.stub(record.bytes())))
            .toList());
  }

  private CapsuleVerifier.Report fsck() {
    CapsuleVerifier.Report withoutKeys =
        new CapsuleVerifier(store, CURVE, null, (done, total) -> {}).verify(name);
    CapsuleVerifier.Report report =
        new CapsuleVerifier(store, CURVE, keys, (done, total) -> {}).verify(name);
    // Nobody needs a key to judge a stub.
    if (report.problems().stream().allMatch(p -> p.rejection().reason() == Reason.RELEASED)) {
      assertThat(withoutKeys.problems()).isEqualTo(report.problems());
    }
    assertThat(withoutKeys.released()).isEqualTo(report.released());
    return report;
  }

  private static void assertOnly(CapsuleVerifier.Report report, String where, Reason reason) {
    assertThat(report.problems())
        .singleElement()
        .satisfies(
            problem -> {
              assertThat(problem.where()).isEqualTo(where);
              assertThat(problem.rejection().reason()).isEqualTo(reason);
            });
  }

  @Test
  void whatACompactorReleasedMayBeStubs() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    CapsuleRecord first = batch(worker);
    CapsuleRecord second = batch(worker);
    RecordSealer compactor = introduce(COMPACTOR, Role.COMPACTOR);
    CapsuleRecord block = append(compactor, RecordType.BLOCK, List.of(), new byte[100]);
    CapsuleRecord manifest =
        append(compactor, RecordType.MANIFEST, List.of(second.hash()), new byte[50]);
    checkpoint(compactor, new Range(WORKER, 2, 2));
    // Two checkpoints of touching ranges, and one of its own records.
    checkpoint(
        compactor, new Range(WORKER, 3, 3), new Range(COMPACTOR, 2, 3), new Range(0x3333, 1, 9));
    batch(worker);
    assertThat(fsck().problems()).isEmpty();
    assertThat(fsck().released()).isZero();

    release(first, second, block, manifest);
    CapsuleVerifier.Report report = fsck();
    assertThat(report.problems()).isEmpty();
    assertThat(report.records()).isEqualTo(9);
    assertThat(report.signatures()).isEqualTo(9);
    assertThat(report.released()).isEqualTo(4);
    // The third batch and two rosters; checkpoints are in clear.
    assertThat(report.decrypted()).isEqualTo(3);

    // A parent that became a stub is still a parent.
    RecordSealer late = introduce(0x4444, Role.WORKER);
    batch(late);
    assertThat(fsck().problems()).isEmpty();
  }

  @Test
  void aJoinOfAReleasedHeadIsFine() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    CapsuleRecord head = batch(worker);
    RecordSealer compactor = introduce(COMPACTOR, Role.COMPACTOR);
    CapsuleRecord manifest =
        append(compactor, RecordType.MANIFEST, List.of(head.hash()), new byte[50]);
    checkpoint(compactor, new Range(WORKER, 2, 2));
    release(head);
    assertThat(fsck().problems()).isEmpty();
    // Without even its stub, only the join knows that there was a head.
    disk.lose(WORKER, 2);
    assertThat(fsck().problems())
        .extracting(p -> p.where() + " " + p.rejection().reason())
        .contains(CapsuleRecord.describe(COMPACTOR, 2) + " " + Reason.MISSING_RECORD);
    assertThat(manifest.header().parents()).containsExactly(head.hash());
  }

  @Test
  void aStubThatNoCheckpointNamesIsAProblem() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    CapsuleRecord[] batches = new CapsuleRecord[6];
    for (int i = 0; i < batches.length; i++) {
      batches[i] = batch(worker);
    }
    release(batches);
    assertOnly(fsck(), CapsuleRecord.describe(WORKER, 2), Reason.RELEASED);
    RecordSealer compactor = introduce(COMPACTOR, Role.COMPACTOR);
    checkpoint(compactor, new Range(WORKER, 2, 4), new Range(WORKER, 6, 6));
    CapsuleVerifier.Report report = fsck();
    assertThat(report.problems())
        .extracting(CapsuleVerifier.Problem::where)
        .containsExactly(CapsuleRecord.describe(WORKER, 5), CapsuleRecord.describe(WORKER, 7));
    assertThat(report.released()).isEqualTo(6);
    checkpoint(compactor, new Range(WORKER, 1, 100));
    assertThat(fsck().problems()).isEmpty();
  }

  @Test
  void onlyACompactorReleases() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    CapsuleRecord batch = batch(worker);
    checkpoint(worker, new Range(WORKER, 2, 2));
    assertOnly(fsck(), CapsuleRecord.describe(WORKER, 3), Reason.ROLE);
    release(batch);
    assertThat(fsck().problems())
        .extracting(p -> p.where() + " " + p.rejection().reason())
        .containsExactly(
            CapsuleRecord.describe(WORKER, 3) + " " + Reason.ROLE,
            CapsuleRecord.describe(WORKER, 2) + " " + Reason.RELEASED);
  }

  @Test
  void rolesSayWhoWritesWhat() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    RecordSealer compactor = introduce(COMPACTOR, Role.COMPACTOR);
    RecordSealer leader = introduce(0x5555, Role.LEADER);
    List<String> expected = new ArrayList<>();
    for (RecordType type : List.of(RecordType.BLOCK, RecordType.MANIFEST)) {
      append(compactor, type, List.of(), new byte[20]);
      append(worker, type, List.of(), new byte[20]);
      append(leader, type, List.of(), new byte[20]);
      expected.add(CapsuleRecord.describe(WORKER, worker.sequence()));
      expected.add(CapsuleRecord.describe(0x5555, leader.sequence()));
    }
    append(compactor, RecordType.DATA, List.of(), BATCH);
    append(leader, RecordType.DATA, List.of(), BATCH);
    expected.add(CapsuleRecord.describe(COMPACTOR, compactor.sequence()));
    expected.add(CapsuleRecord.describe(0x5555, leader.sequence()));
    assertThat(fsck().problems())
        .allMatch(p -> p.rejection().reason() == Reason.ROLE)
        .extracting(CapsuleVerifier.Problem::where)
        .containsExactlyInAnyOrderElementsOf(expected);
  }

  @Test
  void aForgedOrDamagedCheckpointReleasesNothing() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    CapsuleRecord batch = batch(worker);
    RecordSealer compactor = introduce(COMPACTOR, Role.COMPACTOR);
    CapsuleRecord checkpoint = checkpoint(compactor, new Range(WORKER, 2, 2));
    release(batch);
    assertThat(fsck().problems()).isEmpty();
    disk.forgeByte(COMPACTOR, 2, checkpoint.bytes().length - 1);
    assertThat(fsck().problems())
        .extracting(p -> p.where() + " " + p.rejection().reason())
        .containsExactly(
            CapsuleRecord.describe(COMPACTOR, 2) + " " + Reason.SIGNATURE,
            CapsuleRecord.describe(WORKER, 2) + " " + Reason.RELEASED);
    disk.forge(COMPACTOR, 2, checkpoint.bytes());
    append(compactor, RecordType.CHECKPOINT, List.of(), new byte[7]);
    assertOnly(fsck(), CapsuleRecord.describe(COMPACTOR, 3), Reason.TRUNCATED);
  }

  @Test
  void aForgedStubIsFound() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    CapsuleRecord batch = batch(worker);
    batch(worker);
    RecordSealer compactor = introduce(COMPACTOR, Role.COMPACTOR);
    checkpoint(compactor, new Range(WORKER, 2, 2));
    byte[] stub = RecordCodec.stub(batch.bytes());
    for (int at = 0; at < stub.length; at++) {
      byte[] forged = stub.clone();
      forged[at] ^= 0x10;
      disk.forge(WORKER, 2, forged);
      assertThat(fsck().problems())
          .as("byte %d", at)
          .anyMatch(p -> p.where().equals(CapsuleRecord.describe(WORKER, 2)));
    }
    // A whole record cut to the length of its stub.
    disk.forge(WORKER, 2, java.util.Arrays.copyOf(batch.bytes(), stub.length));
    assertOnly(fsck(), CapsuleRecord.describe(WORKER, 2), Reason.SIGNATURE);
  }

  @Test
  void whatEverybodyMustReadIsNeverAStub() {
    RecordSealer worker = introduce(WORKER, Role.WORKER);
    batch(worker);
    RecordSealer compactor = introduce(COMPACTOR, Role.COMPACTOR);
    CapsuleRecord first = checkpoint(compactor, new Range(WORKER, 1, 2));
    checkpoint(compactor, new Range(COMPACTOR, 1, 2));
    byte[] roster = store.read(WORKER, 1);
    disk.forge(WORKER, 1, headerAndSignature(roster));
    assertOnly(fsck(), CapsuleRecord.describe(WORKER, 1), Reason.TRUNCATED);
    disk.forge(WORKER, 1, roster);
    disk.forge(COMPACTOR, 2, headerAndSignature(first.bytes()));
    assertOnly(fsck(), CapsuleRecord.describe(COMPACTOR, 2), Reason.TRUNCATED);
    // Also if it is the record that says who the compactor is.
    disk.forge(COMPACTOR, 2, first.bytes());
    disk.forge(COMPACTOR, 1, headerAndSignature(store.read(COMPACTOR, 1)));
    assertOnly(fsck(), CapsuleRecord.describe(COMPACTOR, 1), Reason.TRUNCATED);
  }

  private static byte[] headerAndSignature(byte[] record) {
    byte[] bare = java.util.Arrays.copyOf(record, 112 + 64);
    System.arraycopy(record, record.length - 64, bare, 112, 64);
    return bare;
  }
}
