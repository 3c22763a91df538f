package io.capsuledb.core.record;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.epoch.EoeCodec;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.keys.HdKey;
import io.capsuledb.core.keys.HdPath;
import io.capsuledb.core.keys.KeyFile;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.proof.KeyProofCodec;
import io.capsuledb.core.rotation.RotationCodec;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.FuzzTarget;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/** The decoders of core. */
public final class CoreFuzzTargets {

  private static final Capsules CAPSULE = new Capsules(44);
  private static final SecretBytes SEED = SecretBytes.own(new byte[32]);

  private CoreFuzzTargets() {}

  /** All of them. */
  public static List<FuzzTarget> all() {
    List<CapsuleRecord> chain = CAPSULE.chain(77, 4, new Random(1));
    List<byte[]> records = chain.stream().map(CapsuleRecord::bytes).toList();
    List<byte[]> stubs = records.stream().skip(1).map(RecordCodec::stub).toList();
    return List.of(
        FuzzTarget.codec(
            "record",
            records,
            bytes -> RecordCodec.decode(CAPSULE.name, bytes),
            CapsuleRecord::bytes),
        FuzzTarget.decoder(
            "record-stub", stubs, bytes -> RecordCodec.decodeStub(CAPSULE.name, bytes)),
        FuzzTarget.decoder(
            "record-stored",
            Stream.concat(records.stream(), stubs.stream()).toList(),
            bytes -> RecordCodec.decodeStored(CAPSULE.name, bytes)),
        FuzzTarget.decoder(
            "record-hashed", records, bytes -> RecordCodec.decodeHashed(CAPSULE.name, bytes)),
        FuzzTarget.codec(
            "checkpoint",
            Stream.of(1, 2, 3)
                .map(i -> CheckpointCodec.encode(CheckpointPropertyTest.random(i, i)))
                .toList(),
            CheckpointCodec::decode,
            CheckpointCodec::encode),
        FuzzTarget.decoder(
            "metadata",
            FuzzTarget.golden("metadata.hex", "metadata-replicas.hex"),
            bytes -> MetadataCodec.decode(bytes, Capsules.CURVE)),
        FuzzTarget.decoder(
            "roster",
            List.of(CAPSULE.roster(9)),
            bytes -> RosterCodec.decode(CAPSULE.name, bytes, CAPSULE.metadata, Capsules.CURVE)),
        FuzzTarget.decoder(
            "equivocation",
            FuzzTarget.golden("evidence.hex"),
            bytes ->
                EquivocationProof.decode(
                    CAPSULE.name, bytes, CAPSULE.writerKey(77), Capsules.CURVE)),
        FuzzTarget.codec("rts", FuzzTarget.golden("rts.hex"), RtsCodec::decode, RtsCodec::encode),
        FuzzTarget.codec("eoe", FuzzTarget.golden("eoe.hex"), EoeCodec::decode, EoeCodec::encode),
        FuzzTarget.codec(
            "sync", FuzzTarget.golden("sync.hex"), SyncCodec::decode, SyncCodec::encode),
        FuzzTarget.codec("seal-order", List.of(), SealOrderCodec::decode, SealOrderCodec::encode),
        FuzzTarget.codec(
            "key-proof",
            FuzzTarget.golden("proof.hex"),
            KeyProofCodec::decode,
            KeyProofCodec::encode),
        FuzzTarget.decoder(
            "rotation",
            FuzzTarget.golden("rotation.hex"),
            bytes -> RotationCodec.decode(CAPSULE.name, bytes, CAPSULE.metadata, Capsules.CURVE)),
        FuzzTarget.decoder(
            "generation-certificate", List.of(), bytes -> GenerationCertificate.decode(bytes, 0)),
        FuzzTarget.decoder(
            "public-key",
            List.of(HdKey.fromSeed(SEED).publicKey().bytes()),
            bytes -> PublicKey.decode(Arrays.copyOf(bytes, 33), 0)),
        FuzzTarget.decoder(
            "extended-key", List.of(HdKey.fromSeed(SEED).serialize().expose()), HdKey::deserialize),
        FuzzTarget.decoder(
            "extended-key-text",
            List.of(latin1(HdKey.fromSeed(SEED).revealBase58())),
            bytes -> HdKey.parse(text(bytes))),
        FuzzTarget.decoder(
            "key-path",
            List.of(latin1("m/44'/0h/1/2147483647'/0")),
            bytes -> HdPath.parse(text(bytes))),
        FuzzTarget.decoder(
            "mnemonic",
            List.of(latin1(Mnemonic.fromEntropy(SEED).revealWords())),
            bytes -> Mnemonic.parse(text(bytes))),
        FuzzTarget.decoder(
            "key-file",
            FuzzTarget.golden("keyfile-development.hex", "keyfile-passphrase.hex"),
            KeyFile::decode),
        FuzzTarget.decoder(
            "password-hash",
            List.of(latin1("pbkdf2-sha256$1000$00$00")),
            bytes -> PasswordHash.parse(text(bytes))));
  }

  private static byte[] latin1(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }
}
