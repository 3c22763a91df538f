package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.sim.FuzzTarget;
import io.capsuledb.core.sim.SampleCapsule;
import java.util.List;
import java.util.Random;

/** The decoders of replication. */
public final class ProtocolFuzzTargets {

  private static final SampleCapsule CAPSULE = Samples.capsule(9, Samples.replicas(3), 2);

  private ProtocolFuzzTargets() {}

  /** All of them. */
  public static List<FuzzTarget> all() {
    CertificateVerifier verifier = new CertificateVerifier(Samples.CURVE);
    Samples.Replica replica = new Samples.Replica(1);
    CapsuleName capsule = new CapsuleName(Hash32.ZERO);
    return List.of(
        FuzzTarget.decoder(
            "statement", FuzzTarget.golden("statement.hex"), bytes -> StatementCodec.decode(bytes)),
        FuzzTarget.codec(
            "replica-message",
            Samples.messages(new Random(4)).stream().map(MessageCodec::encode).toList(),
            bytes -> MessageCodec.decode(bytes),
            MessageCodec::encode),
        FuzzTarget.codec(
            "router-message", List.of(), RouterMessageCodec::decode, RouterMessageCodec::encode),
        FuzzTarget.decoder(
            "membership",
            List.of(
                MembershipCodec.encode(
                    Samples.membership(CAPSULE.name, 3, 4, new Random(2)),
                    CAPSULE.owner::signAsOwner)),
            bytes -> MembershipCodec.decode(bytes, CAPSULE.metadata.ownerKey(), Samples.CURVE)),
        FuzzTarget.codec(
            "certificate",
            FuzzTarget.golden("certificate.hex"),
            CertificateCodec::decode,
            CertificateCodec::encode),
        FuzzTarget.of(
            "certificate-verifier",
            FuzzTarget.golden("certificate.hex"),
            bytes -> verifier.verify(bytes.clone(), null, CAPSULE.name)),
        FuzzTarget.decoder(
            "contradiction",
            FuzzTarget.golden("contradiction.hex"),
            bytes -> ContradictionProof.decode(bytes, Samples.CURVE)),
        FuzzTarget.decoder(
            "evidence",
            FuzzTarget.golden("contradiction.hex"),
            bytes -> EvidenceCodec.decode(capsule, bytes, writer -> replica.key, Samples.CURVE)));
  }
}
