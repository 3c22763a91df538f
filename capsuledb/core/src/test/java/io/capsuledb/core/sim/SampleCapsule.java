package io.capsuledb.core.sim;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import java.util.List;

/** A real capsule with real keys, all of it made from a seed. */
public final class SampleCapsule {

  public static final Secp256k1 CURVE = Secp256k1.best();

  public final KeyTree owner;
  public final ApplicationKey application;
  public final byte[] signedMetadata;
  public final CapsuleMetadata metadata;
  public final CapsuleName name;
  public final KeyRing keys;

  /** A capsule that lives on these replicas. */
  public SampleCapsule(long seed, List<PublicKey> replicas, int quorum) {
    byte[] masterSeed = new byte[64];
    SimEntropy entropy = new SimEntropy(seed);
    entropy.fill(masterSeed);
    owner = KeyTree.fromSeed(SecretBytes.own(masterSeed));
    application = owner.application(0, 0);
    signedMetadata = NewCapsule.sign(owner, 0, replicas, quorum, entropy);
    metadata = MetadataCodec.decode(signedMetadata, CURVE).orThrow();
    name = MetadataCodec.nameOf(signedMetadata);
    keys = new KeyRing(name, List.of(application));
  }

  /** The roster entry of a writer with this role. */
  public RosterEntry entry(long writer, RosterEntry.Role role) {
    return new RosterEntry(writer, application.writerPublicKey(writer), role, 0);
  }

  /** A new chain, which begins with the roster that introduces it. */
  public Chain chain(long writer, RosterEntry.Role role) {
    return new Chain(writer, role);
  }

  /** Seals one record after the other. One thread at a time. */
  public final class Chain implements AutoCloseable {
    private final RecordSealer sealer;
    private final long writer;
    private final RosterEntry.Role role;
    private long lamport;

    private Chain(long writer, RosterEntry.Role role) {
      this.writer = writer;
      this.role = role;
      try (SecretBytes dataKey = keys.dataKey(0, writer)) {
        sealer =
            new RecordSealer(name, 0, writer, application.writerPrivateKey(writer), dataKey, CURVE);
      }
    }

    public long writer() {
      return writer;
    }

    /** The first record: the roster. */
    public CapsuleRecord first() {
      return next(
          RecordType.ROSTER,
          RosterCodec.encode(name, 0, List.of(entry(writer, role)), application::sign));
    }

    /** The next record. */
    public CapsuleRecord next(RecordType type, byte[] payload) {
      return next(type, List.of(), payload);
    }

    /** The next record, with parents. */
    public CapsuleRecord next(RecordType type, List<Hash32> parents, byte[] payload) {
      return sealer.seal(type, 0, ++lamport, parents, payload, 0, payload.length);
    }

    @Override
    public void close() {
      sealer.close();
    }
  }
}
