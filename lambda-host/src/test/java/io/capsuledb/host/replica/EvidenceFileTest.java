package io.capsuledb.host.replica;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.ChainHead;
import io.capsuledb.replication.protocol.ContradictionProof;
import io.capsuledb.replication.protocol.Evidence;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import io.capsuledb.replication.protocol.MembershipCodec;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A replica that takes back what it said, and a file that shows it to anybody. */
class EvidenceFileTest {

  private static final Secp256k1 CURVE = Secp256k1.best();
  private static final long WRITER = 7;

  private final SimEntropy entropy = new SimEntropy(4711);
  private final KeyTree owner = KeyTree.fromSeed(secret(64, 1));
  private final SecretBytes liarKey = secret(32, 2);
  private final PublicKey liar = CURVE.publicKey(liarKey);
  private final PublicKey honest = CURVE.publicKey(secret(32, 3));

  private static SecretBytes secret(int length, int value) {
    byte[] bytes = new byte[length];
    Arrays.fill(bytes, (byte) value);
    return SecretBytes.own(bytes);
  }

  private SignedStatement says(CapsuleName capsule, long number, long sequence) {
    Statement.Entry entry =
        new Statement.Entry(
            WRITER,
            new ChainHead(sequence, Hashes.sha256(new byte[] {(byte) sequence})),
            SealState.OPEN);
    return StatementCodec.encode(
        new Statement(
            Statement.Kind.HELD, capsule, liar, 0, 99, number, Hash32.ZERO, List.of(entry)),
        digest -> CURVE.sign(digest, liarKey));
  }

  private EvidenceFile file(byte[] metadata, List<Blob> memberships) {
    CapsuleName name = MetadataCodec.nameOf(metadata);
    ContradictionProof proof = ContradictionProof.of(says(name, 1, 9), says(name, 2, 8), CURVE);
    assertThat(proof).isNotNull();
    return new EvidenceFile(Blob.of(metadata), memberships, null, Blob.of(proof.encode()));
  }

  private byte[] metadata(PublicKey... replicas) {
    return NewCapsule.sign(owner, 0, List.of(replicas), replicas.length / 2 + 1, entropy);
  }

  private static EvidenceFile again(EvidenceFile file) {
    return EvidenceFile.decode(file.encode()).orThrow();
  }

  @Test
  void whatAReplicaTookBackIsProvenToWhoeverHasTheOwnersKey() {
    EvidenceFile file = again(file(metadata(honest, liar), List.of()));
    EvidenceFile.Verdict verdict = file.check(owner.ownerPublicKey()).orThrow();
    assertThat(verdict.accused()).isEqualTo(liar.toString());
    assertThat(verdict.kind()).isEqualTo(Evidence.Kind.CONTRADICTION);
    assertThat(verdict.owner()).isEqualTo(owner.ownerPublicKey());
    assertThat(file.check(null)).isEqualTo(Decoded.accept(verdict));
    assertThat(file.check(honest)).isInstanceOf(Decoded.Rejected.class);
  }

  @Test
  void aStrangerWhoContradictsItselfProvesNothing() {
    assertThat(again(file(metadata(honest), List.of())).check(null))
        .isInstanceOf(Decoded.Rejected.class);
  }

  @Test
  void aReplicaThatCameLaterIsNamedByAMembership() {
    byte[] metadata = metadata(honest);
    CapsuleName name = MetadataCodec.nameOf(metadata);
    Membership joint =
        new Membership(
            name,
            1,
            name.hash(),
            new ReplicaSet(List.of(honest, liar), 2),
            new ReplicaSet(List.of(honest), 1));
    Blob signed = Blob.of(MembershipCodec.encode(joint, owner::signAsOwner));
    EvidenceFile file = again(file(metadata, List.of(signed)));
    assertThat(file.check(owner.ownerPublicKey()).orThrow().accused()).isEqualTo(liar.toString());
  }

  @Test
  void noChangedDigitIsTaken() {
    byte[] good = file(metadata(honest, liar), List.of()).encode();
    List<Integer> taken = new ArrayList<>();
    for (int i = 0; i < good.length; i += 3) {
      byte[] bad = good.clone();
      bad[i] = bad[i] == '0' ? (byte) '1' : (byte) '0';
      if (EvidenceFile.decode(bad).then(file -> file.check(owner.ownerPublicKey()))
          instanceof Decoded.Accepted<EvidenceFile.Verdict>) {
        taken.add(i);
      }
    }
    assertThat(taken).isEmpty();
  }

  @Test
  void filesOfAnotherFormAreRefused() {
    String proof = "proof 00\n";
    for (String text :
        List.of(
            "",
            "capsuledb-evidence 2\nmetadata 00\n" + proof + "end\n",
            "capsuledb-evidence 1\n" + proof + "end\n",
            "capsuledb-evidence 1\nmetadata 00\nend\n",
            "capsuledb-evidence 1\nmetadata 00\n" + proof,
            "capsuledb-evidence 1\nmetadata 00\nmetadata 00\n" + proof + "end\n",
            "capsuledb-evidence 1\nmetadata 00\n" + proof + proof + "end\n",
            "capsuledb-evidence 1\nmetadata 0g\n" + proof + "end\n",
            "capsuledb-evidence 1\nmetadata 00\nother 00\n" + proof + "end\n",
            "capsuledb-evidence 1\nmetadata 00\n" + proof + "end\nmore")) {
      assertThat(EvidenceFile.decode(text.getBytes(StandardCharsets.US_ASCII)))
          .as(text)
          .isInstanceOf(Decoded.Rejected.class);
    }
  }
}
