package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.scl.merge.RecordChecks;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Verifies records of others with the capsule's keys. One thread at a time. */
final class ChainChecks implements RecordChecks, AutoCloseable {

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Secp256k1 curve = Secp256k1.best();
  private final RecordOpener opener;

  ChainChecks(CapsuleName capsule, CapsuleMetadata metadata, KeyRing keys) {
    this.capsule = capsule;
    this.metadata = metadata;
    opener = new RecordOpener(capsule, keys);
  }

  @Override
  public Decoded<RosterEntry> introduced(CapsuleRecord first) {
    return RosterCodec.decode(capsule, first.payload(), metadata, curve)
        .then(
            entries -> {
              for (RosterEntry entry : entries) {
                if (entry.writer() == first.header().writer()) {
                  return Decoded.accept(entry);
                }
              }
              return Decoded.reject(Reason.UNKNOWN_WRITER, first + " introduces somebody else");
            });
  }

  @Override
  public @Nullable Rejection verify(RosterEntry entry, List<CapsuleRecord> run) {
    CapsuleRecord newest = run.getLast();
    return newest.isSignedBy(entry.key(), curve)
        ? null
        : Rejection.of(Reason.SIGNATURE, newest.toString());
  }

  @Override
  public Decoded<byte[]> open(CapsuleRecord record) {
    return opener.open(record);
  }

  @Override
  public void close() {
    opener.close();
  }
}
