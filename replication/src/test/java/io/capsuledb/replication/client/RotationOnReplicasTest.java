package io.capsuledb.replication.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.rotation.Rotation;
import io.capsuledb.core.rotation.RotationCodec;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.system.SystemEntropy;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/**
 * Replicas obey a ROTATE, also after a restart, and whoever takes over goes on in its generation.
 */
class RotationOnReplicasTest {

  private static final long FOR_EVER = Long.MAX_VALUE / 2;
  private static final long OLD = 5;
  private static final long NEW = 6;

  /** Records of one writer of any generation. */
  private static final class Chain implements AutoCloseable {
    final SampleCapsule capsule;
    final ApplicationKey key;
    final RecordSealer sealer;
    final Role role;
    private long lamport;

    Chain(SampleCapsule capsule, int generation, long writer, Role role) {
      this.capsule = capsule;
      this.role = role;
      key = capsule.owner.application(0, generation);
      try (SecretBytes dataKey = key.dataKey(capsule.name.toBytes(), writer)) {
        sealer =
            new RecordSealer(
                capsule.name,
                generation,
                writer,
                key.writerPrivateKey(writer),
                dataKey,
                SampleCapsule.CURVE);
      }
    }

    StoredRecord roster() {
      long writer = sealer.writer();
      return next(
          RecordType.ROSTER,
          RosterCodec.encode(
              capsule.name,
              key,
              List.of(
                  new RosterEntry(writer, key.writerPublicKey(writer), role, key.generation()))));
    }

    StoredRecord next(RecordType type, byte[] payload) {
      CapsuleRecord record = sealer.seal(type, 0, ++lamport, List.of(), payload, 0, payload.length);
      return new StoredRecord(
          sealer.writer(), record.header().sequence(), record.hash(), record.bytes());
    }

    StoredRecord data() {
      return next(RecordType.DATA, new byte[20]);
    }

    @Override
    public void close() {
      sealer.close();
      key.close();
    }
  }

  private static ReplicatedStore open(
      LiveReplicas world, LiveReplicas.Client client, List<Integer> asked) {
    return ReplicatedStore.takeOver(
        new SimDisk().open(),
        client.client,
        world.capsule.signedMetadata,
        SampleCapsule.CURVE,
        generation -> {
          asked.add(generation);
          return world.capsule.owner.application(0, generation);
        },
        new SystemEntropy(),
        records -> {});
  }

  private static byte[] rotation(SampleCapsule capsule, ReplicatedStore store) {
    List<Rotation.End> ends = new ArrayList<>();
    for (long writer : store.writers()) {
      long newest = store.newestSequence(writer);
      CapsuleRecord last =
          RecordCodec.decode(capsule.name, Objects.requireNonNull(store.read(writer, newest)))
              .orThrow();
      if (last.header().generation() == 0) {
        ends.add(new Rotation.End(writer, new ChainHead(newest, last.hash())));
      }
    }
    ends.sort(Comparator.comparingLong(Rotation.End::writer));
    try (ApplicationKey next = capsule.owner.application(0, 1);
        DataRoot before = capsule.application.dataRoot(capsule.name.toBytes());
        DataRoot after = next.dataRoot(capsule.name.toBytes())) {
      return RotationCodec.encode(
          capsule.name,
          new Rotation(1, Objects.requireNonNull(next.certificate()), after.wrap(before), ends),
          next::sign);
    }
  }

  private static void assertRetired(ReplicatedStore store, StoredRecord record) {
    assertThatThrownBy(() -> store.append(List.of(record))).isInstanceOf(IntegrityException.class);
  }

  @Test
  void aRetiredGenerationIsRefusedByReplicasAndItsSuccessorGoesOn() {
    try (LiveReplicas world = new LiveReplicas(1, 3)) {
      List<Integer> asked = new ArrayList<>();
      try (LiveReplicas.Client client = world.new Client(FOR_EVER);
          ReplicatedStore store = open(world, client, asked);
          Chain old = new Chain(world.capsule, 0, OLD, Role.WORKER);
          Chain next = new Chain(world.capsule, 1, NEW, Role.WORKER);
          ApplicationKey key = world.capsule.owner.application(0, 1)) {
        store.append(List.of(old.roster()));
        store.append(List.of(old.data(), old.data()));
        store.renewLeader(key);
        store.append(List.of(next.roster()));
        store.append(List.of(next.next(RecordType.ROTATE, rotation(world.capsule, store))));
        store.append(List.of(next.data()));
        // The retired writer goes on: no replica takes it.
        assertRetired(store, old.data());
      }
      for (int i = 0; i < 3; i++) {
        int replica = i;
        world.at(
            () -> {
              world.replicas.get(replica).restart();
              return true;
            });
      }
      try (LiveReplicas.Client client = world.new Client(FOR_EVER);
          ReplicatedStore store = open(world, client, asked);
          Chain late = new Chain(world.capsule, 1, NEW + 1, Role.WORKER);
          Chain thief = new Chain(world.capsule, 0, OLD + 100, Role.WORKER)) {
        assertThat(asked).startsWith(0).endsWith(1);
        assertThat(store.newestSequence(OLD)).isEqualTo(3);
        assertThat(store.newestSequence(NEW)).isEqualTo(3);
        store.append(List.of(late.roster()));
        store.append(List.of(late.data()));
        // Whoever stole the retired application key begins a chain of his own.
        assertRetired(store, thief.roster());
      }
    }
  }

  @Test
  void aRetiredKeyTakesNothingOver() {
    try (LiveReplicas world = new LiveReplicas(2, 3)) {
      try (LiveReplicas.Client client = world.new Client(FOR_EVER);
          ReplicatedStore store = open(world, client, new ArrayList<>());
          Chain next = new Chain(world.capsule, 1, NEW, Role.WORKER);
          ApplicationKey key = world.capsule.owner.application(0, 1)) {
        store.renewLeader(key);
        store.append(List.of(next.roster()));
        store.append(List.of(next.next(RecordType.ROTATE, rotation(world.capsule, store))));
      }
      try (LiveReplicas.Client client = world.new Client(FOR_EVER)) {
        assertThatThrownBy(
                () ->
                    ReplicatedStore.takeOver(
                        new SimDisk().open(),
                        client.client,
                        world.capsule.signedMetadata,
                        SampleCapsule.CURVE,
                        world.capsule.application,
                        new SystemEntropy(),
                        records -> {}))
            .isInstanceOf(DeniedException.class);
      }
    }
  }
}
