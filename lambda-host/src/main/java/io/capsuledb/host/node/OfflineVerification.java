package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.engine.CapsuleKeys;
import io.capsuledb.engine.CapsuleVerifier;
import io.capsuledb.engine.CapsuleVerifier.Problem;
import io.capsuledb.engine.CapsuleVerifier.Report;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Checks a data directory that no server has open, without changing anything in it: the directory's
 * own parts, then every record of every capsule in the store. A replica's directory holds any
 * number of capsules and no owner's key: everything is checked that can be without one.
 */
public final class OfflineVerification {

  /**
   * What was found.
   *
   * @param capsules the report on each capsule
   * @param others what is wrong beside them
   * @param unopened why there was no key to check contents with, or null if there was one; then
   *     everything else was checked: chains, signatures, hashes and what may be released
   */
  public record Result(List<Report> capsules, List<Problem> others, @Nullable String unopened) {

    /** Copies the lists. */
    public Result {
      capsules = List.copyOf(capsules);
      others = List.copyOf(others);
    }

    /** Whether nothing is wrong, as far as it could be checked. */
    public boolean clean() {
      return others.isEmpty() && capsules.stream().allMatch(Report::clean);
    }
  }

  private final CapsuleDirectory directory;
  private final @Nullable Hash32 expectedRecord;
  private final CapsuleVerifier.Progress progress;
  private @Nullable String unopened;
  private final List<Problem> others = new ArrayList<>();

  private OfflineVerification(
      CapsuleDirectory directory,
      @Nullable Hash32 expectedRecord,
      CapsuleVerifier.Progress progress) {
    this.directory = directory;
    this.expectedRecord = expectedRecord;
    this.progress = progress;
  }

  /**
   * Checks a directory.
   *
   * @param keyFile the owner key; null: the one in the directory. Without it, contents are not
   *     checked
   * @param passphrase asked if the owner key is protected; null: contents are not checked
   * @param expectedRecord the hash of a record that must be there, or null
   * @throws io.capsuledb.core.error.InvalidRequestException if it is no data directory
   * @throws io.capsuledb.core.error.UnavailableException if a server has it open
   * @throws io.capsuledb.core.error.DeniedException if the passphrase is wrong
   * @throws IntegrityException if the store is too damaged to be opened
   * @throws io.capsuledb.core.error.StorageException if it cannot be read
   */
  public static Result run(
      Path data,
      @Nullable Path keyFile,
      Supplier<char @Nullable []> passphrase,
      @Nullable Hash32 expectedRecord,
      CapsuleVerifier.Progress progress) {
    CapsuleDirectory directory = new CapsuleDirectory(data);
    directory.requireExisting();
    OfflineVerification verification = new OfflineVerification(directory, expectedRecord, progress);
    try (RocksStorage storage =
        RocksStorage.openReadOnly(directory.store(), RocksStorageOptions.defaults())) {
      KeyTree owner = verification.ownerKey(keyFile, passphrase);
      try {
        return verification.capsules(storage, owner);
      } finally {
        if (owner != null) {
          owner.close();
        }
      }
    }
  }

  /** The owner's keys, or null if they stay closed. */
  private @Nullable KeyTree ownerKey(
      @Nullable Path keyFile, Supplier<char @Nullable []> passphrase) {
    Path path = keyFile == null ? directory.ownerKey() : keyFile;
    if (!Files.exists(path)) {
      if (keyFile != null) {
        throw new InvalidRequestException("there is no owner key " + keyFile);
      }
      unopened = "there is no " + path + "; --key FILE names one that is elsewhere";
      return null;
    }
    OwnerKeyFile file;
    try {
      file = OwnerKeyFile.read(path);
    } catch (IntegrityException damaged) {
      others.add(new Problem("owner.key", damaged.rejection()));
      unopened = path + " is damaged; --key FILE names another copy";
      return null;
    }
    KeyTree owner = OfflineKey.open(file, passphrase);
    if (owner == null) {
      unopened =
          path
              + " is protected; give its passphrase with --passphrase-file or in the environment"
              + " variable CAPSULE_PASSPHRASE";
    }
    return owner;
  }

  private Result capsules(RocksStorage storage, @Nullable KeyTree owner) {
    List<CapsuleName> names = new ArrayList<>();
    for (byte[] name : storage.capsules()) {
      names.add(new CapsuleName(Hash32.of(name)));
    }
    CapsuleName known = knownName();
    if (known != null && !names.contains(known)) {
      report(
          "capsule " + known,
          Rejection.Reason.MISSING_RECORD,
          "it belongs into this directory and is not in the store");
    }
    if (names.isEmpty() && !directory.isReplica()) {
      report("store", Rejection.Reason.MISSING_RECORD, "it holds no capsule");
    }
    List<Report> reports = new ArrayList<>();
    boolean contained = false;
    for (CapsuleName name : names) {
      try (RecordStore records = storage.capsule(name.toBytes())) {
        reports.add(verify(records, name, owner));
        contained |= contains(records, name);
      }
    }
    if (expectedRecord != null && !contained) {
      report(
          "record " + expectedRecord,
          Rejection.Reason.MISSING_RECORD,
          "it should be there and is not: the store was rolled back or is another one");
    }
    return new Result(reports, others, unopened);
  }

  private @Nullable CapsuleName knownName() {
    try {
      return directory.name();
    } catch (IntegrityException damaged) {
      others.add(new Problem("capsule", damaged.rejection()));
      return null;
    }
  }

  private Report verify(RecordStore records, CapsuleName name, @Nullable KeyTree owner) {
    Secp256k1 curve = Secp256k1.best();
    ApplicationKey key = owner == null ? null : applicationKey(records, name, owner, curve);
    if (key == null) {
      return new CapsuleVerifier(records, curve, null, progress).verify(name);
    }
    key.close();
    KeyTree tree = java.util.Objects.requireNonNull(owner);
    try (KeyRing keys =
        CapsuleKeys.ringOfAll(
            records, curve, generation -> tree.application(Node.APPLICATION, generation))) {
      return new CapsuleVerifier(records, curve, keys, progress).verify(name);
    }
  }

  /** The key that decrypts the capsule, if it is one of this owner; damage is for the verifier. */
  private @Nullable ApplicationKey applicationKey(
      RecordStore records, CapsuleName name, KeyTree owner, Secp256k1 curve) {
    byte[] signed;
    try {
      signed = records.metadata();
    } catch (IntegrityException damaged) {
      return null;
    }
    if (signed == null) {
      return null;
    }
    ApplicationKey key = OfflineKey.of(signed, owner, curve);
    if (key == null
        && MetadataCodec.decode(signed, curve) instanceof Decoded.Accepted<CapsuleMetadata>) {
      report(
          "owner.key",
          Rejection.Reason.KEY_GENERATION,
          "it is not the key of capsule " + name + ", whose payloads are therefore not decrypted");
      unopened = "the key given is another capsule's; --key FILE names another";
    }
    return key;
  }

  private boolean contains(RecordStore records, CapsuleName name) {
    Hash32 hash = expectedRecord;
    if (hash == null) {
      return false;
    }
    try {
      byte[] stored = records.read(hash);
      return stored != null
          && RecordCodec.decode(name, stored)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
          && record.hash().equals(hash);
    } catch (IntegrityException damaged) {
      others.add(new Problem("record " + hash, damaged.rejection()));
      return true;
    }
  }

  private void report(String where, Rejection.Reason reason, String detail) {
    others.add(new Problem(where, Rejection.of(reason, detail)));
  }
}
