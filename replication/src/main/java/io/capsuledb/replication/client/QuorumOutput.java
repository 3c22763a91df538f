package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.SealState;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a {@link QuorumClientCore} wants done, or has found out. */
public sealed interface QuorumOutput {

  /** Send this; if it cannot be sent, say so by {@link QuorumClientCore#notSent}. */
  record Send(PublicKey replica, Message message) implements QuorumOutput {}

  /**
   * What became of an append.
   *
   * @param unknown null: it is durable; else its deadline passed, it is still being tried, and this
   *     is told again when it is durable
   */
  record Appended(long ticket, @Nullable CapsuleException unknown) implements QuorumOutput {}

  /** A chain is durable up to here. */
  record Durable(long writer, long sequence) implements QuorumOutput {}

  /**
   * What was read: verified against the hash asked for, or, for a range, consecutive records of the
   * writer that name each other's hashes; whether they are the writer's is for the caller to find
   * out, and {@link QuorumClientCore#blame} for saying that they are not.
   *
   * @param records none if a quorum says that there is nothing, or none was reached in time
   * @param from who said so; null without records
   * @param failure set if nobody could say in time
   */
  record Read(
      long ticket, List<Blob> records, @Nullable PublicKey from, @Nullable CapsuleException failure)
      implements QuorumOutput {
    public Read {
      records = List.copyOf(records);
    }
  }

  /** What a quorum of replicas hold. */
  record Recovered(long ticket, RecoveredFrontier frontier) implements QuorumOutput {}

  /** The capsule's metadata is known now, though it was not given. */
  record MetadataFound(Blob signedMetadata) implements QuorumOutput {}

  /** There is a newer membership; its replicas should be connected to. */
  record MembershipAdopted(Membership membership) implements QuorumOutput {}

  /**
   * A quorum promised (PREPARE) or accepted (FINAL).
   *
   * @param value the final head to propose, if everything that was said is true, or the one that is
   *     sealed
   * @param said what replicas have promised
   */
  record SealReached(long ticket, ChainHead value, Map<PublicKey, SealState> said)
      implements QuorumOutput {
    public SealReached {
      said = Map.copyOf(said);
    }
  }

  /** An append that was given up: {@link QuorumClientCore#abandon}. */
  record Abandoned(long ticket) implements QuorumOutput {}

  /**
   * So many replicas promised a higher ballot that this one cannot reach a quorum any more.
   *
   * @param beyond try a ballot above this one
   */
  record SealOverruled(long ticket, Ballot beyond) implements QuorumOutput {}

  /**
   * Proof against a replica, or against a writer if {@code replica} is null.
   *
   * @param evidence as in the payload of an EVIDENCE record
   */
  record Accused(@Nullable PublicKey replica, Blob evidence) implements QuorumOutput {}

  /** A replica did something wrong that proves nothing to others. */
  record Struck(PublicKey replica, String reason) implements QuorumOutput {}

  /** The capsule is not what it should be; nothing more is done. */
  record Failed(CapsuleException failure) implements QuorumOutput {}
}
