package io.capsuledb.replication.sim;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A chain of records that are whole but for their signatures: they decode, hash and link, and what
 * is in them follows from capsule, writer, position and size.
 */
public final class TestChain {

  private static final int HEADER_BYTES = 112;
  private static final int SIGNATURE_BYTES = 64;
  private static final int MIN_PAYLOAD_BYTES = 16;

  /** The curve's generator: a key like any other. */
  public static final PublicKey KEY =
      accepted(
          PublicKey.decode(
              HexFormat.of()
                  .parseHex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
              0));

  private final CapsuleName capsule;
  private final RosterEntry entry;
  private final List<StoredRecord> records = new ArrayList<>();

  /** Tells apart what was written at a position before and after a truncation. */
  private long fork;

  public TestChain(CapsuleName capsule, long writer) {
    this.capsule = capsule;
    this.entry = new RosterEntry(writer, KEY, RosterEntry.Role.WORKER, 0);
  }

  /** A name for a test's capsule. */
  public static CapsuleName name(int number) {
    return new CapsuleName(Hashes.sha256(new byte[] {(byte) number}));
  }

  public CapsuleName capsule() {
    return capsule;
  }

  public RosterEntry entry() {
    return entry;
  }

  public long writer() {
    return entry.writer();
  }

  /** Adds a record with a payload of at least 16 bytes. */
  public StoredRecord next(int payloadBytes) {
    int payload = Math.max(MIN_PAYLOAD_BYTES, payloadBytes);
    long sequence = records.size() + 1L;
    byte[] bytes = new byte[HEADER_BYTES + payload + SIGNATURE_BYTES];
    new SplittableRandom(31 * (31 * entry.writer() + sequence) + fork).nextBytes(bytes);
    ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    header.put(0, new byte[48]).put(0, (byte) 1).put(1, (byte) RecordType.DATA.number());
    header.putLong(8, entry.writer()).putLong(16, sequence).putLong(32, lamportOf(sequence));
    header.putInt(40, payload);
    head().hash().copyTo(bytes, 48);
    Hashes.sha256(bytes, HEADER_BYTES, payload).copyTo(bytes, 80);
    SignedHeader decoded = accepted(RecordCodec.decodeStored(capsule, bytes));
    StoredRecord record = new StoredRecord(entry.writer(), sequence, decoded.hash(), bytes);
    records.add(record);
    return record;
  }

  private static <T> T accepted(Decoded<T> decoded) {
    return switch (decoded) {
      case Decoded.Accepted<T>(T value) -> value;
      case Decoded.Rejected<T>(var rejection) -> throw new AssertionError(rejection.toString());
    };
  }

  /** The record at a sequence number, from 1. */
  public StoredRecord at(long sequence) {
    return records.get((int) sequence - 1);
  }

  /** The stub of the record at a sequence number. */
  public StoredRecord stub(long sequence) {
    StoredRecord r = at(sequence);
    return new StoredRecord(r.writer(), r.sequence(), r.hash(), RecordCodec.stub(r.bytes()));
  }

  public long length() {
    return records.size();
  }

  /** The newest record. */
  public ChainHead head() {
    return head(records.size());
  }

  /** What the head is or was at a length. */
  public ChainHead head(long length) {
    return length == 0 ? ChainHead.NONE : new ChainHead(length, at(length).hash());
  }

  /** The Lamport time of the record at a sequence number; 0 for 0. */
  public static long lamportOf(long sequence) {
    return 3 * sequence;
  }

  public long lamport() {
    return lamportOf(records.size());
  }

  /** Forgets the records after a sequence number; those that follow differ from them. */
  public void truncate(long length) {
    records.subList((int) length, records.size()).clear();
    fork += 1L << 32;
  }

  /** The hash of the newest record; zero without one. */
  public Hash32 hash() {
    return head().hash();
  }
}
