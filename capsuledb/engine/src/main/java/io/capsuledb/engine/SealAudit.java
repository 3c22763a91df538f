package io.capsuledb.engine;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Whether the SEAL records of one chain, shown in their order, are those of a sealer that keeps to
 * the protocol: for each writer its ballots rise, each begins with a PREPARE, and its FINAL, one at
 * most, follows that. Replicas rely on it: two FINALs of one ballot could name two heads.
 */
final class SealAudit {

  private final Map<Long, SealOrder> newest = new HashMap<>();

  /** What is wrong with the next SEAL record of the chain, or null. */
  @Nullable Rejection check(CapsuleRecord record) {
    return switch (SealOrderCodec.decode(record.payload())) {
      case Decoded.Rejected<SealOrder>(Rejection r) -> r;
      case Decoded.Accepted<SealOrder>(SealOrder order) -> check(record, order);
    };
  }

  private @Nullable Rejection check(CapsuleRecord record, SealOrder order) {
    SealOrder before = newest.put(order.writer(), order);
    String what =
        record
            + " is "
            + order.kind()
            + " of writer "
            + Long.toHexString(order.writer())
            + " in term "
            + order.term();
    if (order.kind() == SealOrder.Kind.FINAL) {
      if (order.writer() == record.header().writer()) {
        return Rejection.of(Reason.ROLE, what + ": nobody finally seals itself");
      }
      if (before == null
          || before.kind() != SealOrder.Kind.PREPARE
          || before.term() != order.term()) {
        return Rejection.of(
            Reason.FIELD_OUT_OF_RANGE, what + ", and the step before is no PREPARE of that term");
      }
      return null;
    }
    return before == null || before.term() < order.term()
        ? null
        : Rejection.of(Reason.FIELD_OUT_OF_RANGE, what + " after term " + before.term());
  }
}
