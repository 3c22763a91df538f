package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.ChainHead;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A durability certificate: everything that is needed to see that a quorum of a capsule's replicas
 * has signed that it holds a record. Immutable; {@link CertificateVerifier} says whether it holds.
 *
 * @param metadata the capsule's signed metadata
 * @param memberships its signed memberships, from version 1 on
 * @param writer whose record it is
 * @param claim sequence number and hash of the record
 * @param statements HELD or FRONTIER statements of different replicas; kept in ascending order of
 *     the replicas' public keys, which is not the order they need to be given in
 * @param headers encoded headers of the records after the claimed one, up to the farthest head of
 *     the statements, in the order of the chain; no signatures, see {@link
 *     io.capsuledb.core.record.RecordCodec#headerOf}
 */
public record Certificate(
    Blob metadata,
    List<Blob> memberships,
    long writer,
    ChainHead claim,
    List<SignedStatement> statements,
    List<Blob> headers) {

  /** Most statements: one of each replica of a joint membership. */
  public static final int MAX_STATEMENTS = 2 * CapsuleMetadata.MAX_REPLICAS;

  /** Most headers between the claimed record and the farthest head. */
  public static final int MAX_HEADERS = 1024;

  static final Comparator<SignedStatement> BY_REPLICA =
      Comparator.comparing(
          signed -> signed.statement().replica().bytes(), java.util.Arrays::compareUnsigned);

  /** Checks the bounds. */
  public Certificate {
    memberships = List.copyOf(memberships);
    statements = statements.stream().sorted(BY_REPLICA).toList();
    headers = List.copyOf(headers);
    Set<PublicKey> replicas = new HashSet<>();
    statements.forEach(signed -> replicas.add(signed.statement().replica()));
    if (writer < 1
        || writer > RosterEntry.MAX_WRITER
        || claim.sequence() < 1
        || memberships.size() > Message.MAX_MEMBERSHIPS
        || statements.size() > MAX_STATEMENTS
        || replicas.size() != statements.size()
        || headers.size() > MAX_HEADERS) {
      throw new IllegalArgumentException(
          "certificate of "
              + memberships.size()
              + " memberships, "
              + statements.size()
              + " statements of "
              + replicas.size()
              + " replicas, "
              + headers.size()
              + " headers");
    }
  }
}
