package io.capsuledb.scl.sim;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.merge.RecordChecks;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Records that are whole but for signatures and encryption: the real codec decodes, hashes and
 * links them. What was forged is known by its hash.
 */
final class SimRecords implements RecordChecks {

  private static final int HEADER_BYTES = 112;
  private static final int SIGNATURE_BYTES = 64;
  private static final int TAG_BYTES = 16;
  private static final PublicKey KEY =
      PublicKey.decode(
              HexFormat.of()
                  .parseHex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
              0)
          .orThrow();

  final CapsuleName capsule = new CapsuleName(Hashes.sha256(new byte[] {7}));
  final Set<Hash32> forged = new HashSet<>();
  private final Set<Hash32> made = new HashSet<>();

  CapsuleRecord make(
      RecordType type,
      long writer,
      ChainHead previous,
      long epoch,
      long lamport,
      List<Hash32> parents,
      byte[] payload) {
    boolean clear = type.isClear();
    int stored = payload.length + (clear ? 0 : TAG_BYTES);
    int headerBytes = HEADER_BYTES + 32 * parents.size();
    byte[] bytes = new byte[headerBytes + stored + SIGNATURE_BYTES];
    ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    header.put(0, (byte) 1).put(1, (byte) type.number()).putShort(2, (short) (clear ? 1 : 0));
    header.putLong(8, writer).putLong(16, previous.sequence() + 1).putLong(24, epoch);
    header.putLong(32, lamport).putInt(40, stored).putShort(44, (short) parents.size());
    previous.hash().copyTo(bytes, 48);
    for (int i = 0; i < parents.size(); i++) {
      parents.get(i).copyTo(bytes, HEADER_BYTES + 32 * i);
    }
    System.arraycopy(payload, 0, bytes, headerBytes, payload.length);
    Hashes.sha256(bytes, headerBytes, stored).copyTo(bytes, 80);
    CapsuleRecord record = RecordCodec.decode(capsule, bytes).orThrow();
    made.add(record.hash());
    return record;
  }

  /** Whether somebody with keys made it. */
  boolean isMade(CapsuleRecord record) {
    return made.contains(record.hash()) && !forged.contains(record.hash());
  }

  /** The first record of a chain. */
  final CapsuleRecord roster(long writer, Role role, long lamport) {
    return roster(writer, role, 0, lamport);
  }

  /** The first record of a chain that begins in an epoch. */
  CapsuleRecord roster(long writer, Role role, long epoch, long lamport) {
    byte[] payload = ByteBuffer.allocate(9).putLong(writer).put((byte) role.number()).array();
    return make(RecordType.ROSTER, writer, ChainHead.NONE, epoch, lamport, List.of(), payload);
  }

  /** The same record with another content, as somebody without keys would make it. */
  CapsuleRecord forge(CapsuleRecord record) {
    byte[] payload = record.payload();
    byte[] bare =
        record.header().type().isClear()
            ? payload
            : Arrays.copyOf(payload, payload.length - TAG_BYTES);
    bare[bare.length - 1] ^= 1;
    ChainHead previous =
        record.header().sequence() == 1
            ? ChainHead.NONE
            : new ChainHead(record.header().sequence() - 1, record.header().previous());
    CapsuleRecord other =
        make(
            record.header().type(),
            record.header().writer(),
            previous,
            record.header().epoch(),
            record.header().lamport(),
            record.header().parents(),
            bare);
    forged.add(other.hash());
    return other;
  }

  @Override
  public Decoded<RosterEntry> introduced(CapsuleRecord first) {
    if (forged.contains(first.hash())) {
      return Decoded.reject(Reason.SIGNATURE, "forged");
    }
    ByteBuffer payload = ByteBuffer.wrap(first.payload());
    return Decoded.accept(new RosterEntry(payload.getLong(), KEY, Role.ofNumber(payload.get()), 0));
  }

  @Override
  public @Nullable Rejection verify(RosterEntry entry, List<CapsuleRecord> run) {
    return forged.contains(run.getLast().hash()) ? Rejection.of(Reason.SIGNATURE, "forged") : null;
  }

  @Override
  public Decoded<byte[]> open(CapsuleRecord record) {
    byte[] payload = record.payload();
    return Decoded.accept(Arrays.copyOf(payload, payload.length - TAG_BYTES));
  }
}
