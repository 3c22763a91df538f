package io.capsuledb.host.job;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewWriter;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.WriterSource;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.enclave.script.Loaded;
import io.capsuledb.enclave.script.ScriptCall;
import io.capsuledb.enclave.script.ScriptCancellation;
import io.capsuledb.enclave.script.ScriptEngine;
import io.capsuledb.enclave.script.ScriptEngineOptions;
import io.capsuledb.enclave.script.ScriptLimits;
import io.capsuledb.enclave.script.ScriptOutcome;
import io.capsuledb.enclave.script.ScriptProgram;
import io.capsuledb.enclave.script.ScriptSource;
import io.capsuledb.enclave.script.ScriptValue;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.channel.EnclaveKeys;
import io.capsuledb.host.channel.Link;
import io.capsuledb.host.channel.LinkClient;
import io.capsuledb.host.channel.PeerRules;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.files.DirectoryTree;
import io.capsuledb.host.launch.LaunchCodec;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.Grant;
import io.capsuledb.host.launch.LaunchMessage.Membership;
import io.capsuledb.host.launch.LaunchMessage.Offer;
import io.capsuledb.host.launch.LaunchMessage.ShareResult;
import io.capsuledb.host.launch.ProgramBox;
import io.capsuledb.host.launch.ResultBox;
import io.capsuledb.host.launch.SchedulerCore;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.CapsuleMember;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A worker for launched programs: registers with a scheduler, takes a share of what it is offered
 * from the leader, runs it, and resets itself.
 *
 * <p>Invariants: it is idle only while it has a channel to the leader over which both have attested
 * with new keys, and that was never used; after a share, however that ended, {@link #run} returns,
 * so that whoever called it can reset the process: one that ran a share never looks at another
 * offer; nothing of a share leaves it but records, frames, the lines it printed and its result, all
 * of them encrypted.
 *
 * <p>{@link #run} belongs to one thread, {@link #close} to any.
 */
public final class LambdaWorker implements AutoCloseable {

  private static final long OPEN_SECONDS = 20;
  private static final long GRANT_SECONDS = 20;
  private static final long RESET_SECONDS = 10;
  private static final long RECONNECT_MS = 500;

  /** After an attempt to attest that failed. */
  private static final long ATTEST_AGAIN_MS = 2_000;

  /** A channel that nobody used for so long is made anew: its evidence grows old. */
  private static final long RENEW_NANOS = TimeUnit.MINUTES.toNanos(10);

  private static final long CONFIRM_SECONDS = 2;
  private static final int HEAP_BYTES = 64 << 20;
  private static final long WALL_MS = 3_600_000;
  private static final int HOST_CALLS = 1_000_000_000;
  private static final long LOOK_MS = 100;
  private static final int LINES_AT_ONCE = 64;
  private static final long FLUSH_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  /**
   * How it works.
   *
   * @param scratch a directory of its own; emptied
   * @param leaseMs as all members of its capsules have it
   * @param links what carries links to replicas and routers
   */
  public record Options(
      HostPort scheduler, HostPort leader, Path scratch, long leaseMs, LinkSecurity links) {}

  /**
   * What it is.
   *
   * @param attester makes its evidence; asked anew in each life
   * @param leader whom it takes for a leader
   */
  public record Identity(Supplier<Attester> attester, PeerRules leader) {}

  private final Options options;
  private final Identity identity;
  private final Clock clock;
  private final Entropy entropy;
  private final BlockingQueue<Offer> offers = new LinkedBlockingQueue<>(1);
  private volatile boolean closed;
  private volatile boolean idle;
  private volatile boolean opening;

  /** Completed when the scheduler has heard all that was said to it before. */
  private volatile @Nullable CompletableFuture<Boolean> confirming;

  private volatile @Nullable Link scheduler;
  private volatile @Nullable LeaderLink leading;

  /** A worker that does nothing before {@link #run}. */
  public LambdaWorker(Options options, Identity identity, Clock clock, Entropy entropy) {
    this.options = options;
    this.identity = identity;
    this.clock = clock;
    this.entropy = entropy;
  }

  /**
   * Waits for an offer of which the leader gives it a share, and runs that; or returns when {@link
   * #close} is called.
   *
   * @param attested runs each time it has attested and is idle
   * @return whether it was given secrets, and is not to stop: the process has to be reset
   */
  public boolean run(Runnable attested) throws InterruptedException {
    Thread.ofPlatform().daemon().name("capsule-heartbeat").start(this::beat);
    while (!closed) {
      try (Session session = new Session()) {
        session.attest();
        if (!session.awaitScheduler()) {
          continue;
        }
        attested.run();
        announce();
        Offer offer = session.awaitOffer();
        idle = false;
        if (offer == null) {
          continue;
        }
        boolean ran = false;
        try {
          ran = session.work(offer);
        } catch (CapsuleException e) {
          EventLog.warn(
              "lambda.failed", "job", offer.job().hex(), "reason", String.valueOf(e.getMessage()));
        }
        tell(new LaunchMessage.Through(offer.job(), ran));
        if (session.granted) {
          return !closed;
        }
      } catch (CapsuleException e) {
        EventLog.warn("lambda.no_leader", "reason", String.valueOf(e.getMessage()));
        TimeUnit.MILLISECONDS.sleep(ATTEST_AGAIN_MS);
      } finally {
        idle = false;
      }
    }
    return false;
  }

  // ------------------------------------------------------------------ the scheduler

  private void beat() {
    while (!closed) {
      Link known = scheduler;
      if (known == null) {
        if (!opening) {
          opening = true;
          LinkClient.open(options.scheduler(), null, entropy, new SchedulerEvents());
        }
      } else {
        known.send(LaunchCodec.encode(idle ? new LaunchMessage.Idle() : new LaunchMessage.Busy()));
      }
      try {
        TimeUnit.MILLISECONDS.sleep(known == null ? RECONNECT_MS : SchedulerCore.HEARTBEAT_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  private void announce() {
    idle = true;
    Link known = scheduler;
    if (known != null) {
      known.send(LaunchCodec.encode(new LaunchMessage.Idle()));
    }
  }

  /** Says something to the scheduler, and waits a moment until it has heard it. */
  private void tell(LaunchMessage message) throws InterruptedException {
    Link known = scheduler;
    if (known == null) {
      return;
    }
    CompletableFuture<Boolean> heard = new CompletableFuture<>();
    confirming = heard;
    known.send(LaunchCodec.encode(message));
    known.send(LaunchCodec.encode(new LaunchMessage.AskScheduler()));
    try {
      heard.get(CONFIRM_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException | ExecutionException e) {
      // It is trusted for nothing: it will find out, or a job takes longer.
      EventLog.warn("lambda.scheduler_silent", "reason", e.toString());
    }
  }

  /** One at a time: it is opened again only when the one before has closed. */
  private final class SchedulerEvents implements Link.Events {

    @Override
    public void opened(Link link) {
      scheduler = link;
      link.send(LaunchCodec.encode(idle ? new LaunchMessage.Idle() : new LaunchMessage.Busy()));
      EventLog.info("lambda.registered", "scheduler", link.remote());
    }

    @Override
    public void message(byte[] bytes) {
      if (!(LaunchCodec.decode(bytes)
          instanceof Decoded.Accepted<LaunchMessage>(LaunchMessage message))) {
        return;
      }
      if (message instanceof Offer offer && !offers.offer(offer)) {
        // The scheduler does not keep to one at a time: that is its business.
        EventLog.warn("lambda.offer_dropped", "job", offer.job().hex());
      } else if (message instanceof LaunchMessage.SchedulerReport) {
        CompletableFuture<Boolean> waits = confirming;
        if (waits != null) {
          waits.complete(true);
        }
      }
    }

    @Override
    public void closed(String reason) {
      scheduler = null;
      opening = false;
    }
  }

  // ------------------------------------------------------------------ a share

  /** One channel to the leader, from attesting to the end of a share. Of the thread that runs. */
  private final class Session implements AutoCloseable {
    private final BlockingQueue<LaunchMessage> inbox = new LinkedBlockingQueue<>();
    private final ScriptCancellation cancellation = new ScriptCancellation();
    private final AtomicReference<@Nullable MemberSeat> seat = new AtomicReference<>();
    private final LeaderLink leader = new LeaderLink(this::heard);

    /** Whether secrets came. */
    private boolean granted;

    private long begin;
    private long attested;

    private void heard(LaunchMessage message) {
      if (message instanceof LaunchMessage.Reset) {
        cancellation.cancel();
      }
      MemberSeat sitting = seat.get();
      if (sitting == null || !sitting.heard(message)) {
        inbox.add(message);
      }
    }

    /** Shows what this is, and sees what the leader is. */
    void attest() {
      begin = clock.monotonicNanos();
      leading = leader;
      EnclaveKeys keys = new EnclaveKeys(identity.attester().get(), clock);
      LinkClient.open(
          options.leader(), new LinkClient.Security(keys, identity.leader()), entropy, leader);
      leader.awaitOpen(OPEN_SECONDS);
      attested = clock.monotonicNanos();
    }

    private boolean isOpen() {
      return !closed && !leader.over().isDone() && clock.monotonicNanos() - attested < RENEW_NANOS;
    }

    /** Waits until there is a scheduler; false if this channel is over, or old. */
    boolean awaitScheduler() throws InterruptedException {
      while (isOpen() && scheduler == null) {
        TimeUnit.MILLISECONDS.sleep(LOOK_MS);
      }
      return isOpen();
    }

    /** What the scheduler offers; null if this channel is over, or old. */
    @Nullable Offer awaitOffer() throws InterruptedException {
      while (isOpen()) {
        Offer offer = offers.poll(LOOK_MS, TimeUnit.MILLISECONDS);
        if (offer != null) {
          return offer;
        }
      }
      return null;
    }

    boolean work(Offer offer) throws InterruptedException {
      long offered = clock.monotonicNanos();
      leader.say(new LaunchMessage.Take(offer.job(), ProgramBox.hash(offer.program())));
      LaunchMessage answer = inbox.poll(GRANT_SECONDS, TimeUnit.SECONDS);
      if (answer instanceof Grant grant) {
        granted = true;
        var unused = leader.over().thenRun(cancellation::cancel);
        assert unused != null;
        new Share(offer, grant, leader, cancellation, seat::set, attested - begin, offered).run();
        LaunchMessage last = inbox.poll(RESET_SECONDS, TimeUnit.SECONDS);
        EventLog.info(
            "lambda.share_over",
            "job",
            offer.job().hex(),
            "reset",
            last instanceof LaunchMessage.Reset);
        return true;
      }
      if (answer instanceof LaunchMessage.NotNow(String reason)) {
        EventLog.info("lambda.no_share", "job", offer.job().hex(), "reason", reason);
        return false;
      }
      throw new UnavailableException(
          leader.over().isDone() ? leader.over().join() : "the leader gave no answer");
    }

    @Override
    public void close() {
      seat.set(null);
      leader.close("done");
      leading = null;
    }
  }

  /** One share of one job, from grant to result. */
  private final class Share {
    private final Offer offer;
    private final Grant grant;
    private final LeaderLink leader;
    private final ScriptCancellation cancellation;
    private final Consumer<MemberSeat> seats;
    private final long attestNanos;
    private final long offered;
    private final List<String> lines = new ArrayList<>();
    private @Nullable SecretBytes signingKey;
    private byte[] roster = new byte[0];
    private long flushedAt;

    Share(
        Offer offer,
        Grant grant,
        LeaderLink leader,
        ScriptCancellation cancellation,
        Consumer<MemberSeat> seats,
        long attestNanos,
        long offered) {
      this.offer = offer;
      this.grant = grant;
      this.leader = leader;
      this.cancellation = cancellation;
      this.seats = seats;
      this.attestNanos = attestNanos;
      this.offered = offered;
    }

    void run() throws InterruptedException {
      EventLog.info(
          "lambda.share", "job", offer.job().hex(), "share", grant.share(), "of", grant.shares());
      try (SecretBytes programKey = grant.programKey();
          SecretBytes program =
              ProgramBox.open(
                      programKey, offer.job(), ProgramBox.hash(offer.program()), offer.program())
                  .orThrow()) {
        Membership membership = grant.membership();
        byte[] signed = membership.metadata().toArray();
        CapsuleMetadata metadata = MetadataCodec.decode(signed, Secp256k1.best()).orThrow();
        CapsuleName capsule = MetadataCodec.nameOf(signed);
        DirectoryTree.remove(options.scratch());
        long granted = clock.monotonicNanos();
        WriterSource writers = remembering(leader.writers(capsule, metadata));
        try (MemberSeat seat =
            new MemberSeat(
                leader,
                given ->
                    CapsuleMember.join(
                        where(options, given), ring(capsule, given, writers), clock, entropy),
                _ -> cancellation.cancel())) {
          seats.accept(seat);
          CapsuleMember member = seat.begin(membership);
          long joined = clock.monotonicNanos();
          String times =
              "[worker] attested in "
                  + milliseconds(0, attestNanos)
                  + " ms, granted in "
                  + milliseconds(offered, granted)
                  + " ms, joined in "
                  + milliseconds(granted, joined)
                  + " ms";
          leader.say(new LaunchMessage.Printed(List.of(times)));
          JobHost host = new JobHost(member.db(), member.sharing(), clock, this::printed);
          seat.serve(host);
          ScriptOutcome outcome = execute(program, host);
          host.abandon();
          seat.settle();
          finish(capsule, outcome);
        }
      } finally {
        SecretBytes key = signingKey;
        if (key != null) {
          key.close();
        }
        DirectoryTree.remove(options.scratch());
      }
    }

    /** Keeps a copy of the newest writer's key: it signs the result. */
    private WriterSource remembering(WriterSource source) {
      return (role, draw) -> {
        NewWriter fresh = source.introduce(role, draw);
        if (role == RosterEntry.Role.WORKER) {
          SecretBytes before = signingKey;
          if (before != null) {
            before.close();
          }
          signingKey = fresh.copySigningKey();
          roster = fresh.roster().clone();
        }
        return fresh;
      };
    }

    private ScriptOutcome execute(SecretBytes program, JobHost host) {
      String unavailable = ScriptEngine.unavailable();
      if (unavailable != null) {
        throw new UnavailableException("this worker runs no programs: " + unavailable);
      }
      ScriptEngine engine = ScriptEngine.open(new ScriptEngineOptions(1, 10_000), clock, entropy);
      ScriptLimits limits =
          ScriptLimits.builder()
              .cpuMs(grant.cpuMs())
              .wallMs(WALL_MS)
              .heapBytes(HEAP_BYTES)
              .hostCalls(HOST_CALLS)
              .build();
      // In front of the first line, so that the lines of the program keep their numbers.
      String text =
          "var share="
              + grant.share()
              + ",shares="
              + grant.shares()
              + ";"
              + new String(program.expose(), StandardCharsets.UTF_8);
      return switch (engine.compile(new ScriptSource("program", text), limits)) {
        case Loaded.Failed<ScriptProgram>(ScriptOutcome failed) -> failed;
        case Loaded.Ready<ScriptProgram>(ScriptProgram ready) -> {
          try (ready) {
            yield ready.run(
                grant.arguments().stream().map(ScriptValue::of).toList(),
                host,
                ScriptCall.PLAIN.withCancellation(cancellation));
          }
        }
      };
    }

    private void printed(String line) {
      lines.add(
          line.length() <= LaunchMessage.MAX_LINE
              ? line
              : line.substring(0, LaunchMessage.MAX_LINE));
      long now = clock.monotonicNanos();
      if (lines.size() >= LINES_AT_ONCE || now - flushedAt > FLUSH_NANOS) {
        flushedAt = now;
        flush();
      }
    }

    private void flush() {
      if (!lines.isEmpty()) {
        leader.say(new LaunchMessage.Printed(List.copyOf(lines)));
        lines.clear();
      }
    }

    private void finish(CapsuleName capsule, ScriptOutcome outcome) {
      flush();
      boolean good = outcome instanceof ScriptOutcome.Ok;
      if (outcome instanceof ScriptOutcome.Cancelled) {
        throw new UnavailableException("the share was stopped");
      }
      String text =
          outcome instanceof ScriptOutcome.Ok(ScriptValue value)
              ? JsonText.of(value)
              : outcome.describe();
      SecretBytes key = signingKey;
      if (key == null) {
        throw new IllegalStateException("a member without a writer");
      }
      ResultBox.Context context = new ResultBox.Context(capsule, offer.job(), grant.share(), good);
      try (SecretBytes plain = SecretBytes.own(text.getBytes(StandardCharsets.UTF_8))) {
        Octets sealed =
            ResultBox.seal(ResultBox.publicKey(grant.resultKey()).orThrow(), context, plain);
        byte[] signature = Secp256k1.best().sign(ResultBox.digest(context, sealed), key);
        leader.say(
            new LaunchMessage.Finished(
                new ShareResult(good, sealed, Octets.copyOf(roster), Octets.own(signature))));
      }
    }
  }

  private static String milliseconds(long from, long to) {
    return Long.toString(TimeUnit.NANOSECONDS.toMillis(to - from));
  }

  static CapsuleMember.Where where(Options options, Membership membership) {
    return new CapsuleMember.Where(
        options.scratch(),
        membership.place().replicas(),
        membership.place().routers(),
        options.leaseMs(),
        options.links());
  }

  static KeyRing ring(CapsuleName capsule, Membership membership, WriterSource writers) {
    List<DataRoot> roots = new ArrayList<>();
    for (int i = 0; i < membership.roots().size(); i++) {
      roots.add(DataRoot.given(capsule.toBytes(), i, membership.roots().get(i)));
    }
    return KeyRing.granted(capsule, roots, writers);
  }

  /** Why it is not to be given anything now, or null: it has no scheduler. */
  public @Nullable CapsuleException trouble() {
    return scheduler != null
        ? null
        : new UnavailableException("there is no link to the scheduler " + options.scheduler());
  }

  /** Ends it; a share that runs is given up. */
  @Override
  public void close() {
    closed = true;
    LeaderLink working = leading;
    if (working != null) {
      working.close("the worker stops");
    }
    Link known = scheduler;
    if (known != null) {
      known.close("the worker stops");
    }
  }
}
