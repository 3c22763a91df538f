package io.capsuledb.replication.client;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One read: who was asked, who said that there is nothing. */
final class ReadTask {

  /** A question to one replica. */
  record Asked(PublicKey replica, long sentNanos) {}

  /** What an answer is worth. */
  enum Answer {
    RIGHT,
    NOTHING,
    WRONG
  }

  final long ticket;
  final @Nullable Hash32 hash;
  final long writer;
  final long from;
  final long to;
  final int maxBytes;

  /** Whether a stub is as good as nothing, as long as others may have the whole record. */
  final boolean whole;

  final long deadlineNanos;

  final Map<Long, Asked> outstanding = new HashMap<>();
  final Set<PublicKey> triedThisRound = new HashSet<>();
  final Set<PublicKey> nothing = new HashSet<>();
  @Nullable Blob stub;
  @Nullable PublicKey stubFrom;
  long askAgainAtNanos;
  int rounds;

  ReadTask(long ticket, Hash32 hash, boolean whole, long deadlineNanos) {
    this(ticket, hash, 0, 0, 0, 0, whole, deadlineNanos);
  }

  ReadTask(long ticket, long writer, long from, long to, int maxBytes, long deadlineNanos) {
    this(ticket, null, writer, from, to, maxBytes, false, deadlineNanos);
  }

  private ReadTask(
      long ticket,
      @Nullable Hash32 hash,
      long writer,
      long from,
      long to,
      int maxBytes,
      boolean whole,
      long deadlineNanos) {
    this.ticket = ticket;
    this.hash = hash;
    this.writer = writer;
    this.from = from;
    this.to = to;
    this.maxBytes = maxBytes;
    this.whole = whole;
    this.deadlineNanos = deadlineNanos;
  }

  Message request(long request, CapsuleName capsule) {
    Hash32 wanted = hash;
    return wanted != null
        ? new Message.ReadHash(request, capsule, wanted)
        : new Message.ReadRange(request, capsule, writer, from, to, maxBytes);
  }

  /** Looks at what a replica sent. */
  Answer judge(CapsuleName capsule, List<Blob> records) {
    if (records.isEmpty()) {
      return Answer.NOTHING;
    }
    Hash32 wanted = hash;
    if (wanted != null) {
      return records.size() == 1
              && RecordCodec.decodeStored(capsule, records.getFirst().bytes())
                  instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
              && record.hash().equals(wanted)
          ? Answer.RIGHT
          : Answer.WRONG;
    }
    if (records.size() > to - from + 1) {
      return Answer.WRONG;
    }
    long sequence = from;
    Hash32 previous = null;
    for (Blob blob : records) {
      if (!(RecordCodec.decodeStored(capsule, blob.bytes())
              instanceof Decoded.Accepted<SignedHeader>(SignedHeader record))
          || record.header().writer() != writer
          || record.header().sequence() != sequence
          || (previous != null && !record.header().previous().equals(previous))) {
        return Answer.WRONG;
      }
      sequence++;
      previous = record.hash();
    }
    return Answer.RIGHT;
  }
}
