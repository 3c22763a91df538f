package io.capsuledb.host.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Who gets what from a leader, and who does not. */
class LeaderCoreTest {

  private static final Octets PROGRAM = Octets.ofHex("77".repeat(32));
  private static final Place PLACE = new Place(List.of("127.0.0.1:1"), List.of());
  private static final PolicyText POLICY = new PolicyText("good", List.of());

  private final Random random = new Random(5);
  private final Entropy entropy = random::nextBytes;
  private final LeaderCore leader = new LeaderCore(entropy);
  private final List<LeaderOutput> heard = new ArrayList<>();
  private long channels;

  /** Another end whose evidence the policy "good" accepts if its code is good. */
  private record End(Octets binding, boolean attested, String measurement)
      implements LeaderInput.Peer {
    @Override
    public Decoded<Boolean> judge(PolicyText policy) {
      return measurement.equals(policy.toml())
          ? Decoded.accept(true)
          : Decoded.reject(Rejection.Reason.SIGNATURE, "identity: " + measurement);
    }

    @Override
    public String remote() {
      return "there";
    }
  }

  private final class Owner {
    private final KeyTree keys;
    private final byte[] metadata;
    private final CapsuleName capsule;

    Owner(int seed) {
      byte[] bytes = new byte[32];
      bytes[0] = (byte) seed;
      keys = KeyTree.fromSeed(SecretBytes.own(bytes));
      metadata = NewCapsule.sign(keys, 0, List.of(), 0, entropy);
      capsule = MetadataCodec.nameOf(metadata);
    }

    long connect() {
      Octets binding = Octets.ofHex("%064x".formatted(channels + 1));
      long channel = open(new End(binding, false, ""));
      assertThat(
              ask(
                  channel,
                  new Prove(
                      keys.ownerPublicKey(),
                      Octets.own(keys.signAsOwner(LeaderCore.ownerDigest(binding))))))
          .isEqualTo(new Done());
      return channel;
    }

    LaunchMessage openApplication(long channel) {
      return openApplication(channel, 0, 0);
    }

    /** Opens it with a key of some generation, where the capsule's own is another perhaps. */
    LaunchMessage openApplication(long channel, int generation, int inForce) {
      try (ApplicationKey key = keys.application(0, generation);
          SecretBytes extended = key.extendedPrivateKey()) {
        LaunchMessage answer =
            ask(
                channel,
                new OpenApplication(
                    Octets.copyOf(metadata),
                    0,
                    SecretBytes.copyOf(extended.expose()),
                    certificate(key),
                    PLACE,
                    POLICY));
        if (answer != null) {
          return answer;
        }
        LeaderOutput.Look look = output(LeaderOutput.Look.class);
        assertThat(look.key().publicKey()).isEqualTo(key.publicKey());
        step(
            new LeaderInput.Found(
                look.ticket(),
                new CapsuleAccess.Generations(
                    inForce, inForce, generation == inForce ? roots(inForce) : List.of()),
                ""));
        return said(channel);
      }
    }

    List<DataRoot> roots(int newest) {
      List<DataRoot> roots = new ArrayList<>();
      for (int generation = 0; generation <= newest; generation++) {
        try (ApplicationKey key = keys.application(0, generation)) {
          roots.add(key.dataRoot(capsule.toBytes()));
        }
      }
      return roots;
    }

    LaunchMessage rotate(long channel, int generation) {
      try (ApplicationKey key = keys.application(0, generation);
          SecretBytes extended = key.extendedPrivateKey()) {
        return ask(
            channel,
            new RotateKeys(capsule, SecretBytes.copyOf(extended.expose()), certificate(key)));
      }
    }

    LaunchMessage start(long channel, Octets job, int shares) {
      return ask(
          channel,
          new StartJob(
              capsule,
              job,
              SecretBytes.own(new byte[32]),
              PROGRAM,
              Octets.own(ResultBox.newKey().getPublic().getEncoded()),
              shares,
              List.of("a"),
              1000));
    }
  }

  private static Octets certificate(ApplicationKey key) {
    GenerationCertificate owners = key.certificate();
    if (key.generation() == 0 || owners == null) {
      return Octets.EMPTY;
    }
    byte[] bytes = new byte[GenerationCertificate.BYTES];
    owners.copyTo(bytes, 0);
    return Octets.own(bytes);
  }

  private <T> T output(Class<T> kind) {
    return heard.stream().filter(kind::isInstance).map(kind::cast).findFirst().orElseThrow();
  }

  private long open(LeaderInput.Peer peer) {
    channels++;
    step(new LeaderInput.Opened(channels, peer));
    return channels;
  }

  private long worker(String measurement) {
    return open(new End(Octets.ofHex("99".repeat(32)), true, measurement));
  }

  private void step(LeaderInput input) {
    heard.clear();
    heard.addAll(leader.step(input));
  }

  private LaunchMessage ask(long channel, LaunchMessage message) {
    step(new LeaderInput.Said(channel, message));
    return said(channel);
  }

  private LaunchMessage said(long channel) {
    return heard.stream()
        .filter(LeaderOutput.Say.class::isInstance)
        .map(LeaderOutput.Say.class::cast)
        .filter(say -> say.channel() == channel)
        .map(LeaderOutput.Say::message)
        .findFirst()
        .orElse(null);
  }

  private static Octets job(int number) {
    return Octets.ofHex("%032x".formatted(number));
  }

  private JobReport report(long client, Octets job) {
    return (JobReport) ask(client, new AskJob(job, 0));
  }

  private static ShareResult good() {
    return new ShareResult(
        true, Octets.ofHex("01"), Octets.ofHex("02"), Octets.ofHex("03".repeat(64)));
  }

  @Test
  void onlyTheOwnerOpensAnApplicationAndOnlyWithItsKey() {
    Owner alice = new Owner(1);
    Owner bob = new Owner(2);
    long stranger = open(new End(Octets.ofHex("11".repeat(32)), false, ""));
    assertThat(alice.openApplication(stranger)).isInstanceOf(Refused.class);
    // A signature made for another channel.
    ask(
        stranger,
        new Prove(
            alice.keys.ownerPublicKey(),
            Octets.own(
                alice.keys.signAsOwner(LeaderCore.ownerDigest(Octets.ofHex("22".repeat(32)))))));
    assertThat(heard).anyMatch(LeaderOutput.Close.class::isInstance);
    long bobs = bob.connect();
    assertThat(alice.openApplication(bobs)).isInstanceOf(Refused.class);
    long alices = alice.connect();
    try (ApplicationKey other = alice.keys.application(1, 0);
        SecretBytes extended = other.extendedPrivateKey()) {
      assertThat(
              ask(
                  alices,
                  new OpenApplication(
                      Octets.copyOf(alice.metadata),
                      1,
                      SecretBytes.copyOf(extended.expose()),
                      Octets.EMPTY,
                      PLACE,
                      POLICY)))
          .isInstanceOf(Refused.class);
    }
    assertThat(alice.openApplication(alices)).isEqualTo(new Opened(0, 0));
  }

  @Test
  void anAttestedWorkerGetsAShareAndNeverTheApplicationKey() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    assertThat(alice.start(client, job(1), 2)).isEqualTo(new Done());
    long worker = worker("good");
    Grant grant = (Grant) ask(worker, new Take(job(1), PROGRAM));
    assertThat(grant.share()).isZero();
    assertThat(grant.shares()).isEqualTo(2);
    try (ApplicationKey key = alice.keys.application(0, 0);
        SecretBytes extended = key.extendedPrivateKey();
        DataRoot root = key.dataRoot(alice.capsule.toBytes())) {
      assertThat(grant.membership().roots().getFirst()).isEqualTo(root.reveal());
      byte[] privateKey = java.util.Arrays.copyOfRange(extended.expose(), 46, 78);
      assertThat(Octets.own(LaunchCodec.encode(grant)).hex())
          .doesNotContain(Octets.own(privateKey).hex());
      GiveWriter given =
          (GiveWriter) ask(worker, new WantWriter(7, alice.capsule, RosterEntry.Role.WORKER));
      assertThat(given.request()).isEqualTo(7);
      CapsuleMetadata metadata = MetadataCodec.decode(alice.metadata, Secp256k1.best()).orThrow();
      RosterEntry entry =
          RosterCodec.decode(alice.capsule, given.roster().toArray(), metadata, Secp256k1.best())
              .orThrow()
              .getFirst();
      assertThat(entry.role()).isEqualTo(RosterEntry.Role.WORKER);
      assertThat(Secp256k1.best().publicKey(given.key())).isEqualTo(entry.key());
      assertThat(key.writerPublicKey(entry.writer())).isEqualTo(entry.key());
    }
    // One share a channel; the other share goes to another one, and then there is none.
    assertThat(ask(worker, new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
    assertThat(((Grant) ask(worker("good"), new Take(job(1), PROGRAM))).share()).isEqualTo(1);
    assertThat(ask(worker("good"), new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
    assertThat(ask(worker, new Finished(good()))).isInstanceOf(Reset.class);
    assertThat(report(client, job(1)).shares().getFirst().state()).isEqualTo(ShareState.DONE);
    // What it had is over with the share.
    assertThat(ask(worker, new WantWriter(8, alice.capsule, RosterEntry.Role.WORKER)))
        .isInstanceOf(NoWriter.class);
  }

  @Test
  void codeThatThePolicyDoesNotNameIsRefusedAndNamed() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 1);
    NotNow answer = (NotNow) ask(worker("tampered"), new Take(job(1), PROGRAM));
    assertThat(answer.reason()).contains("tampered");
    assertThat(report(client, job(1)).refusals())
        .singleElement()
        .asString()
        .contains("worker tampered");
    // Those who do not get so far as to open a channel, too, to whoever waits for workers.
    step(new LeaderInput.Refused("evidence of a backdoor " + "x".repeat(5000)));
    assertThat(report(client, job(1)).refusals())
        .hasSize(2)
        .last()
        .asString()
        .contains("backdoor")
        .hasSize(LaunchMessage.MAX_LINE);
    long naked = open(new End(Octets.EMPTY, false, "good"));
    assertThat(ask(naked, new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
    assertThat(report(client, job(1)).shares().getFirst().state()).isEqualTo(ShareState.WAITING);
  }

  @Test
  void aSchedulerThatSwapsReplaysOrDropsProgramsMakesNoWrongResult() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 1);
    alice.start(client, job(2), 1);
    // Swapped: the program of another job, or its own.
    assertThat(ask(worker("good"), new Take(job(1), Octets.ofHex("88".repeat(32)))))
        .isInstanceOf(NotNow.class);
    long worker = worker("good");
    ask(worker, new Take(job(1), PROGRAM));
    // Given to two at once.
    assertThat(ask(worker("good"), new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
    ask(worker, new Finished(good()));
    // Replayed when it is over; invented.
    assertThat(ask(worker("good"), new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
    assertThat(ask(worker("good"), new Take(job(3), PROGRAM))).isInstanceOf(NotNow.class);
    // Dropped: it waits, and that is all.
    assertThat(report(client, job(2)).shares().getFirst().state()).isEqualTo(ShareState.WAITING);
  }

  @Test
  void aLostWorkersShareGoesToAnotherOneAndNotForEver() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 1);
    for (int attempt = 1; attempt <= LeaderCore.MAX_ATTEMPTS; attempt++) {
      long worker = worker("good");
      assertThat(ask(worker, new Take(job(1), PROGRAM))).isInstanceOf(Grant.class);
      ask(worker, new Printed(List.of("line")));
      step(new LeaderInput.Closed(worker, "killed"));
      // Too late.
      ask(worker, new Finished(good()));
    }
    ShareReport share = report(client, job(1)).shares().getFirst();
    assertThat(share.state()).isEqualTo(ShareState.FAILED);
    assertThat(share.attempts()).isEqualTo(LeaderCore.MAX_ATTEMPTS);
    assertThat(report(client, job(1)).lines())
        .hasSize(2 * LeaderCore.MAX_ATTEMPTS)
        .anyMatch(line -> line.text().contains("lost"));
  }

  @Test
  void applicationsKnowNothingOfEachOther() {
    Owner alice = new Owner(1);
    Owner bob = new Owner(2);
    long alices = alice.connect();
    long bobs = bob.connect();
    alice.openApplication(alices);
    bob.openApplication(bobs);
    alice.start(alices, job(1), 1);
    assertThat(ask(bobs, new AskJob(job(1), 0))).isInstanceOf(Refused.class);
    assertThat(ask(bobs, new StopJob(job(1)))).isInstanceOf(Refused.class);
    assertThat(ask(bobs, new ResetApplication(alice.capsule))).isInstanceOf(Refused.class);
    assertThat(alice.start(bobs, job(2), 1)).isInstanceOf(Refused.class);
    long worker = worker("good");
    ask(worker, new Take(job(1), PROGRAM));
    assertThat(ask(worker, new WantWriter(1, bob.capsule, RosterEntry.Role.WORKER)))
        .isInstanceOf(NoWriter.class);
  }

  @Test
  void resetReachesEveryWorkerAndTheKeysAreGone() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 2);
    long one = worker("good");
    long two = worker("good");
    ask(one, new Take(job(1), PROGRAM));
    ask(two, new Take(job(1), PROGRAM));
    assertThat(ask(client, new ResetApplication(alice.capsule))).isEqualTo(new Done());
    assertThat(said(one)).isInstanceOf(Reset.class);
    assertThat(said(two)).isInstanceOf(Reset.class);
    assertThat(ask(one, new WantWriter(1, alice.capsule, RosterEntry.Role.WORKER)))
        .isInstanceOf(NoWriter.class);
    assertThat(ask(client, new AskJob(job(1), 0))).isInstanceOf(Refused.class);
    assertThat(ask(worker("good"), new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
  }

  @Test
  void resetEndsARotationThatIsUnderWay() {
    Owner alice = new Owner(1);
    for (boolean begun : new boolean[] {false, true}) {
      long client = alice.connect();
      alice.openApplication(client);
      alice.start(client, job(begun ? 1 : 2), 1);
      long worker = worker("good");
      ask(worker, new Take(job(begun ? 1 : 2), PROGRAM));
      alice.rotate(client, 1);
      long ticket = output(LeaderOutput.Wait.class).ticket();
      if (begun) {
        ask(worker, new Paused());
        assertThat(output(LeaderOutput.Rotate.class).ticket()).isEqualTo(ticket);
      }
      assertThat(ask(client, new ResetApplication(alice.capsule))).isEqualTo(new Done());
      step(new LeaderInput.Waited(ticket));
      assertThat(heard).isEmpty();
      List<DataRoot> roots = alice.roots(1);
      step(new LeaderInput.Found(ticket, new CapsuleAccess.Generations(1, 1, roots), ""));
      assertThat(heard).isEmpty();
      if (begun) {
        // What came too late is cleared.
        assertThatIllegalStateException().isThrownBy(() -> roots.getFirst().reveal());
      }
    }
  }

  @Test
  void whatWasAskedBeforeAResetOpensNothingAfterIt() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    long other = alice.connect();
    Octets metadata = Octets.copyOf(alice.metadata);
    try (ApplicationKey key = alice.keys.application(0, 0);
        SecretBytes extended = key.extendedPrivateKey()) {
      SecretBytes copy = SecretBytes.copyOf(extended.expose());
      step(
          new LeaderInput.Said(
              other, new OpenApplication(metadata, 0, copy, Octets.EMPTY, PLACE, POLICY)));
    }
    long ticket = output(LeaderOutput.Look.class).ticket();
    assertThat(alice.openApplication(client)).isEqualTo(new Opened(0, 0));
    assertThat(ask(client, new ResetApplication(alice.capsule))).isEqualTo(new Done());
    assertThat(said(other)).isInstanceOf(Refused.class);
    step(new LeaderInput.Found(ticket, new CapsuleAccess.Generations(0, 0, alice.roots(0)), ""));
    assertThat(heard).isEmpty();
    assertThat(alice.start(client, job(1), 1)).isInstanceOf(Refused.class);
  }

  @Test
  void aCoordinatorThatWasResetAttestsAnew() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    long coordinator = worker("good");
    ask(coordinator, new Serve());
    assertThat(said(coordinator)).isInstanceOf(Membership.class);
    assertThat(ask(client, new ResetApplication(alice.capsule))).isEqualTo(new Done());
    assertThat(said(coordinator)).isInstanceOf(Reset.class);
    assertThat(alice.openApplication(client)).isEqualTo(new Opened(0, 0));
    assertThat(said(coordinator)).isNull();
    long again = worker("good");
    ask(again, new Serve());
    assertThat(said(again)).isInstanceOf(Membership.class);
  }

  @Test
  void whoseJobIsStoppedGetsNothingMore() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 1);
    long worker = worker("good");
    ask(worker, new Take(job(1), PROGRAM));
    assertThat(ask(client, new StopJob(job(1)))).isEqualTo(new Done());
    assertThat(said(worker)).isInstanceOf(Reset.class);
    assertThat(ask(worker, new WantWriter(1, alice.capsule, RosterEntry.Role.WORKER)))
        .isInstanceOf(NoWriter.class);
    // Nor is it waited for.
    assertThat(alice.rotate(client, 1)).isNull();
    assertThat(output(LeaderOutput.Rotate.class).next().generation()).isEqualTo(1);
  }

  @Test
  void aCoordinatorIsAppointedWhenTheWorkerThatWasItIsDone() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 1);
    long worker = worker("good");
    ask(worker, new Take(job(1), PROGRAM));
    WantWriter want = new WantWriter(1, alice.capsule, RosterEntry.Role.COORDINATOR);
    assertThat(ask(worker, want)).isInstanceOf(GiveWriter.class);
    long next = worker("good");
    ask(next, new Serve());
    assertThat(said(next)).isNull();
    ask(worker, new Finished(good()));
    assertThat(said(next)).isInstanceOf(Membership.class);
  }

  @Test
  void thereIsOneCoordinatorAtATime() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    long tampered = worker("tampered");
    ask(tampered, new Serve());
    long coordinator = worker("good");
    ask(coordinator, new Serve());
    assertThat(heard).isEmpty();
    alice.openApplication(client);
    assertThat(said(coordinator)).isInstanceOf(Membership.class);
    assertThat(said(tampered)).isNull();
    alice.start(client, job(1), 1);
    long worker = worker("good");
    ask(worker, new Take(job(1), PROGRAM));
    WantWriter want = new WantWriter(1, alice.capsule, RosterEntry.Role.COORDINATOR);
    assertThat(ask(worker, want)).isInstanceOf(NoWriter.class);
    assertThat(ask(coordinator, want)).isInstanceOf(GiveWriter.class);
    step(new LeaderInput.Closed(coordinator, "killed"));
    assertThat(ask(worker, want)).isInstanceOf(GiveWriter.class);
    // The next one who offers itself has to wait for that worker's end.
    long next = worker("good");
    ask(next, new Serve());
    assertThat(said(next)).isNull();
    step(new LeaderInput.Closed(worker, "done"));
    assertThat(said(next)).isInstanceOf(Membership.class);
  }

  @Test
  void rotationWaitsForMembersAndGivesThemTheNewGeneration() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 3);
    long one = worker("good");
    long two = worker("good");
    ask(one, new Take(job(1), PROGRAM));
    ask(two, new Take(job(1), PROGRAM));
    assertThat(alice.rotate(client, 2)).isInstanceOf(Refused.class);
    assertThat(alice.rotate(client, 1)).isNull();
    assertThat(said(one)).isEqualTo(new Pause());
    assertThat(said(two)).isEqualTo(new Pause());
    LeaderOutput.Wait wait = output(LeaderOutput.Wait.class);
    // Meanwhile nobody is let in, and nobody else rotates.
    assertThat(ask(worker("good"), new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
    assertThat(ask(one, new WantWriter(1, alice.capsule, RosterEntry.Role.WORKER)))
        .isInstanceOf(NoWriter.class);
    assertThat(alice.rotate(client, 1)).isInstanceOf(Refused.class);
    assertThat(ask(one, new Paused())).isNull();
    assertThat(heard).noneMatch(LeaderOutput.Rotate.class::isInstance);
    // One of them says nothing: its time runs out.
    step(new LeaderInput.Waited(wait.ticket()));
    LeaderOutput.Rotate rotate = output(LeaderOutput.Rotate.class);
    assertThat(rotate.current().generation()).isZero();
    assertThat(rotate.next().generation()).isEqualTo(1);
    assertThat(ask(two, new Paused())).isNull();
    step(
        new LeaderInput.Found(
            rotate.ticket(), new CapsuleAccess.Generations(1, 1, alice.roots(1)), ""));
    assertThat(said(client)).isEqualTo(new Opened(1, 1));
    for (long worker : List.of(one, two)) {
      Membership membership = (Membership) said(worker);
      assertThat(membership.roots()).hasSize(2);
    }
    GiveWriter given =
        (GiveWriter) ask(one, new WantWriter(2, alice.capsule, RosterEntry.Role.WORKER));
    CapsuleMetadata metadata = MetadataCodec.decode(alice.metadata, Secp256k1.best()).orThrow();
    assertThat(
            RosterCodec.decode(alice.capsule, given.roster().toArray(), metadata, Secp256k1.best())
                .orThrow()
                .getFirst()
                .generation())
        .isEqualTo(1);
    // Who was sealed for another reason gets back in at once.
    assertThat(ask(two, new Paused())).isInstanceOf(Membership.class);
    assertThat(alice.openApplication(alice.connect())).isEqualTo(new Opened(1, 1));
  }

  @Test
  void aRotationThatFailedIsCarriedOutBeforeAnybodyJoins() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    alice.openApplication(client);
    alice.start(client, job(1), 1);
    alice.rotate(client, 1);
    step(new LeaderInput.Found(output(LeaderOutput.Rotate.class).ticket(), null, "no quorum"));
    assertThat(((Refused) said(client)).reason()).contains("no quorum");
    assertThat(ask(worker("good"), new Take(job(1), PROGRAM))).isInstanceOf(NotNow.class);
    assertThat(alice.openApplication(client)).isEqualTo(new Opened(0, 1));
    alice.rotate(client, 1);
    step(
        new LeaderInput.Found(
            output(LeaderOutput.Rotate.class).ticket(),
            new CapsuleAccess.Generations(1, 1, alice.roots(1)),
            ""));
    assertThat(said(client)).isEqualTo(new Opened(1, 1));
    assertThat(ask(worker("good"), new Take(job(1), PROGRAM))).isInstanceOf(Grant.class);
  }

  @Test
  void aNewLeaderLearnsTheGenerationFromTheCapsuleAndTheKeysFromTheOwner() {
    Owner alice = new Owner(1);
    long client = alice.connect();
    // The owner's first guess is generation 0; the capsule is in its third.
    assertThat(alice.openApplication(client, 0, 2)).isEqualTo(new Opened(2, 2));
    assertThat(alice.start(client, job(1), 1)).isInstanceOf(Refused.class);
    assertThat(alice.openApplication(client, 2, 2)).isEqualTo(new Opened(2, 2));
    alice.start(client, job(1), 1);
    Grant grant = (Grant) ask(worker("good"), new Take(job(1), PROGRAM));
    assertThat(grant.membership().roots()).hasSize(3);
    // Somebody else's certificate is none.
    Owner mallory = new Owner(3);
    try (ApplicationKey key = mallory.keys.application(0, 3);
        SecretBytes extended = key.extendedPrivateKey()) {
      assertThat(
              ask(
                  client,
                  new RotateKeys(
                      alice.capsule, SecretBytes.copyOf(extended.expose()), certificate(key))))
          .isInstanceOf(Refused.class);
    }
  }
}
