package io.capsuledb.replication.replica;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Answers reads from the log. What is read is not verified here: readers do that, since they trust
 * no replica. Thread-safe.
 */
public final class ReplicaReader {

  private final ReplicaLog log;
  private final Damage damage;

  /** Hears of damaged records. */
  @FunctionalInterface
  public interface Damage {
    /** The record at this position cannot be read. */
    void found(io.capsuledb.core.capsule.CapsuleName capsule, long writer, long sequence);
  }

  public ReplicaReader(ReplicaLog log, Damage damage) {
    this.log = log;
    this.damage = damage;
  }

  /** The answer to a {@link Message.ReadRange} or {@link Message.ReadHash}. */
  public Message.Reply answer(Message.Request read) {
    return switch (read) {
      case Message.ReadRange range -> range(range);
      case Message.ReadHash hash -> hash(hash);
      default -> throw new IllegalArgumentException("not a read: " + read);
    };
  }

  private Message.Reply hash(Message.ReadHash read) {
    try {
      byte[] bytes = log.read(read.capsule(), read.hash());
      return new Message.Records(
          read.request(), bytes == null ? List.of() : List.of(Blob.of(bytes)));
    } catch (CapsuleException e) {
      return new Message.Refused(
          read.request(), Refusal.DAMAGED, 0, 0, "record " + read.hash() + " cannot be read");
    }
  }

  private Message.Reply range(Message.ReadRange read) {
    List<Blob> records = new ArrayList<>();
    long bytes = 0;
    long most = Math.clamp(read.maxBytes(), 0, Message.MAX_RECORD_BYTES);
    Message.@Nullable Reply refused = null;
    long from = Math.max(1, read.fromSequence());
    for (long at = from; at <= read.toSequence() && records.size() < Message.MAX_RECORDS; at++) {
      byte[] record;
      try {
        record = log.read(read.capsule(), read.writer(), at);
      } catch (CapsuleException e) {
        if (e instanceof IntegrityException) {
          damage.found(read.capsule(), read.writer(), at);
        }
        refused =
            new Message.Refused(
                read.request(),
                Refusal.DAMAGED,
                read.writer(),
                at,
                "the record cannot be read: " + e.code());
        break;
      }
      if (record == null || (!records.isEmpty() && bytes + record.length > most)) {
        break;
      }
      bytes += record.length;
      records.add(Blob.of(record));
    }
    return records.isEmpty() && refused != null
        ? refused
        : new Message.Records(read.request(), records);
  }
}
