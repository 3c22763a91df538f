package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A replica as a client sees it, in memory: what an honest one says, and switches that make it say
 * something else. It verifies nothing but the order of records.
 */
final class FakeReplica {

  /** How it lies. */
  enum Lie {
    NONE,
    /** Says that it holds what it was sent, and keeps nothing. */
    HOLDS_NOTHING,
    /** Names another hash for what it was sent. */
    WRONG_HASH,
    /** Answers the frontier with what it said long ago. */
    OLD_FRONTIER,
    /** Repeats its first statement for ever. */
    REPLAYS,
    /** Signs for another capsule. */
    OTHER_CAPSULE,
    /** Signs with another key. */
    OTHER_KEY,
    /** Says it holds more than was ever written. */
    BEYOND,
    /** Forgets half of what it held, and says so. */
    EQUIVOCATES,
    /** Serves other records than it was asked for. */
    FORGED_RECORDS,
    /** Says that it has no record. */
    DENIES_RECORDS,
    /** Refuses everything for good. */
    REFUSES,
    /** Claims that a membership exists which it does not show. */
    SECRET_MEMBERSHIP,
    /** Says nothing. */
    SILENT
  }

  private final SampleCapsule capsule;
  private final SecretBytes secret;
  private final PublicKey key;
  private final NavigableMap<Long, List<SignedHeader>> chains = new TreeMap<>();
  private final Map<Long, SealState> seals = new HashMap<>();
  private long incarnation;
  private long number;
  private @Nullable SignedStatement first;
  int membership;
  final List<Blob> memberships = new ArrayList<>();
  boolean founded;
  boolean full;
  boolean busy;
  Lie lie = Lie.NONE;
  final List<Message.Release> released = new ArrayList<>();
  final List<Blob> accusations = new ArrayList<>();

  static SecretBytes secret(long seed) {
    byte[] scalar = new byte[32];
    new SimEntropy(seed * 31 + 7).fill(scalar);
    scalar[0] = 1;
    return SecretBytes.own(scalar);
  }

  static PublicKey key(long seed) {
    return SampleCapsule.CURVE.publicKey(secret(seed));
  }

  FakeReplica(SampleCapsule capsule, long seed) {
    this.capsule = capsule;
    this.secret = secret(seed);
    this.key = key(seed);
    this.incarnation = seed * 1000;
  }

  PublicKey key() {
    return key;
  }

  /** The disk is lost. */
  void lose() {
    chains.clear();
    seals.clear();
    memberships.clear();
    membership = 0;
    founded = false;
    incarnation++;
    number = 0;
    first = null;
  }

  /** The disk is as it was when the chain had so many records; the incarnation is the same. */
  void rollBack(long writer, int records, long toNumber) {
    List<SignedHeader> chain = chains.get(writer);
    chains.put(writer, new ArrayList<>(chain.subList(0, records)));
    number = toNumber;
  }

  long number() {
    return number;
  }

  /** Records held of a writer. */
  int held(long writer) {
    return chains.getOrDefault(writer, List.of()).size();
  }

  /** Takes a record from a peer, as healing does. */
  void put(byte[] record) {
    SignedHeader header = RecordCodec.decodeStored(capsule.name, record).orThrow();
    List<SignedHeader> chain =
        chains.computeIfAbsent(header.header().writer(), w -> new ArrayList<>());
    if (header.header().sequence() == chain.size() + 1L
        && header.header().sequence() <= seal(header.header().writer()).limit()) {
      chain.add(header);
    }
  }

  /** Copies what a peer has and this one has not. */
  void healFrom(FakeReplica peer) {
    peer.chains.forEach(
        (writer, chain) ->
            chain
                .subList(Math.min(held(writer), chain.size()), chain.size())
                .forEach(record -> put(record.bytes())));
  }

  byte @Nullable [] record(long writer, long sequence) {
    List<SignedHeader> chain = chains.get(writer);
    return chain == null || chain.size() < sequence ? null : chain.get((int) sequence - 1).bytes();
  }

  List<Message> handle(Message message) {
    if (lie == Lie.SILENT || !(message instanceof Message.Request request)) {
      return List.of();
    }
    if (message instanceof Message.Found found) {
      founded = true;
      return List.of(new Message.Done(found.request()));
    }
    if (!founded) {
      return List.of(
          new Message.Refused(request.request(), Refusal.UNKNOWN_CAPSULE, 0, 0, "not here"));
    }
    return switch (request) {
      case Message.Append append -> append(append);
      case Message.AskFrontier ask ->
          List.of(
              new Message.Frontier(
                  ask.request(),
                  lie == Lie.OLD_FRONTIER && first != null ? first : frontier(ask.nonce())));
      case Message.ReadHash read -> List.of(new Message.Records(read.request(), byHash(read)));
      case Message.ReadRange read -> List.of(new Message.Records(read.request(), range(read)));
      case Message.Describe ask ->
          List.of(
              new Message.Described(ask.request(), Blob.of(capsule.signedMetadata), memberships));
      case Message.Install install -> {
        memberships.add(install.membership());
        membership = memberships.size();
        yield List.of(new Message.Done(install.request()));
      }
      case Message.Release release -> {
        released.add(release);
        yield List.of(new Message.Done(release.request()));
      }
      case Message.Accuse accuse -> {
        accusations.add(accuse.evidence());
        yield List.of(new Message.Done(accuse.request()));
      }
      default -> List.of();
    };
  }

  private List<Message> append(Message.Append append) {
    if (lie == Lie.REFUSES) {
      return List.of(new Message.Refused(append.request(), Refusal.INVALID, 0, 0, "no"));
    }
    if (full || busy) {
      return List.of(
          new Message.Refused(append.request(), full ? Refusal.FULL : Refusal.BUSY, 0, 0, "later"));
    }
    TreeMap<Long, ChainHead> heads = new TreeMap<>();
    List<Message> replies = new ArrayList<>();
    List<Long> sealed = new ArrayList<>();
    for (Blob blob : append.records()) {
      if (!(RecordCodec.decodeStored(capsule.name, blob.bytes())
          instanceof Decoded.Accepted<SignedHeader>(SignedHeader record))) {
        return List.of(new Message.Refused(append.request(), Refusal.INVALID, 0, 0, "rubbish"));
      }
      long writer = record.header().writer();
      long sequence = record.header().sequence();
      if (lie == Lie.HOLDS_NOTHING) {
        heads.put(writer, new ChainHead(sequence, record.hash()));
        continue;
      }
      List<SignedHeader> chain = chains.computeIfAbsent(writer, w -> new ArrayList<>());
      SealState seal = seals.getOrDefault(writer, SealState.OPEN);
      if (sequence > seal.limit()) {
        replies.add(
            new Message.Refused(append.request(), Refusal.SEALED, writer, sequence, "sealed"));
        break;
      }
      if (sequence > chain.size() + 1L) {
        replies.add(
            new Message.Refused(
                append.request(), Refusal.GAP, writer, chain.size() + 1L, "missing"));
        break;
      }
      if (sequence == chain.size() + 1L) {
        chain.add(record);
        if (record.header().type() == RecordType.SEAL
            && SealOrderCodec.decode(((CapsuleRecord) record).payload())
                instanceof Decoded.Accepted<SealOrder>(SealOrder order)) {
          obey(order, writer);
          sealed.add(order.writer());
        }
      }
      heads.put(writer, head(writer));
    }
    if (!heads.isEmpty()) {
      List<Statement.Entry> entries = new ArrayList<>();
      heads.forEach((writer, head) -> entries.add(entry(writer, head)));
      replies.add(
          new Message.Held(append.request(), state(Statement.Kind.HELD, Hash32.ZERO, entries)));
    }
    for (long writer : sealed) {
      replies.add(
          new Message.Sealed(
              append.request(),
              state(Statement.Kind.SEALED, Hash32.ZERO, List.of(entry(writer, head(writer))))));
    }
    return replies;
  }

  private void obey(SealOrder order, long sealer) {
    Ballot ballot = new Ballot(order.term(), sealer);
    SealState now = seals.getOrDefault(order.writer(), SealState.OPEN);
    if (ballot.compareTo(now.promised()) < 0) {
      return;
    }
    if (order.kind() == SealOrder.Kind.PREPARE) {
      seals.put(
          order.writer(),
          new SealState(
              ballot,
              now.isSealed() ? now.head() : head(order.writer()),
              now.accepted(),
              now.last()));
    } else {
      seals.put(
          order.writer(),
          new SealState(
              ballot, now.isSealed() ? now.head() : head(order.writer()), ballot, order.last()));
      List<SignedHeader> chain = chains.get(order.writer());
      while (chain != null && chain.size() > order.last().sequence()) {
        chain.removeLast();
      }
    }
  }

  SealState seal(long writer) {
    return seals.getOrDefault(writer, SealState.OPEN);
  }

  private ChainHead head(long writer) {
    List<SignedHeader> chain = chains.get(writer);
    return chain == null || chain.isEmpty()
        ? ChainHead.NONE
        : new ChainHead(chain.size(), chain.getLast().hash());
  }

  private Statement.Entry entry(long writer, ChainHead head) {
    ChainHead said =
        switch (lie) {
          case WRONG_HASH -> head.sequence() == 0 ? head : new ChainHead(head.sequence(), odd());
          case BEYOND -> new ChainHead(head.sequence() + 5, odd());
          case EQUIVOCATES ->
              head.sequence() < 2 || number % 2 == 0
                  ? head
                  : new ChainHead(
                      head.sequence() / 2,
                      chains.get(writer).get((int) head.sequence() / 2 - 1).hash());
          default -> head;
        };
    return new Statement.Entry(writer, said, seals.getOrDefault(writer, SealState.OPEN));
  }

  private static Hash32 odd() {
    byte[] bytes = new byte[Hash32.BYTES];
    bytes[3] = 3;
    return Hash32.of(bytes);
  }

  private SignedStatement frontier(Hash32 nonce) {
    List<Statement.Entry> entries = new ArrayList<>();
    if (lie != Lie.HOLDS_NOTHING) {
      chains.keySet().forEach(writer -> entries.add(entry(writer, head(writer))));
    }
    return state(Statement.Kind.FRONTIER, nonce, entries);
  }

  private SignedStatement state(Statement.Kind kind, Hash32 nonce, List<Statement.Entry> entries) {
    number++;
    Statement said =
        new Statement(
            kind,
            lie == Lie.OTHER_CAPSULE
                ? new io.capsuledb.core.capsule.CapsuleName(odd())
                : capsule.name,
            key,
            lie == Lie.SECRET_MEMBERSHIP ? 1000 : membership,
            incarnation,
            number,
            nonce,
            entries);
    SignedStatement signed =
        StatementCodec.encode(
            said,
            digest ->
                SampleCapsule.CURVE.sign(digest, lie == Lie.OTHER_KEY ? secret(77_777) : secret));
    if (first == null || lie != Lie.REPLAYS) {
      first = first == null ? signed : first;
      return signed;
    }
    return first;
  }

  private List<Blob> byHash(Message.ReadHash read) {
    if (lie == Lie.DENIES_RECORDS) {
      return List.of();
    }
    for (List<SignedHeader> chain : chains.values()) {
      for (SignedHeader record : chain) {
        if (record.hash().equals(read.hash()) != (lie == Lie.FORGED_RECORDS)) {
          return List.of(Blob.of(record.bytes()));
        }
      }
    }
    return List.of();
  }

  private List<Blob> range(Message.ReadRange read) {
    List<SignedHeader> chain = chains.getOrDefault(read.writer(), List.of());
    List<Blob> records = new ArrayList<>();
    long bytes = 0;
    for (long s = read.fromSequence();
        s <= Math.min(read.toSequence(), chain.size()) && lie != Lie.DENIES_RECORDS;
        s++) {
      byte[] record = chain.get((int) s - 1).bytes();
      if (lie == Lie.FORGED_RECORDS) {
        record = record.clone();
        record[record.length / 2] ^= 1;
      }
      bytes += record.length;
      if (!records.isEmpty() && bytes > read.maxBytes()) {
        break;
      }
      records.add(Blob.of(record));
    }
    return records;
  }
}
