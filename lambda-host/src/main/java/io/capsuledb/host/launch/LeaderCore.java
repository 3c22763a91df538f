package io.capsuledb.host.launch;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewWriter;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.WriterSource;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.keys.HdKey;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The leader: whom it knows, which jobs run, and who gets which key.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>what belongs to an application is given only to its owner, who has signed this channel's
 *       binding, and to enclaves whose evidence the application's own policy accepts;
 *   <li>a channel is a member of one application at most, and has one share in its life: whoever
 *       wants another attests anew;
 *   <li>a share is given to one channel at a time, and to none once it is done;
 *   <li>the application key leaves in no message.
 * </ul>
 *
 * <p>Step function; one thread at a time. What it keeps is bounded by the constants below.
 */
public final class LeaderCore implements AutoCloseable {

  /** Most applications, and most jobs of each that are remembered. */
  static final int MAX_APPLICATIONS = 256;

  static final int MAX_JOBS = 64;

  /** Most workers that are given one share, one after the other. */
  static final int MAX_ATTEMPTS = 5;

  private static final int MAX_CHANNELS = 4096;
  private static final int MAX_REFUSALS = 32;

  /** Most writers for one channel: a worker has one, its tables and its coordinator others. */
  private static final int MAX_WRITERS = 1024;

  private static final byte[] OWNER_TAG =
      "capsuledb/v1/launch/owner".getBytes(StandardCharsets.US_ASCII);

  private static final class Application {
    private final CapsuleName name;
    private final Octets metadata;
    private final PublicKey owner;
    private ApplicationKey key;
    private Place place;
    private PolicyText policy;

    /** The channel that was appointed coordinator; 0 if there is none. */
    private long coordinator;

    private final Map<Octets, Job> jobs = new LinkedHashMap<>();

    Application(
        CapsuleName name,
        Octets metadata,
        PublicKey owner,
        ApplicationKey key,
        Place place,
        PolicyText policy) {
      this.name = name;
      this.metadata = metadata;
      this.owner = owner;
      this.key = key;
      this.place = place;
      this.policy = policy;
    }
  }

  private static final class Share {
    private ShareState state = ShareState.WAITING;
    private int attempts;
    private String measurement = "";
    private ShareResult result = ShareResult.NONE;
    private long channel;
  }

  private static final class Job {
    private final Application application;
    private final StartJob start;
    private final List<Share> shares = new ArrayList<>();
    private final Deque<JobLine> lines = new ArrayDeque<>();
    private final Deque<String> refusals = new ArrayDeque<>();
    private int firstLine;

    Job(Application application, StartJob start) {
      this.application = application;
      this.start = start;
      for (int i = 0; i < start.shares(); i++) {
        shares.add(new Share());
      }
    }

    boolean over() {
      return shares.stream()
          .noneMatch(
              share -> share.state == ShareState.WAITING || share.state == ShareState.RUNNING);
    }

    void line(int share, String text) {
      lines.add(new JobLine(share, text));
      if (lines.size() > LaunchMessage.MAX_LINES) {
        lines.removeFirst();
        firstLine++;
      }
    }
  }

  private static final class Channel {
    private final long id;
    private final LeaderInput.Peer peer;
    private @Nullable PublicKey owner;
    private @Nullable Application member;
    private @Nullable Job job;
    private int share;
    private boolean serves;
    private boolean spent;
    private int writers;

    Channel(long id, LeaderInput.Peer peer) {
      this.id = id;
      this.peer = peer;
    }
  }

  private final Entropy entropy;
  private final Secp256k1 curve = Secp256k1.best();
  private final Map<Long, Channel> channels = new LinkedHashMap<>();
  private final Map<CapsuleName, Application> applications = new LinkedHashMap<>();
  private List<LeaderOutput> outputs = new ArrayList<>();

  /** A leader that knows nobody. */
  public LeaderCore(Entropy entropy) {
    this.entropy = entropy;
  }

  /** What an owner signs to show who he is on a channel. */
  public static Hash32 ownerDigest(Octets binding) {
    return Hashes.tagged(OWNER_TAG, binding.toArray());
  }

  /** Takes an input. */
  public List<LeaderOutput> step(LeaderInput input) {
    outputs = new ArrayList<>();
    switch (input) {
      case LeaderInput.Opened(long id, LeaderInput.Peer peer) -> {
        if (channels.size() >= MAX_CHANNELS) {
          close(id, "the leader has too many channels");
        } else {
          channels.put(id, new Channel(id, peer));
        }
      }
      case LeaderInput.Said(long id, LaunchMessage message) -> {
        Channel channel = channels.get(id);
        if (channel != null) {
          said(channel, message);
        }
      }
      case LeaderInput.Closed(long id, String reason) -> closed(id, reason);
    }
    return List.copyOf(outputs);
  }

  private void say(Channel channel, LaunchMessage message) {
    outputs.add(new LeaderOutput.Say(channel.id, message));
  }

  private void close(long channel, String reason) {
    outputs.add(new LeaderOutput.Close(channel, reason));
  }

  private void log(boolean warning, String event, String... fields) {
    outputs.add(new LeaderOutput.Log(warning, event, List.of(fields)));
  }

  private void said(Channel channel, LaunchMessage message) {
    try {
      switch (message) {
        case Prove prove -> prove(channel, prove);
        case OpenApplication open -> open(channel, open);
        case StartJob start -> start(channel, start);
        case AskJob(Octets job, int fromLine) -> say(channel, report(own(channel, job), fromLine));
        case StopJob(Octets job) -> {
          stop(own(channel, job), "the job was stopped");
          say(channel, new Done());
        }
        case ResetApplication(CapsuleName capsule) -> {
          reset(owned(channel, capsule));
          say(channel, new Done());
        }
        case Take(Octets job, Octets program) -> take(channel, job, program);
        case Serve _ -> serve(channel);
        case WantWriter want -> writer(channel, want);
        case Printed(List<String> lines) -> {
          Job job = working(channel);
          lines.forEach(line -> job.line(channel.share, line));
        }
        case Finished(ShareResult result) -> finished(channel, result);
        default -> close(channel.id, "not something one says to a leader");
      }
    } catch (CapsuleException e) {
      log(
          true,
          "leader.refused",
          "remote",
          channel.peer.remote(),
          "reason",
          String.valueOf(e.getMessage()));
      say(channel, new Refused(String.valueOf(e.getMessage())));
    }
  }

  // ------------------------------------------------------------------ clients

  private void prove(Channel channel, Prove prove) {
    byte[] signature = prove.signature().toArray();
    if (channel.peer.binding().length() == 0
        || !curve.verify(ownerDigest(channel.peer.binding()), signature, 0, prove.owner())) {
      close(channel.id, "the signature is not the owner's");
      return;
    }
    channel.owner = prove.owner();
    say(channel, new Done());
  }

  private void open(Channel channel, OpenApplication open) {
    PublicKey owner = channel.owner;
    byte[] signed = open.metadata().toArray();
    try (SecretBytes secret = open.key()) {
      CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
      if (owner == null || !metadata.ownerKey().equals(owner)) {
        throw new DeniedException("the capsule has another owner");
      }
      ApplicationKey key =
          HdKey.deserialize(secret.expose())
              .then(extended -> ApplicationKey.of(open.application(), extended))
              .orThrow();
      if (!key.publicKey().equals(metadata.applicationKey())) {
        key.close();
        throw new DeniedException("the key is not that of the capsule's application");
      }
      CapsuleName name = MetadataCodec.nameOf(signed);
      Application known = applications.get(name);
      if (known != null) {
        known.key.close();
        known.key = key;
        known.place = open.place();
        known.policy = open.policy();
      } else if (applications.size() >= MAX_APPLICATIONS) {
        key.close();
        throw new UnavailableException("this leader has too many applications");
      } else {
        known =
            new Application(
                name, open.metadata(), metadata.ownerKey(), key, open.place(), open.policy());
        applications.put(name, known);
        log(false, "leader.application", "capsule", name.toString());
      }
      appoint(known);
    }
    say(channel, new Done());
  }

  private Application owned(Channel channel, CapsuleName capsule) {
    Application application = applications.get(capsule);
    PublicKey owner = channel.owner;
    if (application == null || owner == null || !application.owner.equals(owner)) {
      // The same for both: who does not own it learns nothing of it.
      throw new DeniedException("there is no such application of yours");
    }
    return application;
  }

  private Job own(Channel channel, Octets id) {
    PublicKey owner = channel.owner;
    for (Application application : applications.values()) {
      Job job = application.jobs.get(id);
      if (job != null && owner != null && application.owner.equals(owner)) {
        return job;
      }
    }
    throw new DeniedException("there is no such job of yours");
  }

  private @Nullable Job find(Octets id) {
    for (Application application : applications.values()) {
      Job job = application.jobs.get(id);
      if (job != null) {
        return job;
      }
    }
    return null;
  }

  private void start(Channel channel, StartJob start) {
    Application application = owned(channel, start.capsule());
    if (find(start.job()) != null) {
      throw new InvalidRequestException("there is a job of that id");
    }
    ResultBox.publicKey(start.resultKey()).orThrow();
    if (application.jobs.size() >= MAX_JOBS) {
      Job oldest = application.jobs.values().stream().filter(Job::over).findFirst().orElse(null);
      if (oldest == null) {
        throw new UnavailableException("the application has " + MAX_JOBS + " jobs that run");
      }
      forget(oldest);
    }
    application.jobs.put(start.job(), new Job(application, start));
    log(
        false,
        "leader.job",
        "job",
        start.job().hex(),
        "capsule",
        start.capsule().toString(),
        "shares",
        Integer.toString(start.shares()));
    say(channel, new Done());
  }

  private void forget(Job job) {
    job.start.programKey().close();
    job.application.jobs.remove(job.start.job());
  }

  private static JobReport report(Job job, int fromLine) {
    List<ShareReport> shares = new ArrayList<>();
    for (Share share : job.shares) {
      shares.add(new ShareReport(share.state, share.attempts, share.measurement, share.result));
    }
    int skip = Math.max(0, fromLine - job.firstLine);
    List<JobLine> lines = job.lines.stream().skip(skip).toList();
    return new JobReport(
        shares, lines, job.firstLine + job.lines.size(), List.copyOf(job.refusals));
  }

  private void stop(Job job, String reason) {
    for (Share share : job.shares) {
      if (share.state == ShareState.WAITING || share.state == ShareState.RUNNING) {
        share.state = ShareState.STOPPED;
        Channel channel = channels.get(share.channel);
        if (channel != null && channel.job == job) {
          say(channel, new Reset(reason));
        }
      }
    }
  }

  private void reset(Application application) {
    for (Channel channel : channels.values()) {
      if (channel.member == application) {
        say(channel, new Reset("the application was reset"));
        channel.member = null;
        channel.job = null;
      }
    }
    for (Job job : List.copyOf(application.jobs.values())) {
      forget(job);
    }
    application.key.close();
    applications.remove(application.name);
    log(false, "leader.reset", "capsule", application.name.toString());
  }

  // ------------------------------------------------------------------ workers

  /** Whether the enclave behind a channel may have what is the application's. */
  private @Nullable String unfit(Channel channel, Application application) {
    if (!channel.peer.attested()) {
      return "it has shown no evidence";
    }
    return switch (channel.peer.judge(application.policy)) {
      case Decoded.Accepted<Boolean> _ -> null;
      case Decoded.Rejected<Boolean>(Rejection rejection) -> rejection.detail();
    };
  }

  private void take(Channel channel, Octets id, Octets program) {
    Job job = find(id);
    if (channel.spent || channel.serves || channel.owner != null) {
      notNow(channel, "this channel was used: attest anew");
      return;
    }
    if (job == null || job.over()) {
      notNow(channel, "no such job runs");
      return;
    }
    if (!job.start.program().equals(program)) {
      log(true, "leader.program_swapped", "job", id.hex(), "remote", channel.peer.remote());
      notNow(channel, "this is not the program of the job");
      return;
    }
    String unfit = unfit(channel, job.application);
    if (unfit != null) {
      String refusal = "worker " + channel.peer.measurement() + ": " + unfit;
      if (!job.refusals.contains(refusal)) {
        job.refusals.add(refusal);
        if (job.refusals.size() > MAX_REFUSALS) {
          job.refusals.removeFirst();
        }
      }
      log(
          true,
          "leader.worker_refused",
          "measurement",
          channel.peer.measurement(),
          "remote",
          channel.peer.remote(),
          "reason",
          unfit);
      notNow(channel, unfit);
      return;
    }
    for (int i = 0; i < job.shares.size(); i++) {
      Share share = job.shares.get(i);
      if (share.state == ShareState.WAITING) {
        share.state = ShareState.RUNNING;
        share.attempts++;
        share.measurement = channel.peer.measurement();
        share.channel = channel.id;
        channel.spent = true;
        channel.member = job.application;
        channel.job = job;
        channel.share = i;
        say(
            channel,
            new Grant(
                membership(job.application),
                i,
                job.shares.size(),
                SecretBytes.copyOf(job.start.programKey().expose()),
                job.start.resultKey(),
                job.start.arguments(),
                job.start.cpuMs()));
        log(
            false,
            "leader.share",
            "job",
            id.hex(),
            "share",
            Integer.toString(i),
            "attempt",
            Integer.toString(share.attempts),
            "worker",
            channel.peer.remote());
        return;
      }
    }
    notNow(channel, "every share has a worker");
  }

  private void notNow(Channel channel, String reason) {
    say(channel, new NotNow(reason));
  }

  private static Membership membership(Application application) {
    try (DataRoot root = application.key.dataRoot(application.name.toBytes())) {
      return new Membership(application.metadata, List.of(root.reveal()), application.place);
    }
  }

  private void serve(Channel channel) {
    if (channel.spent || channel.owner != null || !channel.peer.attested()) {
      throw new DeniedException("this channel was used, or has shown no evidence");
    }
    channel.serves = true;
    applications.values().forEach(this::appoint);
  }

  /** Appoints a coordinator of those who offered themselves, unless there is one. */
  private void appoint(Application application) {
    if (application.coordinator != 0) {
      return;
    }
    for (Channel channel : channels.values()) {
      if (channel.serves && channel.member == null && unfit(channel, application) == null) {
        application.coordinator = channel.id;
        channel.member = application;
        say(channel, membership(application));
        log(
            false,
            "leader.coordinator",
            "capsule",
            application.name.toString(),
            "remote",
            channel.peer.remote());
        return;
      }
    }
  }

  private void writer(Channel channel, WantWriter want) {
    Application application = channel.member;
    if (application == null
        || !application.name.equals(want.capsule())
        || channel.writers >= MAX_WRITERS) {
      say(channel, new NoWriter(want.request(), "this channel has no such writers"));
      return;
    }
    if (want.role() == RosterEntry.Role.COORDINATOR) {
      if (application.coordinator == 0) {
        application.coordinator = channel.id;
      }
      if (application.coordinator != channel.id) {
        say(channel, new NoWriter(want.request(), "another one was appointed coordinator"));
        return;
      }
    } else if (want.role() == RosterEntry.Role.LEADER) {
      say(channel, new NoWriter(want.request(), "there is no such role to give"));
      return;
    }
    channel.writers++;
    try (NewWriter fresh =
        WriterSource.of(application.name, application.key).introduce(want.role(), this::draw)) {
      say(
          channel,
          new GiveWriter(want.request(), Octets.copyOf(fresh.roster()), fresh.copySigningKey()));
    }
  }

  /** 62 random bits: that two are the same is not expected in a lifetime. */
  private long draw() {
    byte[] random = new byte[Long.BYTES];
    long writer = 0;
    while (writer == 0 || writer == RosterEntry.MAX_WRITER) {
      entropy.fill(random);
      writer = LittleEndian.getLong(random, 0) & RosterEntry.MAX_WRITER;
    }
    return writer;
  }

  private static Job working(Channel channel) {
    Job job = channel.job;
    if (job == null || job.shares.get(channel.share).channel != channel.id) {
      throw new DeniedException("this channel has no share");
    }
    return job;
  }

  private void finished(Channel channel, ShareResult result) {
    Job job = working(channel);
    Share share = job.shares.get(channel.share);
    if (share.state == ShareState.RUNNING) {
      share.state = result.good() ? ShareState.DONE : ShareState.FAILED;
      share.result = result;
      log(
          false,
          "leader.share_done",
          "job",
          job.start.job().hex(),
          "share",
          Integer.toString(channel.share),
          "good",
          Boolean.toString(result.good()));
    }
    leave(channel);
    say(channel, new Reset("the share is done"));
  }

  private static void leave(Channel channel) {
    Application application = channel.member;
    if (application != null && application.coordinator == channel.id) {
      application.coordinator = 0;
    }
    channel.member = null;
    channel.job = null;
  }

  private void closed(long id, String reason) {
    Channel channel = channels.remove(id);
    if (channel == null) {
      return;
    }
    Job job = channel.job;
    Application application = channel.member;
    if (job != null) {
      Share share = job.shares.get(channel.share);
      if (share.channel == id && share.state == ShareState.RUNNING) {
        share.state = share.attempts < MAX_ATTEMPTS ? ShareState.WAITING : ShareState.FAILED;
        job.line(
            channel.share,
            "[leader] the worker was lost, attempt "
                + share.attempts
                + " of "
                + MAX_ATTEMPTS
                + ": "
                + reason);
        log(
            true,
            "leader.worker_lost",
            "job",
            job.start.job().hex(),
            "share",
            Integer.toString(channel.share),
            "reason",
            reason);
      }
    }
    leave(channel);
    if (application != null) {
      appoint(application);
    }
  }

  /** Clears every key. */
  @Override
  public void close() {
    for (Application application : applications.values()) {
      application.key.close();
      application.jobs.values().forEach(job -> job.start.programKey().close());
    }
    applications.clear();
    channels.clear();
  }
}
