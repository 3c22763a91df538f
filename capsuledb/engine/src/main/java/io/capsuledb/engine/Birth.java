package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.NewWriter;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.WriterSource;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.rotation.Rotation;
import io.capsuledb.core.rotation.RotationCodec;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A new writer, introduced by its ROSTER. If a key generation begins with it, its ROTATE follows,
 * and only when the ROSTER is durable: whoever takes the capsule over between the two sees the
 * writer and ends its chain before or after the ROTATE, so that there is no doubt whether it
 * counts.
 *
 * @param sealer of its chain
 * @param head its newest record, which is durable
 */
record Birth(RecordSealer sealer, WritePath.Head head) {

  /**
   * Introduces a worker of the generation in force and waits until that is durable.
   *
   * @param indexes of writers that the capsule has seen
   * @param time of the first record, above those of the parents
   */
  static Birth of(
      KeyRing keys,
      WriterIndexes indexes,
      long epoch,
      long time,
      List<Hash32> parents,
      RecordStore store,
      Secp256k1 curve) {
    try (NewWriter fresh = keys.introduce(RosterEntry.Role.WORKER, indexes::draw)) {
      RosterEntry entry = fresh.entry();
      indexes.add(entry.writer());
      try (SecretBytes dataKey = keys.dataKey(entry.generation(), entry.writer())) {
        return of(keys.capsule(), fresh, dataKey, epoch, time, parents, store, curve, null);
      }
    }
  }

  /**
   * Introduces a worker with which a key generation begins, and waits until that is durable.
   *
   * @param key of that generation
   * @param writer an index that the capsule has not seen
   * @param time of the first record, above those of the parents
   * @param rotation what its second record says, asked for when the first is durable
   */
  static Birth rotating(
      CapsuleName capsule,
      ApplicationKey key,
      long writer,
      long epoch,
      long time,
      List<Hash32> parents,
      RecordStore store,
      Secp256k1 curve,
      Supplier<Rotation> rotation) {
    try (NewWriter fresh =
            WriterSource.of(capsule, key).introduce(RosterEntry.Role.WORKER, () -> writer);
        SecretBytes dataKey = key.dataKey(capsule.toBytes(), writer)) {
      return of(
          capsule,
          fresh,
          dataKey,
          epoch,
          time,
          parents,
          store,
          curve,
          () -> RotationCodec.encode(capsule, rotation.get(), key::sign));
    }
  }

  private static Birth of(
      CapsuleName capsule,
      NewWriter fresh,
      SecretBytes dataKey,
      long epoch,
      long time,
      List<Hash32> parents,
      RecordStore store,
      Secp256k1 curve,
      @Nullable Supplier<byte[]> rotation) {
    if (parents.size() > RecordLayout.MAX_PARENTS) {
      throw new UnavailableException(
          "the capsule has "
              + parents.size()
              + " unjoined chains; a record joins at most "
              + RecordLayout.MAX_PARENTS);
    }
    checkLamport(rotation == null ? time : time + 1);
    long writer = fresh.entry().writer();
    RecordSealer sealer =
        new RecordSealer(
            capsule, fresh.entry().generation(), writer, fresh.takeSigningKey(), dataKey, curve);
    boolean introduced = false;
    try {
      byte[] roster = fresh.roster();
      CapsuleRecord last =
          sealer.seal(RecordType.ROSTER, epoch, time, parents, roster, 0, roster.length);
      store(store, last);
      if (rotation != null) {
        byte[] payload = rotation.get();
        last =
            sealer.seal(RecordType.ROTATE, epoch, time + 1, List.of(), payload, 0, payload.length);
        store(store, last);
      }
      introduced = true;
      return new Birth(
          sealer,
          new WritePath.Head(
              writer, last.header().sequence(), last.hash(), last.header().lamport()));
    } finally {
      if (!introduced) {
        sealer.close();
      }
    }
  }

  private static void store(RecordStore store, CapsuleRecord record) {
    store.append(
        List.of(
            new StoredRecord(
                record.header().writer(),
                record.header().sequence(),
                record.hash(),
                record.bytes())));
  }

  static void checkLamport(long time) {
    if (time > RecordLayout.MAX_LAMPORT) {
      throw new UnavailableException(
          "the capsule's Lamport time is used up: a writer jumped to the end of its range");
    }
  }
}
