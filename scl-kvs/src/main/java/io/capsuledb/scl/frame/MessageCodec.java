package io.capsuledb.scl.frame;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.session.Position;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The body of a frame before encryption: kind and fields; docs/format/frame.md. Canonical: a
 * message has one encoding.
 */
final class MessageCodec {

  private static final int LOCK_BYTES = Long.BYTES + 1 + Long.BYTES;
  private static final int PAIR_BYTES = 2 * Long.BYTES;

  private MessageCodec() {}

  // ------------------------------------------------------------------ encoding

  static byte[] encode(SclMessage message) {
    FieldWriter out = new FieldWriter();
    switch (message) {
      case SclMessage.Records(long writer, long from, long to, List<CapsuleRecord> records) -> {
        out.u8(FrameLayout.KIND_RECORDS).u64(writer).u64(from).u64(to).u32(records.size());
        records.forEach(record -> out.bytes(record.bytes()));
      }
      case SclMessage.Beat beat ->
          out.u8(FrameLayout.KIND_BEAT)
              .u64(beat.number())
              .head(beat.head())
              .u64(beat.term())
              .u64(beat.wantsEpoch())
              .u8(
                  (beat.pending() ? FrameLayout.FLAG_PENDING : 0)
                      | (beat.leaving() ? FrameLayout.FLAG_LEAVING : 0));
      case SclMessage.CoordinatorBeat beat -> {
        out.u8(FrameLayout.KIND_COORDINATOR_BEAT)
            .u64(beat.term())
            .u64(beat.coordinator())
            .head(beat.head())
            .u8(beat.open() ? 1 : 0)
            .u64(beat.ending())
            .u32(beat.echoes().size());
        beat.echoes().forEach(echo -> out.u64(echo.worker()).u64(echo.number()));
      }
      case SclMessage.Claim(long term, long coordinator) ->
          out.u8(FrameLayout.KIND_CLAIM).u64(term).u64(coordinator);
      case SclMessage.Join(long term, ChainHead head, List<LockGrant> locks) ->
          locks(out.u8(FrameLayout.KIND_JOIN).u64(term).head(head), locks);
      case SclMessage.End end ->
          out.u8(FrameLayout.KIND_END)
              .u64(end.epoch())
              .u64(end.coordinator())
              .u8(end.late() ? 1 : 0)
              .head(end.head())
              .u64(end.clock());
      case SclMessage.LockRequest(long term, ChainHead head, List<LockGrant> locks) ->
          locks(out.u8(FrameLayout.KIND_LOCK).u64(term).head(head), locks);
      case SclMessage.Grant(long term, List<LockGrant> locks, List<Position> released) -> {
        locks(out.u8(FrameLayout.KIND_GRANT).u64(term), locks);
        out.u32(released.size());
        released.forEach(position -> out.u64(position.writer()).u64(position.sequence()));
      }
      case SclMessage.Recall(long term, List<LockGrant> locks) ->
          locks(out.u8(FrameLayout.KIND_RECALL).u64(term), locks);
      case SclMessage.Release(long term, ChainHead head, List<LockGrant> locks) ->
          locks(out.u8(FrameLayout.KIND_RELEASE).u64(term).head(head), locks);
    }
    return out.toBytes();
  }

  private static void locks(FieldWriter out, List<LockGrant> locks) {
    out.u32(locks.size());
    locks.forEach(lock -> out.u64(lock.lock()).u8(lock.mode().number()).u64(lock.id()));
  }

  // ------------------------------------------------------------------ decoding

  static Decoded<SclMessage> decode(CapsuleName capsule, byte[] bytes, int length) {
    FieldReader in = new FieldReader(bytes, 0, length);
    SclMessage message = message(capsule, in);
    in.end();
    Rejection defect = in.rejection();
    if (defect != null || message == null) {
      return new Decoded.Rejected<>(
          defect != null ? defect : Rejection.of(Reason.PAYLOAD, "frame: no message"));
    }
    return Decoded.accept(message);
  }

  private static @Nullable SclMessage message(CapsuleName capsule, FieldReader in) {
    int kind = in.u8();
    return switch (kind) {
      case FrameLayout.KIND_RECORDS -> records(capsule, in);
      case FrameLayout.KIND_BEAT -> beat(in);
      case FrameLayout.KIND_COORDINATOR_BEAT -> coordinatorBeat(in);
      case FrameLayout.KIND_END -> end(in);
      case FrameLayout.KIND_CLAIM -> claim(in);
      case FrameLayout.KIND_JOIN,
          FrameLayout.KIND_LOCK,
          FrameLayout.KIND_GRANT,
          FrameLayout.KIND_RECALL,
          FrameLayout.KIND_RELEASE ->
          ofLocks(kind, in);
      default -> {
        in.reject(Reason.UNKNOWN_TYPE, "kind " + kind);
        yield null;
      }
    };
  }

  private static @Nullable SclMessage ofLocks(int kind, FieldReader in) {
    long term = positive(in, "term");
    boolean withHead = kind != FrameLayout.KIND_GRANT && kind != FrameLayout.KIND_RECALL;
    ChainHead head = withHead ? in.head() : ChainHead.NONE;
    List<LockGrant> locks = locks(in);
    List<Position> released = kind == FrameLayout.KIND_GRANT ? positions(in) : List.of();
    if (!in.isSound()) {
      return null;
    }
    return switch (kind) {
      case FrameLayout.KIND_JOIN -> new SclMessage.Join(term, head, locks);
      case FrameLayout.KIND_LOCK -> new SclMessage.LockRequest(term, head, locks);
      case FrameLayout.KIND_GRANT -> new SclMessage.Grant(term, locks, released);
      case FrameLayout.KIND_RECALL -> new SclMessage.Recall(term, locks);
      default -> new SclMessage.Release(term, head, locks);
    };
  }

  private static SclMessage.@Nullable Records records(CapsuleName capsule, FieldReader in) {
    long writer = writer(in);
    long from = positive(in, "sequence");
    long to = positive(in, "sequence");
    in.require(to >= from, "records " + from + " to " + to);
    int count = in.count(SclMessage.MAX_RECORDS, Integer.BYTES);
    List<CapsuleRecord> records = new ArrayList<>();
    long before = 0;
    for (int i = 0; i < count && in.isSound(); i++) {
      byte[] bytes = in.bytes(FrameLayout.MAX_FRAME_BYTES);
      if (!in.isSound()) {
        break;
      }
      switch (RecordCodec.decode(capsule, bytes)) {
        case Decoded.Accepted<CapsuleRecord>(CapsuleRecord record) -> {
          long sequence = record.header().sequence();
          if (record.header().writer() != writer
              || sequence < from
              || sequence > to
              || sequence <= before) {
            in.reject(Reason.MISPLACED, record + " among records of another place");
          }
          before = sequence;
          records.add(record);
        }
        case Decoded.Rejected<CapsuleRecord>(Rejection rejection) -> in.reject(rejection);
      }
    }
    return in.isSound() ? new SclMessage.Records(writer, from, to, records) : null;
  }

  private static SclMessage.@Nullable Beat beat(FieldReader in) {
    long number = positive(in, "number");
    ChainHead head = in.head();
    long term = in.u63("term");
    long wants = in.u63("epoch");
    int flags = in.u8();
    if ((flags & ~(FrameLayout.FLAG_PENDING | FrameLayout.FLAG_LEAVING)) != 0) {
      in.reject(Reason.RESERVED_BITS, "flags " + flags);
    }
    return in.isSound()
        ? new SclMessage.Beat(
            number,
            head,
            term,
            wants,
            (flags & FrameLayout.FLAG_PENDING) != 0,
            (flags & FrameLayout.FLAG_LEAVING) != 0)
        : null;
  }

  private static SclMessage.@Nullable CoordinatorBeat coordinatorBeat(FieldReader in) {
    long term = positive(in, "term");
    long coordinator = writer(in);
    ChainHead head = in.head();
    boolean open = bool(in);
    long ending = in.u63("epoch");
    int count = in.count(SclMessage.MAX_POSITIONS, PAIR_BYTES);
    List<SclMessage.Echo> echoes = new ArrayList<>(count);
    for (int i = 0; i < count && in.isSound(); i++) {
      long worker = writer(in);
      long number = in.u63("number");
      if (in.isSound()) {
        echoes.add(new SclMessage.Echo(worker, number));
      }
    }
    return in.isSound()
        ? new SclMessage.CoordinatorBeat(term, coordinator, head, open, ending, echoes)
        : null;
  }

  private static SclMessage.@Nullable Claim claim(FieldReader in) {
    long term = positive(in, "term");
    long coordinator = writer(in);
    return in.isSound() ? new SclMessage.Claim(term, coordinator) : null;
  }

  private static SclMessage.@Nullable End end(FieldReader in) {
    long epoch = positive(in, "epoch");
    long coordinator = writer(in);
    boolean late = bool(in);
    ChainHead head = in.head();
    long clock = in.u63("clock");
    return in.isSound() ? new SclMessage.End(epoch, coordinator, late, head, clock) : null;
  }

  private static List<LockGrant> locks(FieldReader in) {
    int count = in.count(SclMessage.MAX_LOCKS, LOCK_BYTES);
    List<LockGrant> locks = new ArrayList<>(count);
    for (int i = 0; i < count && in.isSound(); i++) {
      long lock = in.any64();
      int number = in.u8();
      LockMode mode = LockMode.ofNumber(number);
      long id = positive(in, "request");
      if (mode == null) {
        in.reject(Reason.UNKNOWN_TYPE, "lock mode " + number);
      } else if (in.isSound()) {
        locks.add(new LockGrant(lock, mode, id));
      }
    }
    return locks;
  }

  private static List<Position> positions(FieldReader in) {
    int count = in.count(SclMessage.MAX_POSITIONS, PAIR_BYTES);
    List<Position> positions = new ArrayList<>(count);
    for (int i = 0; i < count && in.isSound(); i++) {
      long writer = writer(in);
      long sequence = positive(in, "sequence");
      if (in.isSound()) {
        positions.add(new Position(writer, sequence));
      }
    }
    return positions;
  }

  private static boolean bool(FieldReader in) {
    int value = in.u8();
    in.require(value <= 1, "boolean " + value);
    return value == 1;
  }

  private static long positive(FieldReader in, String what) {
    long value = in.u63(what);
    in.require(value > 0, what + " " + value);
    return value;
  }

  private static long writer(FieldReader in) {
    long writer = in.u63("writer");
    in.require(
        writer >= 1 && writer <= RosterEntry.MAX_WRITER, "writer " + Long.toHexString(writer));
    return writer;
  }
}
