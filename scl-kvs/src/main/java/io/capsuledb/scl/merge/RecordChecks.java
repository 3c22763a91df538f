package io.capsuledb.scl.merge;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.record.CapsuleRecord;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What of a record's verification needs keys. A pure function of its arguments: shells may answer
 * from what other threads have verified already, the simulation cheaply.
 */
public interface RecordChecks {

  /**
   * The entry of the writer that {@code first}, the first record of a chain, introduces: decoded
   * from its ROSTER, whose signature by the application is verified. The record's own signature is
   * not looked at.
   */
  Decoded<RosterEntry> introduced(CapsuleRecord first);

  /**
   * Verifies records that follow one another in one chain: their hashes link them, which was
   * checked, so one signature vouches for all, that of the newest.
   *
   * @param entry the chain's writer
   * @param run at least one record, ascending
   * @return what is wrong, or null
   */
  @Nullable Rejection verify(RosterEntry entry, List<CapsuleRecord> run);

  /** The payload of a verified RTS or SYNC, decrypted. */
  Decoded<byte[]> open(CapsuleRecord record);
}
