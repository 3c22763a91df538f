package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.HashedHeader;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.seal.ChainHead;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Checks durability certificates, with nothing but the owner's public key or the capsule's name.
 * Takes any bytes from anybody.
 *
 * <p><b>What is shown:</b> the capsule's owner signed for a set of replicas and a quorum; each of a
 * quorum of different replicas of that set has signed that it durably holds the writer's chain up
 * to the claimed record, or up to one whose hash leads back to the claimed record; and these
 * statements are of a kind that together mean durability ({@link Durability}).
 *
 * <p><b>What is not:</b>
 *
 * <ul>
 *   <li>That the membership is the newest there is. Replicas that were removed can go on signing in
 *       the old one, and keys that leaked later too: compare {@link CertificateVerdict#membership}
 *       with what is known from elsewhere.
 *   <li>When. Statements have no time, and replicas may have lost their disks since.
 *   <li>That replicas tell the truth: as many as a quorum lacks to all may lie, not more.
 *   <li>That the record is valid. Replicas verify what they store; the certificate names a hash,
 *       and whoever has the record can compare.
 *   <li>That the writer did not sign a second chain. If it did, what a sealer makes final may be on
 *       the other one.
 * </ul>
 *
 * <p>Immutable and thread-safe.
 */
public final class CertificateVerifier {

  private final Secp256k1 curve;

  public CertificateVerifier(Secp256k1 curve) {
    this.curve = curve;
  }

  /**
   * Checks a certificate.
   *
   * @param certificate any bytes
   * @param owner who has to have signed the capsule's metadata; null if the name says enough
   * @param capsule the capsule it has to be of; null to take any of the owner's
   * @throws IllegalArgumentException if neither owner nor capsule is given: then it could be
   *     anybody's
   */
  public CertificateVerdict verify(
      byte[] certificate, @Nullable PublicKey owner, @Nullable CapsuleName capsule) {
    if (owner == null && capsule == null) {
      throw new IllegalArgumentException("a certificate is checked for an owner or a capsule");
    }
    return switch (CertificateCodec.decode(certificate)) {
      case Decoded.Accepted<Certificate>(Certificate decoded) ->
          new Examination(decoded).verdict(owner, capsule);
      case Decoded.Rejected<Certificate>(Rejection rejection) ->
          new CertificateVerdict(
              null,
              0,
              ChainHead.NONE,
              -1,
              List.of(new CertificateVerdict.Check("form", false, rejection.detail())),
              rejection);
    };
  }

  /** One certificate under examination. */
  private final class Examination {

    private final Certificate certificate;
    private final List<CertificateVerdict.Check> checks = new ArrayList<>();

    /** Entries of the replicas that count. */
    private final Map<PublicKey, Statement.Entry> counted = new HashMap<>();

    private @Nullable CapsuleName name;
    private int version = -1;

    Examination(Certificate certificate) {
      this.certificate = certificate;
    }

    private void held(String check, String detail) {
      checks.add(new CertificateVerdict.Check(check, true, detail));
    }

    private Rejection failed(String check, Reason reason, String detail) {
      return failed(check, Rejection.of(reason, detail));
    }

    private Rejection failed(String check, Rejection rejection) {
      checks.add(new CertificateVerdict.Check(check, false, rejection.detail()));
      return rejection;
    }

    CertificateVerdict verdict(@Nullable PublicKey owner, @Nullable CapsuleName capsule) {
      Rejection rejection =
          switch (MetadataCodec.decode(certificate.metadata().bytes(), curve)) {
            case Decoded.Accepted<CapsuleMetadata>(CapsuleMetadata metadata) ->
                of(metadata, owner, capsule);
            case Decoded.Rejected<CapsuleMetadata>(Rejection refused) ->
                failed("metadata", refused);
          };
      return new CertificateVerdict(
          name, certificate.writer(), certificate.claim(), version, checks, rejection);
    }

    private @Nullable Rejection of(
        CapsuleMetadata metadata, @Nullable PublicKey owner, @Nullable CapsuleName wanted) {
      CapsuleName found = MetadataCodec.nameOf(certificate.metadata().bytes());
      if (owner != null && !metadata.ownerKey().equals(owner)) {
        return failed(
            "metadata",
            Reason.MISPLACED,
            "capsule " + found + " belongs to owner " + metadata.ownerKey() + ", not to " + owner);
      }
      held("metadata", "signed by owner " + metadata.ownerKey());
      if (wanted != null && !wanted.equals(found)) {
        return failed(
            "capsule", Reason.MISPLACED, "the certificate is of " + found + ", not of " + wanted);
      }
      held("capsule", found.toString());
      name = found;
      return switch (MembershipChain.verify(found, metadata, certificate.memberships(), curve)) {
        case Decoded.Accepted<Membership>(Membership membership) -> count(found, membership);
        case Decoded.Rejected<Membership>(Rejection refused) -> failed("membership", refused);
      };
    }

    private @Nullable Rejection count(CapsuleName capsule, Membership membership) {
      if (membership.current().replicas().isEmpty()) {
        return failed("membership", Reason.PROOF, "the capsule has no replicas");
      }
      version = membership.version();
      held(
          "membership",
          "version "
              + version
              + ", quorum "
              + describe(membership.current())
              + (membership.isJoint() ? " and " + describe(membership.outgoing()) : ""));
      List<Hash32> chain = new ArrayList<>(List.of(certificate.claim().hash()));
      Rejection rejection = link(capsule, chain);
      if (rejection != null) {
        return rejection;
      }
      long farthest = 0;
      for (SignedStatement signed : certificate.statements()) {
        String wrong = count(signed, capsule, membership, chain);
        PublicKey replica = signed.statement().replica();
        Statement.Entry entry = counted.get(replica);
        if (entry != null) {
          long beyond = entry.head().sequence() - certificate.claim().sequence();
          farthest = Math.max(farthest, beyond);
          held(
              "statement",
              replica
                  + " holds "
                  + entry.head().sequence()
                  + (entry.seal().isFinal() ? ", final by ballot " + entry.seal().accepted() : ""));
        } else {
          checks.add(new CertificateVerdict.Check("statement", false, replica + ": " + wrong));
        }
      }
      if (farthest != certificate.headers().size()) {
        return failed(
            "chain", Reason.PROOF, "it goes beyond the heads of the statements that count");
      }
      String tally = counted.size() + " of " + membership.everybody().size() + " replicas";
      if (!Durability.isDurable(membership, counted, certificate.claim().sequence())) {
        return failed("quorum", Reason.PROOF, tally + " are no quorum that makes it durable");
      }
      held("quorum", tally);
      return null;
    }

    /** Follows the headers from the claimed record on and adds their hashes to {@code chain}. */
    private @Nullable Rejection link(CapsuleName capsule, List<Hash32> chain) {
      for (Blob encoded : certificate.headers()) {
        long sequence = certificate.claim().sequence() + chain.size();
        switch (RecordCodec.decodeHashed(capsule, encoded.bytes())) {
          case Decoded.Accepted<HashedHeader>(HashedHeader hashed) -> {
            if (hashed.header().writer() != certificate.writer()
                || hashed.header().sequence() != sequence) {
              return failed(
                  "chain",
                  Reason.SEQUENCE_GAP,
                  CapsuleRecord.describe(hashed.header().writer(), hashed.header().sequence())
                      + " where "
                      + CapsuleRecord.describe(certificate.writer(), sequence)
                      + " should be");
            }
            if (!hashed.header().previous().equals(chain.getLast())) {
              return failed(
                  "chain",
                  Reason.PREVIOUS_HASH,
                  CapsuleRecord.describe(certificate.writer(), sequence)
                      + " follows "
                      + hashed.header().previous()
                      + " where "
                      + chain.getLast()
                      + " is");
            }
            chain.add(hashed.hash());
          }
          case Decoded.Rejected<HashedHeader>(Rejection rejection) -> {
            return failed("chain", rejection);
          }
        }
      }
      held("chain", certificate.headers().size() + " records follow the claimed one");
      return null;
    }

    /** Counts a statement; or says why it does not count. */
    private @Nullable String count(
        SignedStatement signed, CapsuleName capsule, Membership membership, List<Hash32> chain) {
      Statement statement = signed.statement();
      if (!statement.capsule().equals(capsule)) {
        return "is about capsule " + statement.capsule();
      }
      if (statement.kind() == Statement.Kind.SEALED) {
        return "says nothing of what is held";
      }
      if (!membership.names(statement.replica())) {
        return "is no replica of the capsule";
      }
      if (statement.membership() != membership.version()) {
        return "speaks in membership version " + statement.membership();
      }
      Statement.Entry entry = statement.entry(certificate.writer());
      if (entry == null) {
        return "says nothing of the writer";
      }
      long beyond = entry.head().sequence() - certificate.claim().sequence();
      if (beyond < 0) {
        return "holds " + entry.head().sequence() + " only";
      }
      if (beyond >= chain.size() || !chain.get((int) beyond).equals(entry.head().hash())) {
        return "holds "
            + entry.head().sequence()
            + ", which is not shown to be on the chain of the claimed record";
      }
      if (!StatementCodec.verify(signed, curve)) {
        return "has not signed it";
      }
      counted.put(statement.replica(), entry);
      return null;
    }

    private static String describe(Membership.ReplicaSet set) {
      return set.quorum() + " of " + set.replicas().size();
    }
  }
}
