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
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.keys.HdKey;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
 *   <li>the application key leaves in no message;
 *   <li>while the keys of an application are rotated, nobody is made a member of it;
 *   <li>whoever was told to reset itself gets nothing more, and after the RESET of an application
 *       nothing that was under way for it has an effect.
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

  /** How long members have to leave in good order before their keys are rotated. */
  static final long PAUSE_MS = 15_000;

  private static final int MAX_CHANNELS = 4096;
  private static final int MAX_REFUSALS = 32;

  /** Most writers for one channel: a worker has one, its tables and its coordinator others. */
  private static final int MAX_WRITERS = 1024;

  private static final byte[] OWNER_TAG =
      "capsuledb/v1/launch/owner".getBytes(StandardCharsets.US_ASCII);

  private static final class Application {
    private final CapsuleName name;
    private final Octets metadata;
    private final CapsuleMetadata facts;
    private ApplicationKey key;

    /** Of generations 0 to that of the key. */
    private List<DataRoot> roots;

    private Place place;
    private PolicyText policy;

    /** The channel that was appointed coordinator; 0 if there is none. */
    private long coordinator;

    private final Map<Octets, Job> jobs = new LinkedHashMap<>();

    /** Members that have left and wait for a membership. */
    private final Set<Long> paused = new LinkedHashSet<>();

    /** Whether a rotation was begun, by whomever, and has to be carried out first. */
    private boolean pending;

    private @Nullable Rotating rotating;

    Application(
        CapsuleName name,
        Octets metadata,
        CapsuleMetadata facts,
        ApplicationKey key,
        List<DataRoot> roots,
        Place place,
        PolicyText policy) {
      this.name = name;
      this.metadata = metadata;
      this.facts = facts;
      this.key = key;
      this.roots = roots;
      this.place = place;
      this.policy = policy;
    }

    PublicKey owner() {
      return facts.ownerKey();
    }

    /** Whether members may be in its capsule. */
    boolean serves() {
      return !pending && rotating == null;
    }

    void clear() {
      key.close();
      roots.forEach(DataRoot::close);
      Rotating running = rotating;
      if (running != null) {
        running.next.close();
      }
    }
  }

  /** A rotation: first the members leave, then the shell does it. */
  private static final class Rotating {
    private final long ticket;
    private final long client;
    private final ApplicationKey next;
    private final Set<Long> awaited = new LinkedHashSet<>();
    private boolean begun;

    Rotating(long ticket, long client, ApplicationKey next) {
      this.ticket = ticket;
      this.client = client;
      this.next = next;
    }
  }

  /** An application whose capsule is looked at. */
  private record Opening(
      long client, OpenApplication open, CapsuleMetadata facts, ApplicationKey key) {}

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

    void refusal(String reason) {
      // Whoever is refused has chosen some of it.
      String text =
          reason.length() <= LaunchMessage.MAX_LINE
              ? reason
              : reason.substring(0, LaunchMessage.MAX_LINE);
      if (!refusals.contains(text)) {
        refusals.add(text);
        if (refusals.size() > MAX_REFUSALS) {
          refusals.removeFirst();
        }
      }
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
  private final Map<Long, Opening> opening = new LinkedHashMap<>();
  private final Map<Long, Application> rotations = new LinkedHashMap<>();
  private long tickets;
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
      case LeaderInput.Found found -> found(found);
      case LeaderInput.Waited(long ticket) -> {
        Application application = rotations.get(ticket);
        if (application != null) {
          begin(application);
        }
      }
      case LeaderInput.Refused(String reason) -> {
        // Who waits for workers wants to know why there are fewer.
        for (Application application : applications.values()) {
          application.jobs.values().stream()
              .filter(job -> !job.over())
              .forEach(job -> job.refusal(reason));
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
        case RotateKeys rotate -> rotate(channel, rotate);
        case Paused _ -> paused(channel);
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
      ApplicationKey key = key(metadata, open.application(), secret, open.certificate());
      CapsuleName name = MetadataCodec.nameOf(signed);
      Application known = applications.get(name);
      if (known != null) {
        if (known.key.generation() == key.generation()) {
          known.place = open.place();
          known.policy = open.policy();
          appoint(known);
        }
        key.close();
        say(channel, new Opened(known.key.generation(), newest(known)));
      } else if (applications.size() + opening.size() >= MAX_APPLICATIONS) {
        key.close();
        throw new UnavailableException("this leader has too many applications");
      } else {
        long ticket = ++tickets;
        opening.put(ticket, new Opening(channel.id, open, metadata, key));
        outputs.add(new LeaderOutput.Look(ticket, name, open.place(), copy(key)));
      }
    }
  }

  /** An application key that belongs to a capsule, as its directory has it; the caller's. */
  private ApplicationKey key(
      CapsuleMetadata metadata, int application, SecretBytes secret, Octets certificate) {
    GenerationCertificate owners =
        certificate.length() == 0
            ? null
            : GenerationCertificate.decode(certificate.toArray(), 0).orThrow();
    ApplicationKey key =
        HdKey.deserialize(secret.expose())
            .then(extended -> ApplicationKey.of(application, extended, owners))
            .orThrow();
    boolean good =
        key.generation() == 0
            ? key.publicKey().equals(metadata.applicationKey())
            : owners != null
                && metadata.certified(certificate.toArray(), 0, key.generation(), curve)
                    instanceof Decoded.Accepted<?>;
    if (!good) {
      key.close();
      throw new DeniedException("the key is not that of the capsule's application");
    }
    if (metadata.directoryMode() == CapsuleMetadata.DirectoryMode.DERIVED) {
      try (ApplicationKey hardened = key) {
        return hardened.withDerivedWriters();
      }
    }
    return key;
  }

  private static ApplicationKey copy(ApplicationKey key) {
    try (SecretBytes extended = key.extendedPrivateKey()) {
      return HdKey.deserialize(extended.expose())
          .then(copied -> ApplicationKey.of(key.application(), copied, key.certificate()))
          .orThrow();
    }
  }

  private static int newest(Application application) {
    return application.key.generation() + (application.pending ? 1 : 0);
  }

  private void found(LeaderInput.Found found) {
    Opening waited = opening.remove(found.ticket());
    Application rotated = rotations.remove(found.ticket());
    CapsuleAccess.Generations generations = found.found();
    if (waited != null) {
      looked(waited, generations, found.failure());
    } else if (rotated != null && rotated.rotating != null) {
      rotated(rotated, rotated.rotating, generations, found.failure());
    } else if (generations != null) {
      generations.roots().forEach(DataRoot::close);
    }
  }

  private void tell(long client, LaunchMessage message) {
    Channel channel = channels.get(client);
    if (channel != null) {
      say(channel, message);
    }
  }

  private void looked(
      Opening waited, CapsuleAccess.@Nullable Generations generations, String failure) {
    CapsuleName name = MetadataCodec.nameOf(waited.open.metadata().toArray());
    if (generations == null) {
      waited.key.close();
      tell(waited.client, new Refused("the leader cannot open the capsule: " + failure));
      return;
    }
    if (generations.inForce() != waited.key.generation() || applications.containsKey(name)) {
      waited.key.close();
      generations.roots().forEach(DataRoot::close);
    } else {
      Application application =
          new Application(
              name,
              waited.open.metadata(),
              waited.facts,
              waited.key,
              generations.roots(),
              waited.open.place(),
              waited.open.policy());
      application.pending = generations.newest() > generations.inForce();
      applications.put(name, application);
      log(
          false,
          "leader.application",
          "capsule",
          name.toString(),
          "generation",
          Integer.toString(generations.inForce()));
      appoint(application);
    }
    tell(waited.client, new Opened(generations.inForce(), generations.newest()));
  }

  // ------------------------------------------------------------------ rotation

  private void rotate(Channel channel, RotateKeys rotate) {
    try (SecretBytes secret = rotate.key()) {
      Application application = owned(channel, rotate.capsule());
      if (application.rotating != null) {
        throw new UnavailableException("the keys are being rotated already");
      }
      ApplicationKey next =
          key(application.facts, application.key.application(), secret, rotate.certificate());
      if (next.generation() != application.key.generation() + 1) {
        int given = next.generation();
        next.close();
        throw new InvalidRequestException(
            "the key is of generation "
                + given
                + ", and that in force is "
                + application.key.generation());
      }
      Rotating rotating = new Rotating(++tickets, channel.id, next);
      application.rotating = rotating;
      rotations.put(rotating.ticket, application);
      for (Channel member : channels.values()) {
        if (member.member == application && !application.paused.contains(member.id)) {
          rotating.awaited.add(member.id);
          say(member, new Pause());
        }
      }
      log(
          false,
          "leader.rotating",
          "capsule",
          application.name.toString(),
          "generation",
          Integer.toString(next.generation()),
          "members",
          Integer.toString(rotating.awaited.size()));
      if (rotating.awaited.isEmpty()) {
        begin(application);
      } else {
        outputs.add(new LeaderOutput.Wait(rotating.ticket, PAUSE_MS));
      }
    }
  }

  /** A member has left in good order, or has found itself to be none any more. */
  private void paused(Channel channel) {
    Application application = channel.member;
    if (application == null) {
      throw new DeniedException("this channel is no member");
    }
    application.paused.add(channel.id);
    away(application, channel.id);
    resume(application);
  }

  private void away(Application application, long channel) {
    Rotating rotating = application.rotating;
    if (rotating != null && rotating.awaited.remove(channel) && rotating.awaited.isEmpty()) {
      begin(application);
    }
  }

  /** Rotates; members that have not left by now find out from the capsule. */
  private void begin(Application application) {
    Rotating rotating = application.rotating;
    if (rotating != null && !rotating.begun) {
      rotating.begun = true;
      outputs.add(
          new LeaderOutput.Rotate(
              rotating.ticket,
              application.name,
              application.place,
              copy(application.key),
              copy(rotating.next)));
    }
  }

  private void rotated(
      Application application,
      Rotating rotating,
      CapsuleAccess.@Nullable Generations generations,
      String failure) {
    application.rotating = null;
    if (generations == null || generations.inForce() != rotating.next.generation()) {
      rotating.next.close();
      if (generations != null) {
        generations.roots().forEach(DataRoot::close);
      }
      // It may have been announced: nobody can join before it is carried out.
      application.pending = true;
      log(true, "leader.rotation_failed", "reason", failure);
      tell(rotating.client, new Refused("the keys were not rotated: " + failure + "; repeat it"));
      return;
    }
    application.key.close();
    application.roots.forEach(DataRoot::close);
    application.key = rotating.next;
    application.roots = generations.roots();
    application.pending = false;
    log(
        false,
        "leader.rotated",
        "capsule",
        application.name.toString(),
        "generation",
        Integer.toString(generations.inForce()));
    tell(rotating.client, new Opened(generations.inForce(), generations.inForce()));
    resume(application);
    appoint(application);
  }

  /** Members that wait become members again. */
  private void resume(Application application) {
    if (application.serves()) {
      application.paused.forEach(id -> tell(id, membership(application)));
      application.paused.clear();
    }
  }

  private Application owned(Channel channel, CapsuleName capsule) {
    Application application = applications.get(capsule);
    PublicKey owner = channel.owner;
    if (application == null || owner == null || !application.owner().equals(owner)) {
      // The same for both: who does not own it learns nothing of it.
      throw new DeniedException("there is no such application of yours");
    }
    return application;
  }

  private Job own(Channel channel, Octets id) {
    PublicKey owner = channel.owner;
    for (Application application : applications.values()) {
      Job job = application.jobs.get(id);
      if (job != null && owner != null && application.owner().equals(owner)) {
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
          leave(channel);
          say(channel, new Reset(reason));
        }
      }
    }
    appoint(job.application);
  }

  private void reset(Application application) {
    for (Channel channel : channels.values()) {
      if (channel.member == application) {
        say(channel, new Reset("the application was reset"));
        channel.member = null;
        channel.job = null;
        // A coordinator, too, attests anew before it is one again.
        channel.serves = false;
      }
    }
    for (Job job : List.copyOf(application.jobs.values())) {
      forget(job);
    }
    // What is under way for it comes to nothing.
    rotations.values().removeIf(rotated -> rotated == application);
    opening
        .values()
        .removeIf(
            waited -> {
              boolean same =
                  MetadataCodec.nameOf(waited.open.metadata().toArray()).equals(application.name);
              if (same) {
                waited.key.close();
                tell(waited.client, new Refused("the application was reset meanwhile"));
              }
              return same;
            });
    application.clear();
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
    if (!job.application.serves()) {
      notNow(channel, "the keys are being rotated");
      return;
    }
    String unfit = unfit(channel, job.application);
    if (unfit != null) {
      job.refusal("worker " + channel.peer.measurement() + ": " + unfit);
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
    return new Membership(
        application.metadata,
        application.roots.stream().map(DataRoot::reveal).toList(),
        application.place);
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
    if (application.coordinator != 0 || !application.serves()) {
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
    if (!application.serves()) {
      say(channel, new NoWriter(want.request(), "the keys are being rotated"));
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
    appoint(job.application);
  }

  private void leave(Channel channel) {
    Application application = channel.member;
    if (application != null && application.coordinator == channel.id) {
      application.coordinator = 0;
    }
    channel.member = null;
    channel.job = null;
    if (application != null) {
      application.paused.remove(channel.id);
      away(application, channel.id);
    }
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
    opening.values().forEach(waited -> waited.key.close());
    opening.clear();
    rotations.clear();
    for (Application application : applications.values()) {
      application.clear();
      application.jobs.values().forEach(job -> job.start.programKey().close());
    }
    applications.clear();
    channels.clear();
  }
}
