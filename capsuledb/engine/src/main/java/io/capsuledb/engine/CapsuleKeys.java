package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleMetadata.DirectoryMode;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.rotation.Rotation;
import java.util.ArrayList;
import java.util.List;

/**
 * From the key of the generation in force, and what the capsule keeps of the others, to the ring
 * that reads all of it. docs/keys.md.
 */
public final class CapsuleKeys {

  /** Gives application keys: an owner's key tree, or what a leader was given. */
  @FunctionalInterface
  public interface KeySource {
    /**
     * The application key of a generation, with its certificate if that is not 0. Its taker closes
     * it.
     *
     * @throws DeniedException if it is not to be had
     */
    ApplicationKey key(int generation);

    /** A source of one key. Its taker owns the key; ask once. */
    static KeySource only(ApplicationKey key) {
      return generation -> {
        if (generation != key.generation()) {
          throw new DeniedException(
              "the capsule's key generation is "
                  + generation
                  + ", and the key given is of "
                  + key.generation());
        }
        return key;
      };
    }
  }

  private CapsuleKeys() {}

  /**
   * The generation whose key opens a capsule now, as far as the store tells: the newest that a
   * chain in it is of.
   *
   * @throws InvalidRequestException if the store holds no capsule
   */
  public static int newestGeneration(RecordStore store, Secp256k1 curve) {
    return read(store, curve).newestGeneration();
  }

  /**
   * The generation that a rotation, begun and not carried out, is to bring into force, as far as
   * the store tells; 0 if there is none.
   *
   * @throws InvalidRequestException if the store holds no capsule
   */
  public static int pendingGeneration(RecordStore store, Secp256k1 curve) {
    FinalHeads known = read(store, curve);
    int next = known.rotations().size() + 1;
    return known.newestGeneration() >= next ? next : 0;
  }

  /**
   * The ring of a capsule that is not running; to be closed by the caller.
   *
   * @throws DeniedException if the key is not this capsule's
   * @throws IntegrityException if what the capsule keeps does not open with it, or a chain's first
   *     record is damaged
   * @throws InvalidRequestException if the store holds no capsule
   */
  public static KeyRing ring(RecordStore store, Secp256k1 curve, KeySource source) {
    byte[] signed = signed(store);
    return ring(
        MetadataCodec.nameOf(signed),
        MetadataCodec.decode(signed, curve).orThrow(),
        read(store, curve),
        source);
  }

  /**
   * The same of somebody who has all keys, as the owner has: nothing that the capsule keeps is
   * needed, so that damage to it keeps nothing else from being read.
   *
   * @throws DeniedException if the keys are not this capsule's
   */
  public static KeyRing ringOfAll(RecordStore store, Secp256k1 curve, KeySource source) {
    byte[] signed = signed(store);
    CapsuleName name = MetadataCodec.nameOf(signed);
    CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
    List<ApplicationKey> keys = new ArrayList<>();
    int newest = read(store, curve).newestGeneration();
    for (int generation = 0; generation <= newest; generation++) {
      keys.add(key(name, metadata, generation, source));
    }
    return new KeyRing(name, keys);
  }

  /** Where the chains of a generation end now. */
  static List<Rotation.End> ends(RecordStore store, Secp256k1 curve, int generation) {
    return read(store, curve).ends(generation);
  }

  private static byte[] signed(RecordStore store) {
    byte[] signed = store.metadata();
    if (signed == null) {
      throw new InvalidRequestException("the store holds no capsule");
    }
    return signed;
  }

  private static FinalHeads read(RecordStore store, Secp256k1 curve) {
    byte[] signed = signed(store);
    CapsuleName name = MetadataCodec.nameOf(signed);
    CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
    List<RosterEntry> writers = new ArrayList<>();
    for (long writer : store.writers()) {
      writers.addAll(introduced(name, metadata, store, curve, writer));
    }
    return FinalHeads.read(name, metadata, store, curve, writers, true);
  }

  /** Who a chain's first record says its writer is; damage is others' to report. */
  private static List<RosterEntry> introduced(
      CapsuleName name, CapsuleMetadata metadata, RecordStore store, Secp256k1 curve, long writer) {
    byte[] first;
    try {
      first = store.read(writer, 1);
    } catch (IntegrityException damaged) {
      return List.of();
    }
    if (first != null
        && RecordCodec.decode(name, first)
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
        && record.header().type() == RecordType.ROSTER
        && RosterCodec.decode(name, record.payload(), metadata, curve)
            instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries)) {
      return entries.stream().filter(entry -> entry.writer() == writer).toList();
    }
    return List.of();
  }

  static KeyRing ring(
      CapsuleName name, CapsuleMetadata metadata, FinalHeads generations, KeySource source) {
    List<Rotation> rotations = generations.rotations();
    ApplicationKey key = key(name, metadata, rotations.size(), source);
    boolean opened = false;
    try {
      if (!rotations.isEmpty()
          && !rotations.getLast().certificate().key().equals(key.publicKey())) {
        throw wrongKey(name);
      }
      KeyRing ring =
          KeyRing.open(name, key, rotations.stream().map(Rotation::wrapped).toList()).orThrow();
      opened = true;
      return ring;
    } finally {
      if (!opened) {
        key.close();
      }
    }
  }

  /** Whether a granted ring is what this capsule is written with now. */
  static void checkGranted(CapsuleName name, FinalHeads generations, KeyRing granted) {
    if (!granted.capsule().equals(name)) {
      throw wrongKey(name);
    }
    int inForce = generations.rotations().size();
    int newest = Math.max(inForce, generations.newestGeneration());
    if (granted.currentGeneration() != newest || newest != inForce) {
      throw new UnavailableException(
          "the keys given are of generation "
              + granted.currentGeneration()
              + ", and those of the capsule of "
              + newest
              + (newest == inForce ? "" : ", which is not in force yet"));
    }
  }

  /** The key of a generation, checked as far as the metadata tell, for the capsule's directory. */
  static ApplicationKey key(
      CapsuleName name, CapsuleMetadata metadata, int generation, KeySource source) {
    return inDirectory(name, metadata, generation, source.key(generation));
  }

  /** The same of a key that is there; closed if it is not taken. */
  static ApplicationKey inDirectory(
      CapsuleName name, CapsuleMetadata metadata, int generation, ApplicationKey key) {
    boolean right =
        key.generation() == generation
            && (generation == 0
                ? metadata.applicationKey().equals(key.publicKey())
                : isCertified(metadata, key));
    if (!right) {
      key.close();
      throw wrongKey(name);
    }
    if (metadata.directoryMode() == DirectoryMode.DERIVED && !key.derivesWriters()) {
      try (ApplicationKey hardened = key) {
        return hardened.withDerivedWriters();
      }
    }
    return key;
  }

  private static boolean isCertified(CapsuleMetadata metadata, ApplicationKey key) {
    var certificate = key.certificate();
    if (certificate == null) {
      return false;
    }
    byte[] bytes = new byte[io.capsuledb.core.keys.GenerationCertificate.BYTES];
    certificate.copyTo(bytes, 0);
    return metadata.certified(bytes, 0, key.generation(), Secp256k1.best())
        instanceof Decoded.Accepted<?>;
  }

  private static DeniedException wrongKey(CapsuleName name) {
    return new DeniedException("the key given is not the application key of capsule " + name);
  }
}
