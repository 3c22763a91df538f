package io.capsuledb.replication.replica;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.EvidenceCodec;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import io.capsuledb.replication.protocol.MembershipCodec;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import io.capsuledb.replication.sim.SimReplicaDisk;
import io.capsuledb.replication.sim.SimReplicaLog;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** One replica, message by message. */
class ReplicaCoreTest {

  private static final long CLIENT = 7;
  private static final long PEER = 8;

  private static ReplicaIdentity identity(long seed) {
    byte[] key = new byte[32];
    new SimEntropy(seed).fill(key);
    key[0] &= 0x7f;
    return new ReplicaIdentity(SampleCapsule.CURVE, SecretBytes.own(key));
  }

  private final ReplicaIdentity identity = identity(1);
  private final ReplicaIdentity peer = identity(2);
  private final ReplicaIdentity third = identity(3);
  private final SampleCapsule capsule =
      new SampleCapsule(5, List.of(identity.key(), peer.key(), third.key()), 2);
  private final SimReplicaDisk disk = new SimReplicaDisk(9);
  private final List<Message> sent = new ArrayList<>();
  private final List<Message> sentToPeer = new ArrayList<>();
  private SimReplicaLog log;
  private ReplicaCore core;
  private ReplicaReader reader;
  private ReplicaLog.Batch committing;
  private long now = 1;
  private long requests;

  ReplicaCoreTest() {
    open();
    ask(new Message.Found(++requests, capsule.name, Blob.of(capsule.signedMetadata)));
    assertThat(last()).isInstanceOf(Message.Done.class);
    join();
  }

  /** The peer says that it is new to the capsule too. */
  private void join() {
    sentToPeer.clear();
    tick(20);
    for (Message message : List.copyOf(sentToPeer)) {
      if (message instanceof Message.AskFrontier ask) {
        give(PEER, new Message.Refused(ask.request(), Refusal.JOINING, 0, 0, "joining"));
      }
    }
    tick(20);
    tick(20);
    assertThat(core.capsule(capsule.name).isJoining()).isFalse();
  }

  private void open() {
    log = disk.open();
    core =
        new ReplicaCore(
            ReplicaOptions.builder().gossipMs(10).build(),
            identity,
            SampleCapsule.CURVE,
            log,
            new ReplicaOutbox() {
              @Override
              public void send(long link, Message message) {
                (link == PEER ? sentToPeer : sent).add(message);
              }

              @Override
              public void commit(ReplicaLog.Batch batch) {
                assertThat(committing).isNull();
                committing = batch;
              }

              @Override
              public void answer(long link, Message.Request read) {
                send(link, reader.answer(read));
              }
            },
            Telemetry.NONE,
            3);
    reader = new ReplicaReader(log, core::damaged);
    core.up(CLIENT, identity(99).key());
    core.up(PEER, peer.key());
    core.endStep();
    commitAll();
  }

  private void commitAll() {
    while (committing != null) {
      ReplicaLog.Batch batch = committing;
      committing = null;
      CapsuleException failed = null;
      try {
        log.commit(batch);
      } catch (CapsuleException e) {
        failed = e;
      }
      core.committed(failed);
      core.endStep();
    }
  }

  private void ask(Message message) {
    give(CLIENT, message);
    commitAll();
  }

  private void give(long link, Message message) {
    core.receive(now, link, message);
    core.endStep();
  }

  private Message last() {
    return sent.getLast();
  }

  private void append(CapsuleRecord... records) {
    ask(
        new Message.Append(
            ++requests,
            capsule.name,
            Arrays.stream(records).map(r -> Blob.of(r.bytes())).toList()));
  }

  private long heldHead(long writer) {
    ask(new Message.AskFrontier(++requests, capsule.name, Hash32.ZERO));
    Statement.Entry entry = ((Message.Frontier) last()).statement().statement().entry(writer);
    return entry == null ? 0 : entry.head().sequence();
  }

  private Message.Refused refused(Refusal code) {
    Message.Refused refused =
        sent.stream()
            .filter(Message.Refused.class::isInstance)
            .map(Message.Refused.class::cast)
            .toList()
            .getLast();
    assertThat(refused.code()).isEqualTo(code);
    return refused;
  }

  private void tick(long ms) {
    now += ms * 1_000_000;
    core.tick(now);
    core.endStep();
    commitAll();
  }

  // ------------------------------------------------------------------ appending

  @Test
  void saysNothingBeforeItHoldsWhatTheOthersDo() {
    SampleCapsule.Chain chain = capsule.chain(77, Role.COMPACTOR);
    CapsuleRecord first = chain.first();
    CapsuleRecord second = chain.next(RecordType.BLOCK, new byte[50]);
    append(first, second);
    log.close();
    disk.wipe();
    open();
    ask(new Message.Found(++requests, capsule.name, Blob.of(capsule.signedMetadata)));
    append(first);
    refused(Refusal.JOINING);
    ask(new Message.AskFrontier(++requests, capsule.name, Hash32.ZERO));
    refused(Refusal.JOINING);
    // One other replica is not enough: what is durable may be at the third, and was here.
    heal(Blob.of(second.bytes()), Blob.of(chain.next(RecordType.BLOCK, new byte[50]).bytes()));
    ask(new Message.AskFrontier(++requests, capsule.name, Hash32.ZERO));
    refused(Refusal.JOINING);
    core.up(9, third.key());
    sent.clear();
    tick(20);
    Message.AskFrontier ask =
        sent.stream()
            .filter(Message.AskFrontier.class::isInstance)
            .map(Message.AskFrontier.class::cast)
            .toList()
            .getFirst();
    give(9, frontier(third, ask.nonce(), ask.request(), 2, second.hash()));
    tick(20);
    assertThat(heldHead(77)).isEqualTo(3);
  }

  /** It may be in the membership of now, have held what is durable, and have lost its disk. */
  @Test
  void whoTheFoundingMembershipDoesNotNameSaysNothingBeforeItKnowsTheOneThatDoes() {
    SampleCapsule founded =
        new SampleCapsule(6, List.of(peer.key(), third.key(), identity(4).key()), 2);
    ask(new Message.Found(++requests, founded.name, Blob.of(founded.signedMetadata)));
    tick(20);
    tick(20);
    ask(new Message.AskFrontier(++requests, founded.name, Hash32.ZERO));
    refused(Refusal.JOINING);
  }

  @Test
  void acknowledgesWhatIsDurableAndNothingElse() {
    SampleCapsule.Chain chain = capsule.chain(77, Role.WORKER);
    int before = sent.size();
    give(
        CLIENT,
        new Message.Append(++requests, capsule.name, List.of(Blob.of(chain.first().bytes()))));
    // The commit is under way: nothing has been said, and asked now it holds nothing.
    assertThat(sent).hasSize(before);
    give(CLIENT, new Message.AskFrontier(++requests, capsule.name, Hash32.ZERO));
    assertThat(((Message.Frontier) last()).statement().statement().entry(77).head().sequence())
        .isZero();
    commitAll();
    Message.Held held = (Message.Held) last();
    assertThat(held.statement().statement().entry(77).head().sequence()).isEqualTo(1);
    assertThat(held.statement().statement().replica()).isEqualTo(identity.key());
    assertThat(StatementCodec.verify(held.statement(), SampleCapsule.CURVE)).isTrue();
  }

  @Test
  void aCommitThatFailsIsAcknowledgedByNobody() {
    SampleCapsule.Chain chain = capsule.chain(77, Role.WORKER);
    append(chain.first());
    disk.onNextCommit(SimReplicaDisk.Fault.ERROR_BEFORE);
    append(chain.next(RecordType.DATA, new byte[20]));
    refused(Refusal.DAMAGED);
    append(chain.next(RecordType.DATA, new byte[20]));
    refused(Refusal.DAMAGED);
    assertThat(core.failure()).isNotNull();
    // What was durable before can still be asked for.
    assertThat(heldHead(77)).isEqualTo(1);
  }

  @Test
  void everySingleAlteredBitIsRefused() {
    SampleCapsule.Chain chain = capsule.chain(77, Role.WORKER);
    append(chain.first());
    byte[] bytes = chain.next(RecordType.DATA, new byte[24]).bytes();
    for (int bit = 0; bit < bytes.length * 8; bit++) {
      byte[] altered = bytes.clone();
      altered[bit / 8] ^= (byte) (1 << (bit % 8));
      int before = sent.size();
      ask(new Message.Append(++requests, capsule.name, List.of(Blob.of(altered))));
      assertThat(sent.subList(before, sent.size()))
          .as("bit %d", bit)
          .anyMatch(Message.Refused.class::isInstance);
      assertThat(core.capsule(capsule.name).chain(77).accepted.sequence()).isEqualTo(1);
    }
    ask(new Message.Append(++requests, capsule.name, List.of(Blob.of(bytes))));
    assertThat(heldHead(77)).isEqualTo(2);
  }

  @Test
  void whatComesTooEarlyIsParkedAndAcknowledgedLater() {
    SampleCapsule.Chain chain = capsule.chain(77, Role.WORKER);
    CapsuleRecord first = chain.first();
    CapsuleRecord second = chain.next(RecordType.DATA, new byte[20]);
    CapsuleRecord third = chain.next(RecordType.DATA, new byte[20]);
    append(first);
    append(chain.next(RecordType.DATA, new byte[20]));
    assertThat(refused(Refusal.GAP).sequence()).isEqualTo(2);
    append(third);
    append(second);
    Message.Held held = (Message.Held) last();
    assertThat(held.statement().statement().entry(77).head().sequence()).isEqualTo(4);
    assertThat(parked()).isZero();
  }

  private long parked() {
    return core.status().stream()
        .filter(counter -> counter.name().equals("records_parked"))
        .findFirst()
        .orElseThrow()
        .value();
  }

  @Test
  void whatIsParkedIsSignedAndNobodyTakesAllTheRoom() {
    SampleCapsule.Chain chain = capsule.chain(77, Role.WORKER);
    append(chain.first());
    CapsuleRecord second = chain.next(RecordType.DATA, new byte[20]);
    try (SampleCapsule.Chain forged =
        new SampleCapsule(5, List.of(identity.key(), peer.key()), 2).chain(77, Role.WORKER)) {
      forged.first();
      forged.next(RecordType.DATA, new byte[20]);
      append(forged.next(RecordType.DATA, new byte[20]));
      refused(Refusal.GAP);
      assertThat(parked()).isZero();
    }
    int share = Parking.MAX_RECORDS / Parking.LINK_PART;
    for (int i = 0; i < 2 * share; i++) {
      append(chain.next(RecordType.DATA, new byte[20]));
    }
    assertThat(parked()).isEqualTo(share);
    CapsuleRecord later = chain.next(RecordType.DATA, new byte[20]);
    give(PEER, new Message.Append(++requests, capsule.name, List.of(Blob.of(later.bytes()))));
    assertThat(parked()).isEqualTo(share + 1);
    core.down(CLIENT);
    assertThat(parked()).isEqualTo(1);
    core.up(CLIENT, identity(99).key());
    append(second);
    Message.Held held = (Message.Held) last();
    assertThat(held.statement().statement().entry(77).head().sequence()).isEqualTo(2);
  }

  @Test
  void sendingAgainChangesNothing() {
    SampleCapsule.Chain chain = capsule.chain(77, Role.WORKER);
    CapsuleRecord first = chain.first();
    CapsuleRecord second = chain.next(RecordType.DATA, new byte[20]);
    append(first, second);
    long commits = disk.commits();
    append(first, second);
    assertThat(((Message.Held) last()).statement().statement().entry(77).head().sequence())
        .isEqualTo(2);
    append(first);
    assertThat(disk.commits()).isEqualTo(commits);
  }

  @Test
  void oneCommitTakesWhatCameForAllCapsulesMeanwhile() {
    SampleCapsule other = new SampleCapsule(6, List.of(identity.key(), peer.key(), third.key()), 2);
    ask(new Message.Found(++requests, other.name, Blob.of(other.signedMetadata)));
    tick(1);
    SampleCapsule.Chain one = capsule.chain(77, Role.WORKER);
    SampleCapsule.Chain two = other.chain(78, Role.WORKER);
    long commits = disk.commits();
    give(
        CLIENT,
        new Message.Append(++requests, capsule.name, List.of(Blob.of(one.first().bytes()))));
    for (int i = 0; i < 10; i++) {
      give(
          CLIENT,
          new Message.Append(
              ++requests,
              i % 2 == 0 ? capsule.name : other.name,
              List.of(
                  Blob.of(
                      (i == 1
                              ? two.first()
                              : (i % 2 == 0 ? one : two).next(RecordType.DATA, new byte[16]))
                          .bytes()))));
    }
    commitAll();
    assertThat(disk.commits()).isEqualTo(commits + 2);
  }

  @Test
  void onlyThoseWhoMayWriteARecordOfItsType() {
    SampleCapsule.Chain worker = capsule.chain(77, Role.WORKER);
    append(worker.first(), worker.next(RecordType.SEAL, new byte[40]));
    refused(Refusal.INVALID);
    assertThat(heldHead(77)).isEqualTo(1);
    SampleCapsule.Chain leader = capsule.chain(78, Role.LEADER);
    append(leader.first(), leader.next(RecordType.BLOCK, new byte[40]));
    refused(Refusal.INVALID);
    assertThat(heldHead(78)).isEqualTo(1);
  }

  @Test
  void aWriterNobodyVouchesForIsRefused() {
    SampleCapsule stranger =
        new SampleCapsule(6, List.of(identity.key(), peer.key(), third.key()), 2);
    ask(
        new Message.Append(
            ++requests,
            capsule.name,
            List.of(Blob.of(stranger.chain(77, Role.WORKER).first().bytes()))));
    refused(Refusal.INVALID);
    assertThat(core.capsule(capsule.name).chains()).isEmpty();
  }

  @Test
  void twoRecordsAtOnePlaceAreProofAgainstTheirWriter() {
    SampleCapsule.Chain one = capsule.chain(77, Role.WORKER);
    SampleCapsule.Chain two = capsule.chain(77, Role.WORKER);
    append(one.first(), one.next(RecordType.DATA, new byte[20]));
    CapsuleRecord twin = two.first();
    CapsuleRecord other = two.next(RecordType.DATA, new byte[21]);
    append(twin, other);
    refused(Refusal.EQUIVOCATION);
    ask(new Message.AskEvidence(++requests, capsule.name));
    Blob proof = ((Message.Evidence) last()).proofs().getFirst();
    assertThat(
            EvidenceCodec.decode(
                    capsule.name,
                    proof.bytes(),
                    w -> w == 77 ? capsule.application.writerPublicKey(77) : null,
                    SampleCapsule.CURVE)
                .orThrow())
        .isNotNull();
    // The other replicas are told, until one has taken it.
    for (Refusal refusal : new Refusal[] {Refusal.BUSY, null}) {
      sentToPeer.clear();
      tick(20);
      tick(20);
      Message.Accuse accuse =
          sentToPeer.stream()
              .filter(Message.Accuse.class::isInstance)
              .map(Message.Accuse.class::cast)
              .findFirst()
              .orElseThrow();
      assertThat(accuse.evidence()).isEqualTo(proof);
      give(
          PEER,
          refusal == null
              ? new Message.Done(accuse.request())
              : new Message.Refused(accuse.request(), refusal, 0, 0, "later"));
    }
    sentToPeer.clear();
    tick(20);
    tick(20);
    assertThat(sentToPeer).noneMatch(Message.Accuse.class::isInstance);
    // It is kept over a restart, and nothing more is taken of that writer.
    log.close();
    open();
    append(one.next(RecordType.DATA, new byte[20]));
    refused(Refusal.EQUIVOCATION);
  }

  // ------------------------------------------------------------------ stubs

  @Test
  void aStubNobodyReleasedIsNotHeld() {
    SampleCapsule.Chain compactor = capsule.chain(77, Role.COMPACTOR);
    CapsuleRecord first = compactor.first();
    CapsuleRecord block = compactor.next(RecordType.BLOCK, new byte[50]);
    CapsuleRecord next = compactor.next(RecordType.BLOCK, new byte[50]);
    append(first);
    heal(Blob.of(RecordCodec.stub(block.bytes())), Blob.of(next.bytes()));
    assertThat(core.capsule(capsule.name).chain(77).durable.sequence()).isEqualTo(3);
    assertThat(heldHead(77)).isEqualTo(1);
    // Not after a restart either; and who has spoken need not hear the others first.
    log.close();
    open();
    assertThat(core.capsule(capsule.name).isJoining()).isFalse();
    tick(20);
    tick(20);
    assertThat(heldHead(77)).isEqualTo(1);
    // The CHECKPOINT that releases it makes it count.
    append(
        compactor.next(
            RecordType.CHECKPOINT,
            CheckpointCodec.encode(
                new Checkpoint(
                    Hash32.ZERO, Hash32.ZERO, 0, List.of(new Checkpoint.Range(77, 2, 2))))));
    assertThat(heldHead(77)).isEqualTo(4);
  }

  /** Lets the peer say that it holds the chain of writer 77 up to 3, and answer the pull. */
  private void heal(Blob... answer) {
    sentToPeer.clear();
    tick(20);
    Message.AskFrontier ask =
        (Message.AskFrontier)
            sentToPeer.stream()
                .filter(Message.AskFrontier.class::isInstance)
                .findFirst()
                .orElseThrow();
    SampleCapsule.Chain twin = capsule.chain(77, Role.COMPACTOR);
    CapsuleRecord last = twin.first();
    for (int i = 0; i < answer.length; i++) {
      last = twin.next(RecordType.BLOCK, new byte[50]);
    }
    give(PEER, frontier(peer, ask.nonce(), ask.request(), 3, last.hash()));
    Message.ReadRange pull =
        (Message.ReadRange)
            sentToPeer.stream()
                .filter(Message.ReadRange.class::isInstance)
                .findFirst()
                .orElseThrow();
    give(PEER, new Message.Records(pull.request(), List.of(answer)));
    commitAll();
  }

  private Message.Frontier frontier(
      ReplicaIdentity of, Hash32 nonce, long request, long sequence, Hash32 hash) {
    Statement frontier =
        new Statement(
            Statement.Kind.FRONTIER,
            capsule.name,
            of.key(),
            0,
            5,
            1,
            nonce,
            List.of(new Statement.Entry(77, new ChainHead(sequence, hash), SealState.OPEN)));
    return new Message.Frontier(request, StatementCodec.encode(frontier, of::sign));
  }

  @Test
  void payloadsGoOnlyWhenACheckpointHeldHereSaysSo() {
    SampleCapsule.Chain compactor = capsule.chain(77, Role.COMPACTOR);
    append(
        compactor.first(),
        compactor.next(RecordType.BLOCK, new byte[50]),
        compactor.next(RecordType.BLOCK, new byte[50]),
        compactor.next(
            RecordType.CHECKPOINT,
            CheckpointCodec.encode(
                new Checkpoint(
                    Hash32.ZERO, Hash32.ZERO, 0, List.of(new Checkpoint.Range(77, 2, 2))))));
    for (Message.Release wrong :
        List.of(release(4, 2, 3), release(4, 3, 3), release(3, 2, 2), release(5, 2, 2))) {
      ask(wrong);
      refused(Refusal.INVALID);
    }
    ask(release(4, 2, 2));
    assertThat(last()).isInstanceOf(Message.Done.class);
    tick(1);
    tick(1);
    assertThat(RecordCodec.isStub(log.read(capsule.name, 77, 2))).isTrue();
    assertThat(RecordCodec.isStub(log.read(capsule.name, 77, 3))).isFalse();
    assertThat(heldHead(77)).isEqualTo(4);
  }

  private Message.Release release(long checkpoint, long from, long to) {
    return new Message.Release(
        ++requests, capsule.name, 77, checkpoint, List.of(new Checkpoint.Range(77, from, to)));
  }

  // ------------------------------------------------------------------ membership

  @Test
  void aMembershipTakesEffectWhenItIsDurable() {
    PublicKey newcomer = identity(50).key();
    ReplicaSet old = new ReplicaSet(capsule.metadata.replicas(), 2);
    ReplicaSet fresh = new ReplicaSet(List.of(peer.key(), third.key(), newcomer), 2);
    byte[] joint =
        MembershipCodec.encode(
            new Membership(capsule.name, 1, capsule.name.hash(), fresh, old),
            capsule.owner::signAsOwner);
    byte[] alone =
        MembershipCodec.encode(
            new Membership(capsule.name, 2, MembershipCodec.hashOf(joint), fresh, ReplicaSet.EMPTY),
            capsule.owner::signAsOwner);
    ask(new Message.Install(++requests, capsule.name, Blob.of(alone)));
    refused(Refusal.STALE_MEMBERSHIP);
    ask(new Message.Install(++requests, capsule.name, Blob.of(joint)));
    assertThat(last()).isInstanceOf(Message.Done.class);
    ask(new Message.AskFrontier(++requests, capsule.name, Hash32.ZERO));
    assertThat(((Message.Frontier) last()).statement().statement().membership()).isEqualTo(1);
    ask(new Message.Install(++requests, capsule.name, Blob.of(alone)));
    // This replica is not named any more: it takes nothing, and answers what it is asked.
    append(capsule.chain(77, Role.WORKER).first());
    refused(Refusal.NOT_A_MEMBER);
    log.close();
    open();
    ask(new Message.Describe(++requests, capsule.name));
    assertThat(((Message.Described) last()).memberships())
        .containsExactly(Blob.of(joint), Blob.of(alone));
  }

  @Test
  void numbersOfStatementsGrowOverRestarts() {
    long before = 0;
    for (int i = 0; i < 4; i++) {
      byte[] nonce = new byte[32];
      LittleEndian.putLong(nonce, 0, i);
      ask(new Message.AskFrontier(++requests, capsule.name, Hash32.of(nonce)));
      Statement statement = ((Message.Frontier) last()).statement().statement();
      assertThat(statement.number()).isGreaterThan(before);
      before = statement.number();
      disk.powerCut();
      open();
    }
  }
}
