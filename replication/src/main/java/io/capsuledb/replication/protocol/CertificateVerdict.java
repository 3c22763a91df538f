package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.seal.ChainHead;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a durability certificate shows. Immutable.
 *
 * @param capsule the capsule it is of, or null if that is not established
 * @param writer whose record is claimed to be durable; 0 if the certificate cannot be read
 * @param claim the record; {@link ChainHead#NONE} if the certificate cannot be read
 * @param membership version of the membership that the replicas were counted in; -1 if none was
 * @param checks what was checked, in this order
 * @param rejection why durability is not shown; null if it is
 */
public record CertificateVerdict(
    @Nullable CapsuleName capsule,
    long writer,
    ChainHead claim,
    int membership,
    List<Check> checks,
    @Nullable Rejection rejection) {

  /**
   * One check. A statement that is not counted is a check that did not hold, and does no harm if
   * enough others are counted.
   *
   * @param name what was checked, a stable word
   * @param held whether it held
   * @param detail what was found
   */
  public record Check(String name, boolean held, String detail) {}

  /** Keeps a copy of the list. */
  public CertificateVerdict {
    checks = List.copyOf(checks);
  }

  /** Whether it is shown that the record is durable. */
  public boolean proven() {
    return rejection == null;
  }
}
