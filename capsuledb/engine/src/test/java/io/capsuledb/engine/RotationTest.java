package io.capsuledb.engine;

import static io.capsuledb.engine.Node.get;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Key generations of one node: what is readable, what counts, and who can open what. */
class RotationTest {

  private static final Secp256k1 CURVE = Secp256k1.best();

  private final Node node = new Node(1);

  private CapsuleName name() {
    return MetadataCodec.nameOf(node.store.metadata());
  }

  /** A chain of generation 0, as whoever has stolen that key can make it. */
  private final class Thief {
    final long writer;
    final RecordSealer sealer;

    Thief(long writer, RosterEntry.Role role, long lamport) {
      this.writer = writer;
      ApplicationKey key = node.owner.application(0, 0);
      try (SecretBytes dataKey = key.dataKey(name().toBytes(), writer)) {
        sealer = new RecordSealer(name(), 0, writer, key.writerPrivateKey(writer), dataKey, CURVE);
      }
      byte[] roster =
          RosterCodec.encode(
              name(), key, List.of(new RosterEntry(writer, key.writerPublicKey(writer), role, 0)));
      store(sealer.seal(RecordType.ROSTER, 0, lamport, List.of(), roster, 0, roster.length));
    }

    void store(CapsuleRecord record) {
      node.store.append(
          List.of(
              new StoredRecord(writer, record.header().sequence(), record.hash(), record.bytes())));
    }

    void write(String key, String value, long lamport) {
      BatchCodec batch = new BatchCodec();
      batch.put(Node.bytes(key), ValueType.STRING, Node.bytes(value), 0);
      store(
          sealer.seal(RecordType.DATA, 0, lamport, List.of(), batch.encoded(), 0, batch.length()));
    }
  }

  @Test
  void everythingStaysReadableAcrossGenerationsAndRestarts() {
    CapsuleDb db = node.open();
    for (int generation = 0; generation < 5; generation++) {
      assertThat(db.keyGeneration()).isEqualTo(generation);
      put(db, "of " + generation, "value " + generation);
      put(db, "newest", "of " + generation);
      node.rotate(db);
    }
    for (int restart = 0; restart < 3; restart++) {
      assertThat(db.keyGeneration()).isEqualTo(5);
      for (int generation = 0; generation < 5; generation++) {
        assertThat(get(db, "of " + generation)).isEqualTo("value " + generation);
      }
      assertThat(get(db, "newest")).isEqualTo("of 4");
      db.close();
      assertThat(node.fsck().problems()).isEmpty();
      db = node.open();
    }
    db.close();
  }

  @Test
  void theKeyOfAGenerationIsClearedWhenItIsRetired() {
    ApplicationKey first = node.owner.application(0, 0);
    ApplicationKey second = node.owner.application(0, 1);
    CapsuleDb db =
        CapsuleDb.open(CapsuleDbOptions.builder().build(), node.ports(), first, records -> {});
    put(db, "k", "v");
    db.rotate(second, next -> {});
    assertThatThrownBy(() -> first.sign(Hash32.ZERO)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(first::extendedPrivateKey).isInstanceOf(IllegalStateException.class);
    assertThat(second.sign(Hash32.ZERO)).hasSize(Secp256k1.SIGNATURE_BYTES);
    assertThat(get(db, "k")).isEqualTo("v");
    db.close();
    assertThatThrownBy(() -> second.sign(Hash32.ZERO)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void aRetiredKeyOpensNothing() {
    CapsuleDb db = node.open();
    node.rotate(db);
    db.close();
    CapsuleDbOptions options = CapsuleDbOptions.builder().build();
    assertThatThrownBy(
            () -> CapsuleDb.open(options, node.ports(), node.owner.application(0, 0), r -> {}))
        .isInstanceOf(DeniedException.class)
        .hasMessageContaining("generation is 1");
    KeyTree other = KeyTree.fromSeed(SecretBytes.own(new byte[32]));
    assertThatThrownBy(
            () -> CapsuleDb.open(options, node.ports(), other.application(0, 1), r -> {}))
        .isInstanceOf(DeniedException.class);
  }

  @Test
  void onlyTheOwnersNextKeyIsTaken() {
    CapsuleDb db = node.open();
    KeyTree other = KeyTree.fromSeed(SecretBytes.own(new byte[32]));
    for (ApplicationKey wrong :
        List.of(
            node.owner.application(0, 0),
            node.owner.application(0, 2),
            node.owner.application(1, 1),
            other.application(0, 1))) {
      assertThatThrownBy(() -> db.rotate(wrong, next -> {})).isInstanceOf(DeniedException.class);
    }
    try (Transaction txn = db.begin()) {
      assertThatThrownBy(() -> node.rotate(db)).isInstanceOf(InvalidRequestException.class);
      assertThat(txn.commit()).isNotNegative();
    }
    assertThat(db.keyGeneration()).isZero();
    assertThat(db.failure()).isNull();
    db.close();
  }

  @Test
  void nothingOfARetiredGenerationCountsAfterItsEnd() {
    CapsuleDb db = node.open();
    put(db, "k", "honest");
    node.rotate(db);
    db.close();
    // A chain that the rotation does not name, with the largest times there are.
    Thief thief = new Thief(0x5555, RosterEntry.Role.WORKER, 1L << 40);
    thief.write("k", "forged", 1L << 41);
    CapsuleDb again = node.open();
    assertThat(get(again, "k")).isEqualTo("honest");
    again.close();
    assertThat(node.fsck().problems())
        .anySatisfy(
            problem -> assertThat(problem.rejection().reason()).isEqualTo(Reason.SEALED_WRITER));
  }

  @Test
  void aRetiredSealerDoesNotUndoTheRotation() {
    CapsuleDb db = node.open();
    put(db, "k", "honest");
    node.rotate(db);
    long writer = db.head().writer();
    put(db, "k", "newer");
    db.close();
    Thief thief = new Thief(0x5555, RosterEntry.Role.LEADER, 1L << 40);
    for (io.capsuledb.core.seal.SealOrder.Kind kind :
        io.capsuledb.core.seal.SealOrder.Kind.values()) {
      boolean isFinal = kind == io.capsuledb.core.seal.SealOrder.Kind.FINAL;
      byte[] order =
          io.capsuledb.core.seal.SealOrderCodec.encode(
              new io.capsuledb.core.seal.SealOrder(
                  kind,
                  writer,
                  9,
                  isFinal
                      ? new io.capsuledb.core.seal.ChainHead(
                          1,
                          RecordCodec.decode(name(), node.store.read(writer, 1)).orThrow().hash())
                      : io.capsuledb.core.seal.ChainHead.NONE));
      thief.store(
          thief.sealer.seal(
              RecordType.SEAL,
              0,
              (1L << 40) + 1 + kind.number(),
              List.of(),
              order,
              0,
              order.length));
    }
    CapsuleDb again = node.open();
    assertThat(again.keyGeneration()).isEqualTo(1);
    assertThat(get(again, "k")).isEqualTo("newer");
    again.close();
  }

  @Test
  void anyLaterRecordOfTheRetiredWriterIsReported() {
    CapsuleDb db = node.open();
    long writer = db.head().writer();
    put(db, "k", "v");
    node.rotate(db);
    db.close();
    long last = node.store.newestSequence(writer);
    CapsuleRecord newest = RecordCodec.decode(name(), node.store.read(writer, last)).orThrow();
    try (ApplicationKey key = node.owner.application(0, 0);
        SecretBytes dataKey = key.dataKey(name().toBytes(), writer);
        RecordSealer copy =
            new RecordSealer(name(), 0, writer, key.writerPrivateKey(writer), dataKey, CURVE)) {
      // The writer's key leaked: its chain is gone through again, up to one record more.
      CapsuleRecord record = null;
      for (long sequence = 1; sequence <= last + 1; sequence++) {
        byte[] stored = sequence > last ? null : node.store.read(writer, sequence);
        CapsuleRecord original =
            stored == null ? newest : RecordCodec.decode(name(), stored).orThrow();
        byte[] payload;
        try (KeyRing ring = new KeyRing(name(), List.of(node.owner.application(0, 0)));
            var opener = new io.capsuledb.core.record.RecordOpener(name(), ring)) {
          payload = opener.open(original).orThrow();
        }
        record =
            copy.seal(
                original.header().type(),
                0,
                original.header().lamport() + (stored == null ? 1 : 0),
                original.header().parents(),
                payload,
                0,
                payload.length);
      }
      node.store.append(List.of(new StoredRecord(writer, last + 1, record.hash(), record.bytes())));
    }
    assertThat(node.fsck().problems())
        .singleElement()
        .satisfies(
            problem -> assertThat(problem.rejection().reason()).isEqualTo(Reason.SEALED_WRITER));
    CapsuleDb again = node.open();
    assertThat(get(again, "k")).isEqualTo("v");
    again.close();
  }

  @Test
  void aCapsuleWithDerivedKeysIsOpenedAndRotated() {
    Node derived = new Node(2);
    derived.disk = new io.capsuledb.core.sim.SimDisk();
    derived.store = derived.disk.open();
    derived.store.initialize(
        io.capsuledb.core.capsule.NewCapsule.sign(
            derived.owner,
            0,
            List.of(),
            0,
            CapsuleMetadata.DirectoryMode.DERIVED,
            derived.entropy));
    CapsuleDb db = derived.open();
    put(db, "k", "v");
    derived.rotate(db);
    put(db, "l", "w");
    long writer = db.head().writer();
    db.close();
    CapsuleDb again = derived.open();
    assertThat(get(again, "k")).isEqualTo("v");
    assertThat(get(again, "l")).isEqualTo("w");
    again.close();
    assertThat(derived.fsck().problems()).isEmpty();
    // Whoever has the extended public key knows the writer's key without any roster.
    try (ApplicationKey key = derived.owner.application(0, 1);
        var extended = key.extendedPublicKey()) {
      CapsuleRecord first =
          RecordCodec.decode(
                  MetadataCodec.nameOf(derived.store.metadata()), derived.store.read(writer, 1))
              .orThrow();
      assertThat(first.isSignedBy(ApplicationKey.derivedWriterKey(extended, writer), CURVE))
          .isTrue();
    }
  }
}
