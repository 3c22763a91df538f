package io.capsuledb.core.record;

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
import io.capsuledb.core.sim.SimEntropy;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Real capsules of few records, made from a seed. */
final class Capsules {

  static final Secp256k1 CURVE = Secp256k1.best();

  final KeyTree owner;
  final ApplicationKey application;
  final byte[] signedMetadata;
  final CapsuleMetadata metadata;
  final CapsuleName name;
  final KeyRing keys;

  Capsules(long seed) {
    byte[] masterSeed = new byte[64];
    SimEntropy entropy = new SimEntropy(seed);
    entropy.fill(masterSeed);
    owner = KeyTree.fromSeed(SecretBytes.own(masterSeed));
    application = owner.application(0, 0);
    signedMetadata = NewCapsule.sign(owner, 0, List.of(), 0, entropy);
    metadata = MetadataCodec.decode(signedMetadata, CURVE).orThrow();
    name = MetadataCodec.nameOf(signedMetadata);
    keys = new KeyRing(name, List.of(application));
  }

  RecordSealer sealer(long writer) {
    try (SecretBytes dataKey = keys.dataKey(0, writer)) {
      return new RecordSealer(
          name, 0, writer, application.writerPrivateKey(writer), dataKey, CURVE);
    }
  }

  PublicKey writerKey(long writer) {
    return application.writerPublicKey(writer);
  }

  byte[] roster(long writer) {
    return RosterCodec.encode(
        name,
        0,
        List.of(new RosterEntry(writer, writerKey(writer), RosterEntry.Role.WORKER, 0)),
        application::sign);
  }

  CapsuleRecord introduce(RecordSealer sealer, long lamport, List<Hash32> parents) {
    return introduce(sealer, 0, lamport, parents);
  }

  CapsuleRecord introduce(RecordSealer sealer, long epoch, long lamport, List<Hash32> parents) {
    byte[] roster = roster(sealer.writer());
    return sealer.seal(RecordType.ROSTER, epoch, lamport, parents, roster, 0, roster.length);
  }

  /** A chain of a ROSTER and {@code length - 1} DATA records with random payloads. */
  List<CapsuleRecord> chain(long writer, int length, Random random) {
    List<CapsuleRecord> chain = new ArrayList<>();
    try (RecordSealer sealer = sealer(writer)) {
      long lamport = 1L + random.nextInt(100);
      chain.add(introduce(sealer, lamport, List.of()));
      while (chain.size() < length) {
        lamport += 1L + random.nextInt(5);
        byte[] payload = new byte[random.nextInt(40)];
        random.nextBytes(payload);
        chain.add(sealer.seal(RecordType.DATA, 0, lamport, List.of(), payload, 0, payload.length));
      }
    }
    return chain;
  }

  ChainVerifier verifier() {
    return new ChainVerifier(name, metadata, CURVE);
  }
}
