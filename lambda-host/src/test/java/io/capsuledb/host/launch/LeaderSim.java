package io.capsuledb.host.launch;

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
import io.capsuledb.core.sim.Coverage;
import io.capsuledb.core.sim.WorkBudget;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A real {@link LeaderCore} under one seeded scheduler with virtual time: owners who open
 * applications, start and stop jobs, rotate and reset; workers and coordinators that come and die,
 * some of them with other code than the policy names; a scheduler that swaps, repeats and invents
 * programs; a capsule that cannot always be reached. What is checked is written at {@link #say}: it
 * follows from what was said to whom, and from nothing that the leader keeps.
 */
final class LeaderSim {

  // Properties, as docs/testbed.md names them.
  static final String ONLY_FIT = "keys for fit enclaves only";
  static final String KEY_STAYS = "the application key stays with the leader";
  static final String ONE_SHARE = "one share, one worker";
  static final String RIGHT_PROGRAM = "no forged or foreign program";
  static final String GENERATIONS = "key-generation safety";
  static final String RESET = "RESET leaves nothing";
  static final String ONE_COORDINATOR = "one coordinator";
  static final String STRANGERS = "owners know nothing of each other";
  static final String LIVENESS = "liveness after healing";
  static final List<String> PROPERTIES =
      List.of(
          ONLY_FIT,
          KEY_STAYS,
          ONE_SHARE,
          RIGHT_PROGRAM,
          GENERATIONS,
          RESET,
          ONE_COORDINATOR,
          STRANGERS,
          LIVENESS,
          WorkBudget.PROPERTY);

  // Faults.
  private static final String LOST = "fault: channel lost";
  private static final String TAMPERED = "fault: worker with other code";
  private static final String NAKED = "fault: worker without evidence";
  private static final String SWAPPED = "fault: program swapped by the scheduler";
  private static final String REPLAYED = "fault: program replayed or invented by the scheduler";
  private static final String UNREACHED = "fault: capsule not reached";
  private static final String HALF_ROTATED = "fault: rotation announced and not carried out";
  private static final String SILENT = "fault: member that does not leave for a rotation";
  private static final String AFTER_THE_END = "fault: worker that speaks after its end";
  private static final String STOLEN = "fault: proof made for another channel";
  private static final String PRYING = "fault: owner who asks for what is another's";
  static final List<String> FAULTS =
      List.of(
          LOST,
          TAMPERED,
          NAKED,
          SWAPPED,
          REPLAYED,
          UNREACHED,
          HALF_ROTATED,
          SILENT,
          AFTER_THE_END,
          STOLEN,
          PRYING);

  private static final long MS = TimeUnit.MILLISECONDS.toNanos(1);
  private static final long MAX_EVENTS = 500_000;
  private static final int MAX_PENDING = 20_000;
  private static final int KEY_OFFSET = 46;
  private static final String GOOD = "good";
  private static final Octets EVIDENCE = Octets.ofHex("99".repeat(32));
  private static final Octets RESULT_KEY = Octets.own(ResultBox.newKey().getPublic().getEncoded());

  /** What goes wrong, and how much there is: drawn from the seed. */
  record Faults(
      int owners,
      int workers,
      int coordinators,
      int maxDelayMs,
      double lose,
      boolean tampered,
      boolean lyingScheduler,
      boolean rotations,
      boolean resets,
      boolean stops,
      boolean unreached,
      boolean silent,
      boolean prying) {

    static Faults of(SplittableRandom random) {
      return new Faults(
          1 + random.nextInt(2),
          1 + random.nextInt(5),
          random.nextInt(3),
          1 + random.nextInt(random.nextInt(3) == 0 ? 2_000 : 50),
          random.nextInt(3) == 0 ? 0 : random.nextDouble() * 0.2,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(3) > 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(3) == 0,
          random.nextInt(3) == 0);
    }
  }

  private record Event(long at, long order, Runnable action) implements Comparable<Event> {
    @Override
    public int compareTo(Event other) {
      int byTime = Long.compare(at, other.at);
      return byTime != 0 ? byTime : Long.compare(order, other.order);
    }
  }

  private record ShareOf(Octets job, int share) {}

  private record JobOf(Owner owner, Octets program, int shares) {}

  final Coverage coverage = new Coverage();
  private final SplittableRandom random;
  private final Faults faults;
  private final LeaderCore leader;
  private final PriorityQueue<Event> events = new PriorityQueue<>();
  private final WorkBudget budget = new WorkBudget(MAX_EVENTS, MAX_PENDING);
  private final Map<Long, Link> links = new LinkedHashMap<>();
  private final List<Owner> owners = new ArrayList<>();
  private long order;
  private long now;
  private long trace = 1;
  private long channels;
  private int jobs;
  private boolean calm;

  // What was said, for the checks.
  private final Map<Octets, JobOf> known = new LinkedHashMap<>();
  private final Map<ShareOf, Link> holders = new HashMap<>();
  private final Set<ShareOf> done = new HashSet<>();

  LeaderSim(long seed, Faults faults) {
    this.random = new SplittableRandom(seed);
    this.faults = faults;
    this.leader = new LeaderCore(this::fill);
    for (int i = 0; i < faults.owners; i++) {
      Owner owner = new Owner(i + 1);
      owners.add(owner);
      at(delay(), owner::connect);
    }
    for (int i = 0; i < faults.workers; i++) {
      at(delay(), new Worker()::connect);
    }
    for (int i = 0; i < faults.coordinators; i++) {
      at(delay(), new Coordinator()::connect);
    }
  }

  private void fill(byte[] bytes) {
    random.nextBytes(bytes);
  }

  // ------------------------------------------------------------------ time

  private void at(long delay, Runnable action) {
    events.add(new Event(now + delay, order++, action));
  }

  private long delay() {
    return 1 + random.nextLong(calm ? 5 * MS : faults.maxDelayMs * MS);
  }

  void run(long untilMs) {
    while (!events.isEmpty() && events.peek().at <= untilMs * MS) {
      Event next = events.poll();
      now = next.at;
      budget.spend(events.size());
      next.action.run();
    }
    now = untilMs * MS;
  }

  long trace() {
    return trace;
  }

  long events() {
    return budget.events();
  }

  private void note(Object what) {
    trace = (trace ^ what.hashCode()) * 0x100000001B3L + now;
  }

  // ------------------------------------------------------------------ channels

  /** Another end whose evidence a policy accepts if it names its code. */
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

  /** Who is at the other end. */
  private interface Actor {
    void hear(Link link, LaunchMessage message);

    void lost(Link link);
  }

  /** A channel: what is said on it arrives in order, or it is lost. */
  private final class Link {
    final long id = ++channels;
    final Actor actor;
    final End peer;
    private long arrives;
    boolean open = true;

    // What the leader has given it.
    @Nullable Owner member;
    @Nullable ShareOf share;
    boolean granted;
    boolean reset;
    boolean offers;
    boolean unproven;

    Link(Actor actor, boolean attested, String measurement) {
      this.actor = actor;
      Octets binding = Octets.ofHex("%064x".formatted(id));
      this.peer = new End(attested ? EVIDENCE : binding, attested, measurement);
      links.put(id, this);
      step(new LeaderInput.Opened(id, peer));
    }

    private void later(Runnable arrival) {
      arrives = Math.max(arrives + 1, now + delay());
      at(arrives - now, arrival);
    }

    /** Says something to the leader. */
    void tell(LaunchMessage message) {
      if (!calm && chance(faults.lose / 4)) {
        coverage.hit(LOST);
        later(this::lose);
        return;
      }
      later(
          () -> {
            if (open) {
              step(new LeaderInput.Said(id, message));
            }
          });
    }

    void lose() {
      if (open) {
        open = false;
        left(this);
        links.remove(id);
        step(new LeaderInput.Closed(id, "lost"));
        at(delay(), () -> actor.lost(this));
      }
    }
  }

  private boolean chance(double probability) {
    return probability > 0 && random.nextDouble() < probability;
  }

  private void left(Link link) {
    link.member = null;
    ShareOf share = link.share;
    if (share != null) {
      holders.remove(share, link);
      link.share = null;
    }
    for (Owner owner : owners) {
      if (owner.coordinator == link) {
        owner.coordinator = null;
      }
    }
  }

  // ------------------------------------------------------------------ the leader

  private void step(LeaderInput input) {
    note(input.getClass().getName());
    coverage.hit(input.getClass());
    if (input instanceof LeaderInput.Said(long channel, LaunchMessage message)) {
      coverage.hit(message.getClass());
      heard(links.get(channel), message);
    }
    List<LeaderOutput> outputs = leader.step(input);
    Set<Link> resets = new HashSet<>();
    for (LeaderOutput output : outputs) {
      coverage.hit(output.getClass());
      if (output instanceof LeaderOutput.Say(long channel, Reset _)) {
        resets.add(links.get(channel));
      }
    }
    if (input instanceof LeaderInput.Said(long channel, ResetApplication(CapsuleName capsule))
        && outputs.contains(new LeaderOutput.Say(channel, new Done()))) {
      check(
          STRANGERS,
          Objects.requireNonNull(links.get(channel)).actor == owner(capsule),
          "a stranger resets an application");
      wasReset(owner(capsule), resets);
    }
    if (input instanceof LeaderInput.Said(long _, RotateKeys rotate)) {
      outputs.forEach(output -> begun(owner(rotate.capsule()), output));
    }
    for (LeaderOutput output : outputs) {
      carryOut(input, output);
    }
    checkAppointments();
  }

  /** What an input does to the facts before anything is said about it. */
  private void heard(@Nullable Link link, LaunchMessage message) {
    if (link != null && message instanceof Serve && !link.granted) {
      link.offers = link.peer.attested;
    }
  }

  /** A rotation that is accepted waits for members, or begins at once. */
  private static void begun(Owner owner, LeaderOutput output) {
    long ticket =
        switch (output) {
          case LeaderOutput.Wait wait -> wait.ticket();
          case LeaderOutput.Rotate rotate -> rotate.ticket();
          default -> 0;
        };
    if (ticket != 0) {
      owner.rotating = true;
      owner.rotation = ticket;
    }
  }

  /** Whoever was a member is told to reset itself at once; nothing is known of the jobs. */
  private void wasReset(Owner owner, Set<Link> resets) {
    for (Link link : links.values()) {
      check(
          RESET,
          link.member != owner || resets.contains(link),
          "a member was not told that its application is reset");
    }
    owner.resets++;
    owner.generation = -1;
    owner.rotating = false;
    owner.pending = false;
    known.values().removeIf(job -> job.owner == owner);
  }

  private Owner owner(CapsuleName capsule) {
    return owners.stream().filter(o -> o.capsule.equals(capsule)).findFirst().orElseThrow();
  }

  private void carryOut(LeaderInput input, LeaderOutput output) {
    switch (output) {
      case LeaderOutput.Say(long channel, LaunchMessage message) -> {
        Link link = links.get(channel);
        coverage.hit(message.getClass());
        note(message.getClass().getName());
        if (link != null) {
          say(input, link, message);
          link.later(
              () -> {
                if (link.open) {
                  link.actor.hear(link, message);
                }
              });
        }
      }
      case LeaderOutput.Close(long channel, String _) -> {
        Link link = links.get(channel);
        if (link != null) {
          link.later(link::lose);
        }
      }
      case LeaderOutput.Look(long ticket, CapsuleName capsule, Place _, ApplicationKey key) -> {
        int generation = key.generation();
        key.close();
        Owner owner = owner(capsule);
        int resets = owner.resets;
        at(delay(), () -> look(ticket, owner, generation, resets));
      }
      case LeaderOutput.Rotate(
              long ticket,
              CapsuleName capsule,
              Place _,
              ApplicationKey current,
              ApplicationKey next) -> {
        int generation = next.generation();
        current.close();
        next.close();
        at(delay(), () -> rotate(ticket, owner(capsule), generation));
      }
      case LeaderOutput.Wait(long ticket, long ms) ->
          at(ms * MS, () -> step(new LeaderInput.Waited(ticket)));
      case LeaderOutput.Log _ -> {
        // Nobody reads it here.
      }
    }
  }

  private void look(long ticket, Owner owner, int asked, int resets) {
    if (!calm && faults.unreached && random.nextInt(4) == 0) {
      coverage.hit(UNREACHED);
      step(new LeaderInput.Found(ticket, null, "no quorum"));
      return;
    }
    List<DataRoot> roots = asked == owner.inForce ? owner.roots(asked) : List.of();
    // What was asked before a RESET opens nothing after it.
    if (asked == owner.inForce && owner.generation < 0 && owner.resets == resets) {
      owner.generation = asked;
      owner.pending = owner.announced > owner.inForce;
    }
    step(
        new LeaderInput.Found(
            ticket, new CapsuleAccess.Generations(owner.inForce, owner.announced, roots), ""));
  }

  private void rotate(long ticket, Owner owner, int generation) {
    boolean fails = !calm && faults.unreached && random.nextInt(3) == 0;
    boolean announced = !fails || random.nextBoolean();
    if (announced) {
      owner.announced = Math.max(owner.announced, generation);
    }
    if (fails) {
      coverage.hit(announced ? HALF_ROTATED : UNREACHED);
      if (owner.rotates(ticket)) {
        owner.rotating = false;
        owner.pending = true;
      }
      step(new LeaderInput.Found(ticket, null, "no quorum"));
      return;
    }
    owner.inForce = Math.max(owner.inForce, generation);
    owner.announced = Math.max(owner.announced, owner.inForce);
    if (owner.rotates(ticket)) {
      owner.rotating = false;
      owner.pending = false;
      owner.generation = generation;
    }
    step(
        new LeaderInput.Found(
            ticket,
            new CapsuleAccess.Generations(generation, generation, owner.roots(generation)),
            ""));
  }

  // ------------------------------------------------------------------ checks

  private void check(String property, boolean holds, Object... broken) {
    coverage.checked(property, holds, broken);
  }

  private Owner fit(Link link, Owner owner) {
    check(
        ONLY_FIT,
        link.peer.attested && link.peer.measurement.equals(GOOD),
        "something of an application for ",
        link.peer);
    check(RESET, !link.reset, "something of an application for a channel that was reset");
    check(
        RESET, owner.generation >= 0, "something of an application that was reset, or never open");
    check(
        GENERATIONS,
        !owner.rotating && !owner.pending,
        "something of an application while its keys are rotated");
    return owner;
  }

  private void membership(Link link, Owner owner, Membership membership) {
    fit(link, owner);
    check(
        GENERATIONS,
        membership.roots().size() == owner.generation + 1,
        membership.roots().size(),
        " data roots where generation ",
        owner.generation,
        " is in force");
    link.member = owner;
  }

  private Owner owner(Membership membership) {
    return owners.stream()
        .filter(o -> membership.metadata().equals(Octets.copyOf(o.metadata)))
        .findFirst()
        .orElseThrow();
  }

  /** What the leader says is what it may say to that end at that moment. */
  private void say(LeaderInput input, Link link, LaunchMessage message) {
    for (Owner owner : owners) {
      check(KEY_STAYS, !owner.isIn(message), message.getClass(), " has an application key");
    }
    check(
        STRANGERS,
        !link.unproven || message instanceof Refused,
        message.getClass(),
        " for somebody who has not shown who he is");
    switch (message) {
      case Grant grant -> {
        Take take = (Take) ((LeaderInput.Said) input).message();
        JobOf job = known.get(take.job());
        check(RESET, job != null, "a share of a job that is not known any more");
        if (job == null) {
          return;
        }
        membership(link, job.owner, grant.membership());
        check(RIGHT_PROGRAM, take.program().equals(job.program), "a share for another program");
        ShareOf share = new ShareOf(take.job(), grant.share());
        check(ONE_SHARE, !link.granted, "a second share for one channel");
        check(ONE_SHARE, !done.contains(share), "a share that is done");
        check(ONE_SHARE, !holders.containsKey(share), "a share that another one has");
        check(ONE_SHARE, grant.share() < job.shares, "a share that there is not");
        holders.put(share, link);
        link.share = share;
        link.granted = true;
      }
      case Membership membership -> {
        Owner owner = owner(membership);
        if (link.offers) {
          check(ONE_COORDINATOR, owner.coordinator == null || owner.coordinator == link, "two");
          owner.coordinator = link;
        } else {
          check(RESET, link.member == owner, "a membership for who is no member");
        }
        membership(link, owner, membership);
      }
      case GiveWriter given -> {
        WantWriter want = (WantWriter) ((LeaderInput.Said) input).message();
        Owner owner = fit(link, owner(want.capsule()));
        check(RESET, link.member == owner, "a writer for who is no member");
        RosterEntry entry = owner.entry(given);
        check(
            GENERATIONS,
            entry.generation() == owner.generation,
            "a writer of generation ",
            entry.generation(),
            " where ",
            owner.generation,
            " is in force");
        if (want.role() == RosterEntry.Role.COORDINATOR) {
          check(
              ONE_COORDINATOR,
              owner.coordinator == null || owner.coordinator == link,
              "a writer for a second coordinator");
          owner.coordinator = link;
        }
      }
      case Reset _ -> {
        ShareOf share = link.share;
        if (share != null
            && input instanceof LeaderInput.Said(long channel, Finished _)
            && channel == link.id) {
          done.add(share);
        }
        left(link);
        link.reset = true;
      }
      case JobReport report -> {
        AskJob asked = (AskJob) ((LeaderInput.Said) input).message();
        JobOf job = known.get(asked.job());
        check(
            STRANGERS,
            job != null && job.owner == link.actor,
            "a report of a job that is not the owner's");
        if (job != null) {
          job.owner.reported(asked.job(), report);
        }
      }
      case Done _ -> {
        if (input instanceof LeaderInput.Said(long _, StartJob start)) {
          known.put(start.job(), Objects.requireNonNull(starting.get(start.job())));
        } else if (input instanceof LeaderInput.Said(long _, StopJob(Octets job))) {
          check(
              STRANGERS,
              Objects.requireNonNull(known.get(job)).owner == link.actor,
              "a stranger stops a job");
        }
      }
      case Refused _ -> {
        if (input instanceof LeaderInput.Said(long _, AskJob(Octets job, int _))
            && !known.containsKey(job)) {
          offered.remove(job);
          owners.forEach(owner -> owner.waiting.remove(job));
        }
      }
      default -> {
        // Nothing of anybody is in it.
      }
    }
  }

  /** Nobody fit offers itself in vain while an application has no coordinator. */
  private void checkAppointments() {
    for (Owner owner : owners) {
      if (owner.generation < 0 || owner.rotating || owner.pending || owner.coordinator != null) {
        continue;
      }
      for (Link link : links.values()) {
        check(
            LIVENESS,
            !link.offers
                || link.member != null
                || link.reset
                || !link.peer.measurement.equals(GOOD),
            "an application has no coordinator, and one that offers itself is not appointed");
      }
    }
  }

  // ------------------------------------------------------------------ owners

  private final class Owner implements Actor {
    final KeyTree keys;
    final byte[] metadata;
    final CapsuleName capsule;
    final CapsuleMetadata facts;
    private final Map<Integer, ApplicationKey> applicationKeys = new TreeMap<>();
    private final Map<Integer, byte[]> privateKeys = new TreeMap<>();
    private final Set<Octets> waiting = new HashSet<>();

    // The capsule's: which generation is in force, and which was begun.
    int inForce;
    int announced;

    // What the leader has said it knows: -1 if it has not opened the application.
    int generation = -1;
    int resets;
    boolean rotating;
    long rotation;
    boolean pending;
    @Nullable Link coordinator;
    private boolean open;
    private int guess;

    Owner(int number) {
      byte[] seed = new byte[32];
      seed[0] = (byte) number;
      keys = KeyTree.fromSeed(SecretBytes.own(seed));
      metadata = NewCapsule.sign(keys, 0, List.of(), 0, LeaderSim.this::fill);
      capsule = MetadataCodec.nameOf(metadata);
      facts = MetadataCodec.decode(metadata, Secp256k1.best()).orThrow();
    }

    boolean rotates(long ticket) {
      return rotating && rotation == ticket;
    }

    private ApplicationKey key(int of) {
      return applicationKeys.computeIfAbsent(
          of,
          g -> {
            ApplicationKey key = keys.application(0, g);
            try (SecretBytes extended = key.extendedPrivateKey()) {
              privateKeys.put(
                  g, Arrays.copyOfRange(extended.expose(), KEY_OFFSET, KEY_OFFSET + 32));
            }
            return key;
          });
    }

    private SecretBytes secret(int of) {
      try (SecretBytes extended = key(of).extendedPrivateKey()) {
        return SecretBytes.copyOf(extended.expose());
      }
    }

    private Octets certificate(int of) {
      GenerationCertificate certificate = key(of).certificate();
      if (of == 0 || certificate == null) {
        return Octets.EMPTY;
      }
      byte[] bytes = new byte[GenerationCertificate.BYTES];
      certificate.copyTo(bytes, 0);
      return Octets.own(bytes);
    }

    List<DataRoot> roots(int newest) {
      return IntStream.rangeClosed(0, newest)
          .mapToObj(of -> key(of).dataRoot(capsule.toBytes()))
          .toList();
    }

    RosterEntry entry(GiveWriter given) {
      return RosterCodec.decode(capsule, given.roster().toArray(), facts, Secp256k1.best())
          .orThrow()
          .getFirst();
    }

    /** Whether one of its application keys is in a message. */
    boolean isIn(LaunchMessage message) {
      byte[] bytes = LaunchCodec.encode(message);
      return privateKeys.values().stream().anyMatch(key -> contains(bytes, key));
    }

    void connect() {
      open = false;
      Link link = new Link(this, false, "");
      boolean stolen = !calm && faults.prying && random.nextInt(4) == 0;
      if (stolen) {
        coverage.hit(STOLEN);
        link.unproven = true;
      }
      // A signature that was made for another channel says nothing of this one.
      Octets binding = stolen ? Octets.ofHex("ee".repeat(32)) : link.peer.binding;
      link.tell(
          new Prove(
              keys.ownerPublicKey(),
              Octets.own(keys.signAsOwner(LeaderCore.ownerDigest(binding)))));
      openApplication(link);
      at(delay(), () -> act(link));
    }

    private void openApplication(Link link) {
      link.tell(
          new OpenApplication(
              Octets.copyOf(metadata),
              0,
              secret(guess),
              certificate(guess),
              new Place(List.of("127.0.0.1:1"), List.of()),
              new PolicyText(GOOD, List.of())));
    }

    private void act(Link link) {
      if (!link.open) {
        return;
      }
      if (!calm && chance(faults.lose)) {
        coverage.hit(LOST);
        link.lose();
        return;
      }
      if (!open) {
        openApplication(link);
      } else if (calm) {
        waiting.forEach(job -> link.tell(new AskJob(job, 0)));
        if (pending) {
          beginRotation(link);
        }
      } else {
        something(link);
      }
      at(20 * MS + delay(), () -> act(link));
    }

    private void something(Link link) {
      switch (random.nextInt(10)) {
        case 0 -> {
          if (faults.rotations) {
            beginRotation(link);
          }
        }
        case 1 -> {
          if (faults.resets && random.nextInt(3) == 0) {
            open = false;
            waiting.clear();
            link.tell(new ResetApplication(capsule));
          }
        }
        case 2 -> {
          if (faults.stops && !waiting.isEmpty()) {
            link.tell(new StopJob(List.copyOf(waiting).get(random.nextInt(waiting.size()))));
          }
        }
        case 3 -> {
          if (faults.prying && !known.isEmpty()) {
            coverage.hit(PRYING);
            Octets job = List.copyOf(known.keySet()).get(random.nextInt(known.size()));
            link.tell(random.nextBoolean() ? new AskJob(job, 0) : new StopJob(job));
            for (Owner other : owners) {
              if (other != this) {
                link.tell(new ResetApplication(other.capsule));
                link.tell(new RotateKeys(other.capsule, secret(guess + 1), certificate(guess + 1)));
              }
            }
          }
        }
        case 4, 5 -> waiting.forEach(job -> link.tell(new AskJob(job, 0)));
        default -> {
          if (waiting.size() < 3) {
            startJob(link);
          }
        }
      }
    }

    private void beginRotation(Link link) {
      link.tell(new RotateKeys(capsule, secret(guess + 1), certificate(guess + 1)));
    }

    private void startJob(Link link) {
      Octets job = Octets.ofHex("%032x".formatted(++jobs));
      Octets program = Octets.ofHex("%064x".formatted(1000 + random.nextInt(5)));
      int shares = 1 + random.nextInt(3);
      waiting.add(job);
      offered.put(job, program);
      starting.put(job, new JobOf(this, program, shares));
      link.tell(
          new StartJob(
              capsule,
              job,
              SecretBytes.own(new byte[32]),
              program,
              RESULT_KEY,
              shares,
              List.of("a"),
              1000));
    }

    private void reported(Octets job, JobReport report) {
      if (report.shares().stream()
          .noneMatch(
              share ->
                  share.state() == ShareState.WAITING || share.state() == ShareState.RUNNING)) {
        waiting.remove(job);
        offered.remove(job);
      }
    }

    @Override
    public void hear(Link link, LaunchMessage message) {
      if (message instanceof Opened(int of, int _)) {
        open = guess == of;
        guess = of;
      }
    }

    @Override
    public void lost(Link link) {
      connect();
    }
  }

  private final Map<Octets, Octets> offered = new LinkedHashMap<>();
  private final Map<Octets, JobOf> starting = new HashMap<>();

  private static boolean contains(byte[] bytes, byte[] sought) {
    for (int i = 0; i + sought.length <= bytes.length; i++) {
      if (bytes[i] == sought[0]
          && Arrays.equals(bytes, i, i + sought.length, sought, 0, sought.length)) {
        return true;
      }
    }
    return false;
  }

  // ------------------------------------------------------------------ workers

  private final class Worker implements Actor {

    void connect() {
      boolean bad = !calm && faults.tampered && random.nextInt(3) == 0;
      boolean naked = bad && random.nextBoolean();
      if (bad) {
        coverage.hit(naked ? NAKED : TAMPERED);
      }
      Link link = new Link(this, !naked, bad && !naked ? "tampered" : GOOD);
      ask(link);
    }

    /** The scheduler offers something: what there is, or what it likes. */
    private void ask(Link link) {
      if (!link.open) {
        return;
      }
      if (!calm && faults.lyingScheduler && random.nextInt(4) == 0) {
        coverage.hit(REPLAYED);
        link.tell(
            new Take(
                Octets.ofHex("%032x".formatted(1 + random.nextInt(jobs + 2))),
                Octets.ofHex("%064x".formatted(1000 + random.nextInt(5)))));
      } else if (offered.isEmpty()) {
        at(20 * MS + delay(), () -> ask(link));
      } else {
        Octets job = List.copyOf(offered.keySet()).get(random.nextInt(offered.size()));
        Octets program = offered.getOrDefault(job, Octets.EMPTY);
        if (!calm && faults.lyingScheduler && random.nextInt(4) == 0) {
          coverage.hit(SWAPPED);
          program = Octets.ofHex("%064x".formatted(2000 + random.nextInt(5)));
        }
        link.tell(new Take(job, program));
      }
    }

    private void want(Link link) {
      for (Owner owner : owners) {
        if (link.member == owner || random.nextInt(4) == 0) {
          link.tell(
              new WantWriter(
                  1,
                  owner.capsule,
                  random.nextInt(4) == 0 ? RosterEntry.Role.COORDINATOR : RosterEntry.Role.WORKER));
        }
      }
    }

    @Override
    public void hear(Link link, LaunchMessage message) {
      if (!calm && chance(faults.lose)) {
        coverage.hit(LOST);
        link.lose();
        return;
      }
      switch (message) {
        case Grant _ -> {
          want(link);
          link.tell(new Printed(List.of("line")));
          // Some take so long that a rotation does not wait for them.
          boolean slow = !calm && faults.silent && random.nextInt(3) == 0;
          at(
              random.nextLong(slow ? 2 * LeaderCore.PAUSE_MS * MS : 300 * MS),
              () -> link.tell(new Finished(result(calm || random.nextInt(4) > 0))));
        }
        case Pause _ -> {
          if (!calm && faults.silent && random.nextBoolean()) {
            coverage.hit(SILENT);
          } else {
            at(delay(), () -> link.tell(new Paused()));
          }
        }
        case Membership _ -> want(link);
        case Reset _ -> {
          if (!calm && random.nextInt(4) == 0) {
            coverage.hit(AFTER_THE_END);
            want(link);
            link.tell(random.nextBoolean() ? new Paused() : new Finished(result(true)));
          }
          link.later(link::lose);
        }
        case NotNow _ -> at(20 * MS + delay(), link::lose);
        default -> {
          // Writers, and refusals.
        }
      }
    }

    @Override
    public void lost(Link link) {
      at(delay(), this::connect);
    }
  }

  private static ShareResult result(boolean good) {
    return new ShareResult(
        good, Octets.ofHex("01"), Octets.ofHex("02"), Octets.ofHex("03".repeat(64)));
  }

  private final class Coordinator implements Actor {

    void connect() {
      boolean bad = !calm && faults.tampered && random.nextInt(3) == 0;
      Link link = new Link(this, true, bad ? "tampered" : GOOD);
      link.tell(new Serve());
      at(random.nextLong(2_000 * MS), () -> end(link));
    }

    private void end(Link link) {
      if (!calm && chance(faults.lose)) {
        coverage.hit(LOST);
        link.lose();
      } else if (link.open) {
        at(random.nextLong(2_000 * MS), () -> end(link));
      }
    }

    @Override
    public void hear(Link link, LaunchMessage message) {
      switch (message) {
        case Membership membership ->
            link.tell(new WantWriter(1, owner(membership).capsule, RosterEntry.Role.COORDINATOR));
        case Pause _ -> at(delay(), () -> link.tell(new Paused()));
        case Reset _ -> link.later(link::lose);
        default -> {
          // Writers, and refusals.
        }
      }
    }

    @Override
    public void lost(Link link) {
      at(delay(), this::connect);
    }
  }

  // ------------------------------------------------------------------ the end

  /** From now on nothing goes wrong. */
  void heal() {
    calm = true;
  }

  /** Whether every owner has its application open, no rotation half done, and all jobs ended. */
  boolean isAtRest() {
    return owners.stream()
        .allMatch(o -> o.open && !o.rotating && !o.pending && o.waiting.isEmpty());
  }

  String state() {
    StringBuilder text = new StringBuilder("at " + now / MS + " ms, " + faults);
    for (Owner owner : owners) {
      text.append("\n owner: open ").append(owner.open).append(" generation ");
      text.append(owner.generation).append(" in force ").append(owner.inForce);
      text.append(" announced ").append(owner.announced).append(" rotating ");
      text.append(owner.rotating).append(" pending ").append(owner.pending);
      text.append(" waits for ").append(owner.waiting);
    }
    return text.toString();
  }
}
