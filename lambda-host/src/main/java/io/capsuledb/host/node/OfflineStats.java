package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.engine.CapsuleInspection;
import io.capsuledb.engine.CapsuleKeys;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Says what the space of a data directory is used for, without changing anything in it. */
public final class OfflineStats {

  /**
   * What was found.
   *
   * @param capsules each capsule in the store
   * @param storeBytes bytes of all files of the store, its own logs included
   * @param logBytes bytes of its write-ahead logs, which it sets room aside for in advance
   */
  public record Result(List<CapsuleInspection.Result> capsules, long storeBytes, long logBytes) {

    /** Copies the list. */
    public Result {
      capsules = List.copyOf(capsules);
    }

    /** Bytes of keys and values that users see. */
    public long liveBytes() {
      return capsules.stream().mapToLong(CapsuleInspection.Result::liveBytes).sum();
    }

    /** Bytes of older versions that are kept, and of what waits to be merged away. */
    public long historyBytes() {
      return capsules.stream().mapToLong(CapsuleInspection.Result::historyBytes).sum();
    }

    /** Bytes of all records. */
    public long recordBytes() {
      return capsules.stream().mapToLong(CapsuleInspection.Result::recordBytes).sum();
    }

    /**
     * Bytes of the store that are neither records nor logs: payloads that were released and whose
     * room was not given back yet, and the store's indexes. About, as records may be in logs.
     */
    public long reclaimableBytes() {
      return Math.max(0, storeBytes - logBytes - recordBytes());
    }

    /** Bytes of records for each byte of keys and values, live or history; NaN if there is none. */
    public double recordAmplification() {
      return perByteKept(recordBytes());
    }

    /**
     * Bytes on disk for each byte of keys and values, live or history; NaN if there is none. Logs
     * do not count: what is set aside for them does not grow with the data.
     */
    public double spaceAmplification() {
      return perByteKept(recordBytes() + reclaimableBytes());
    }

    private double perByteKept(long bytes) {
      long kept = liveBytes() + historyBytes();
      return kept == 0 ? Double.NaN : (double) bytes / kept;
    }
  }

  private OfflineStats() {}

  /**
   * Looks at a directory.
   *
   * @param passphrase asked if the owner key is protected
   * @throws io.capsuledb.core.error.InvalidRequestException if it is no data directory
   * @throws io.capsuledb.core.error.UnavailableException if a server has it open
   * @throws DeniedException if the owner key cannot be opened, or is another one's
   * @throws IntegrityException if something that is needed is damaged or missing
   */
  public static Result run(
      Path data,
      Supplier<char @Nullable []> passphrase,
      Clock clock,
      Entropy entropy,
      CapsuleInspection.Progress progress) {
    CapsuleDirectory directory = new CapsuleDirectory(data);
    directory.requireExisting();
    try (RocksStorage storage =
        RocksStorage.openReadOnly(directory.store(), RocksStorageOptions.defaults())) {
      KeyTree owner = OfflineKey.open(OwnerKeyFile.read(directory.ownerKey()), passphrase);
      if (owner == null) {
        throw new DeniedException(
            "the owner key is protected, and what is encrypted cannot be counted without it: give"
                + " --passphrase-file or CAPSULE_PASSPHRASE");
      }
      try (owner) {
        List<CapsuleInspection.Result> found = new ArrayList<>();
        for (byte[] name : storage.capsules()) {
          found.add(capsule(storage, name, owner, clock, entropy, progress));
        }
        return new Result(found, storage.sizeBytes(), storage.logBytes());
      }
    }
  }

  private static CapsuleInspection.Result capsule(
      RocksStorage storage,
      byte[] nameBytes,
      KeyTree owner,
      Clock clock,
      Entropy entropy,
      CapsuleInspection.Progress progress) {
    CapsuleName name = new CapsuleName(Hash32.of(nameBytes));
    Secp256k1 curve = Secp256k1.best();
    try (RecordStore records = storage.capsule(nameBytes)) {
      byte[] signed = records.metadata();
      if (signed == null) {
        throw new IntegrityException(
            Rejection.of(Rejection.Reason.MISSING_RECORD, "the metadata of capsule " + name));
      }
      ApplicationKey key = OfflineKey.of(signed, owner, curve);
      if (key == null) {
        throw new DeniedException("the owner key is not that of capsule " + name);
      }
      byte[] seed = new byte[Long.BYTES];
      entropy.fill(seed);
      key.close();
      try (KeyRing keys =
          CapsuleKeys.ringOfAll(
              records, curve, generation -> owner.application(Node.APPLICATION, generation))) {
        return CapsuleInspection.of(
            records, curve, keys, clock.wallMs(), ByteBuffer.wrap(seed).getLong(), progress);
      }
    }
  }
}
