package io.capsuledb.host.bench;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.EvidenceVerifier;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.attest.simulated.CodeMeasurement;
import io.capsuledb.host.attest.simulated.OwnCode;
import io.capsuledb.host.attest.simulated.SimulatedMachine;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.channel.LinkClient;
import io.capsuledb.host.config.EvidencePolicyFile;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.job.LaunchClient;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.JobReport;
import io.capsuledb.host.launch.LaunchMessage.ShareReport;
import io.capsuledb.host.launch.LaunchMessage.ShareState;
import io.capsuledb.host.launch.PolicyTexts;
import io.capsuledb.host.launch.ProgramBox;
import io.capsuledb.host.launch.ResultBox;
import io.capsuledb.host.node.CapsuleFounding;
import io.capsuledb.host.process.LaunchFile;
import io.capsuledb.host.process.LocalCluster;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Measures launches on simulated enclaves: what the time from a launch to a program's first
 * instruction is made of, how many pieces of evidence are judged in a second, what a rotation of
 * keys costs under load, and RESET against a restart. All processes share this machine.
 */
public final class LaunchBench {

  private static final long JOB_SECONDS = 300;
  private static final long LOOK_MS = 20;
  private static final long VERIFY_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final int LOAD_MS = 12_000;
  private static final int LOAD_CPU_MS = 60_000;
  private static final int BEFORE_ROTATION_MS = 4_000;
  private static final int BUCKET_MS = 250;
  private static final int KEY_BYTES = 32;
  private static final double NANOS_PER_MS = 1e6;

  private static final Pattern TIMES =
      Pattern.compile("attested in (\\d+) ms, granted in (\\d+) ms, joined in (\\d+) ms");
  private static final Pattern RESET = Pattern.compile("event=lambda\\.reset ms=(\\d+)");

  /** The program whose first instruction is waited for. */
  private static final String FIRST = "psl_return(Date.now());";

  /** Puts until its time is over, and counts them in buckets from a common beginning. */
  private static final String LOAD =
      """
      var begin = Number(args[0]), end = begin + %d, counts = [], n = 0;
      while (Date.now() < end) {
        put('bench:' + share + ':' + (n++ %% 1000), 'value');
        var at = Math.floor((Date.now() - begin) / %d);
        if (at >= 0) { counts[at] = (counts[at] || 0) + 1; }
      }
      for (var i = 0; i < counts.length; i++) { counts[i] = counts[i] || 0; }
      psl_return(counts.join(','));
      """
          .formatted(LOAD_MS, BUCKET_MS);

  /**
   * How to measure.
   *
   * @param directory where the cluster's directories are made; new
   * @param workers how many there are, one measurement for each number
   */
  public record Options(Path directory, List<Integer> workers) {
    /** Checks the ranges. */
    public Options {
      workers = List.copyOf(workers);
      if (workers.isEmpty() || workers.stream().anyMatch(count -> count < 1 || count > 16)) {
        throw new InvalidRequestException("workers is " + workers + ": allowed are 1 to 16 each");
      }
    }
  }

  /**
   * One figure.
   *
   * @param what it is of
   * @param value in {@code unit}
   */
  public record Figure(String what, double value, String unit) {}

  private record Done(JobReport report, List<String> results) {}

  private final Options options;
  private final Clock clock;
  private final Entropy entropy;
  private final Consumer<String> report;
  private final List<Figure> figures = new ArrayList<>();

  /**
   * A bench.
   *
   * @param report hears what it does, and figures as they come
   */
  public LaunchBench(Options options, Clock clock, Entropy entropy, Consumer<String> report) {
    this.options = options;
    this.clock = clock;
    this.entropy = entropy;
    this.report = report;
  }

  private void figure(String what, double value, String unit) {
    figures.add(new Figure(what, value, unit));
    report.accept(what + ": " + Math.round(value * 100) / 100.0 + " " + unit);
  }

  private double since(long nanos) {
    return (clock.monotonicNanos() - nanos) / NANOS_PER_MS;
  }

  /** Measures everything. */
  public List<Figure> run() {
    int most = options.workers().stream().mapToInt(Integer::intValue).max().orElse(1);
    Path directory = options.directory().resolve("launch");
    try (LocalCluster cluster =
            LocalCluster.start(new LocalCluster.Options(directory, 3, 0, null, most), report);
        Mnemonic words = Mnemonic.generate(entropy);
        KeyTree owner = KeyTree.fromMnemonic(words, "")) {
      LaunchFile file = LaunchFile.read(directory);
      // The first one founds the capsule, and warms everybody up.
      launch(file, owner, most, "");
      for (int count : options.workers()) {
        awaitIdle(file, most);
        launch(file, owner, count, count + (count == 1 ? " worker: " : " workers: "));
      }
      awaitIdle(file, most);
      verify(file);
      rotation(file, owner, most);
      awaitIdle(file, most);
      long begin = clock.monotonicNanos();
      cluster.addWorker();
      figure("a new worker's start, to attested and idle", since(begin), "ms");
      figure(
          "a worker's RESET, to attested and idle, mean of all above",
          reset(directory, most),
          "ms");
    }
    return List.copyOf(figures);
  }

  private static String wanted(LaunchFile file, String name) {
    String value = file.get(name);
    if (value == null) {
      throw new StorageException("the cluster's file does not say its " + name);
    }
    return value;
  }

  private LaunchClient connect(LaunchFile file, KeyTree owner) {
    return LaunchClient.leader(
        HostPort.parse(wanted(file, "leader")),
        new LinkClient.Security(
            null,
            PolicyTexts.rules(
                PolicyTexts.read(Path.of(wanted(file, "policy"))),
                () -> CollateralFolder.read(Path.of(wanted(file, "collateral"))),
                clock)),
        owner,
        entropy);
  }

  private byte[] capsule(LaunchFile file, KeyTree owner) {
    return CapsuleFounding.findOrFound(
        Path.of(wanted(file, "data")),
        wanted(file, "replicas"),
        LinkSecurity.PLAIN,
        owner,
        clock,
        entropy);
  }

  private int open(LaunchFile file, LaunchClient leader, KeyTree owner, byte[] metadata) {
    return leader.open(
        metadata,
        owner,
        CapsuleFounding.APPLICATION,
        new LaunchMessage.Place(
            ReplicaAddress.parseList(wanted(file, "replicas"), Path.of("")).stream()
                .map(ReplicaAddress::toString)
                .toList(),
            List.of(wanted(file, "join"))),
        PolicyTexts.read(Path.of(wanted(file, "policy"))));
  }

  /** Starts a job; the rest is waited for. */
  private Done job(
      LaunchFile file,
      LaunchClient leader,
      byte[] metadata,
      String program,
      List<String> arguments,
      int workers,
      Runnable submitted) {
    byte[] id = new byte[LaunchMessage.JOB_BYTES];
    entropy.fill(id);
    Octets job = Octets.own(id);
    byte[] key = new byte[KEY_BYTES];
    entropy.fill(key);
    KeyPair results = ResultBox.newKey();
    try (SecretBytes programKey = SecretBytes.own(key);
        SecretBytes source = SecretBytes.own(program.getBytes(StandardCharsets.UTF_8));
        LaunchClient scheduler =
            LaunchClient.scheduler(HostPort.parse(wanted(file, "scheduler")), entropy)) {
      Octets sealed = ProgramBox.seal(programKey, job, source);
      leader.ask(
          new LaunchMessage.StartJob(
              MetadataCodec.nameOf(metadata),
              job,
              programKey,
              ProgramBox.hash(sealed),
              Octets.own(results.getPublic().getEncoded()),
              workers,
              arguments,
              LOAD_CPU_MS));
      scheduler.ask(new LaunchMessage.Submit(job, sealed, workers));
      submitted.run();
      JobReport over = await(leader, job);
      scheduler.ask(new LaunchMessage.Withdraw(job));
      List<String> texts = new ArrayList<>();
      for (int share = 0; share < workers; share++) {
        ShareReport one = over.shares().get(share);
        if (one.state() != ShareState.DONE) {
          throw new UnavailableException("share " + share + " is " + one.state());
        }
        texts.add(LaunchClient.result(metadata, job, share, one, results.getPrivate()));
      }
      return new Done(over, texts);
    }
  }

  private JobReport await(LaunchClient leader, Octets job) {
    long end = clock.monotonicNanos() + TimeUnit.SECONDS.toNanos(JOB_SECONDS);
    while (clock.monotonicNanos() - end < 0) {
      if (leader.ask(new LaunchMessage.AskJob(job, 0)) instanceof JobReport now
          && now.shares().stream()
              .noneMatch(
                  share ->
                      share.state() == ShareState.WAITING || share.state() == ShareState.RUNNING)) {
        return now;
      }
      try {
        TimeUnit.MILLISECONDS.sleep(LOOK_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new UnavailableException("interrupted", e);
      }
    }
    throw new UnavailableException("the job is not over within " + JOB_SECONDS + " s");
  }

  // ------------------------------------------------------------------ launching

  /** Waits until all workers have reset themselves. */
  private void awaitIdle(LaunchFile file, int workers) {
    long end = clock.monotonicNanos() + TimeUnit.SECONDS.toNanos(JOB_SECONDS);
    try (LaunchClient scheduler =
        LaunchClient.scheduler(HostPort.parse(wanted(file, "scheduler")), entropy)) {
      while (clock.monotonicNanos() - end < 0) {
        if (scheduler.ask(new LaunchMessage.AskScheduler())
                instanceof LaunchMessage.SchedulerReport now
            && now.idle() >= workers) {
          return;
        }
        TimeUnit.MILLISECONDS.sleep(LOOK_MS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted", e);
    }
    throw new UnavailableException("the workers are not idle within " + JOB_SECONDS + " s");
  }

  private void launch(LaunchFile file, KeyTree owner, int workers, String name) {
    long begin = clock.monotonicNanos();
    long wall = clock.wallMs();
    try (LaunchClient leader = connect(file, owner)) {
      double attested = since(begin);
      byte[] metadata = capsule(file, owner);
      open(file, leader, owner, metadata);
      double opened = since(begin) - attested;
      double[] submitted = new double[1];
      Done done =
          job(file, leader, metadata, FIRST, List.of(), workers, () -> submitted[0] = since(begin));
      if (name.isEmpty()) {
        return;
      }
      figure(name + "attest the leader", attested, "ms");
      figure(name + "find and open the capsule (keys to the leader)", opened, "ms");
      figure(name + "program to leader and scheduler", submitted[0] - attested - opened, "ms");
      long[] slowest = new long[3];
      for (LaunchMessage.JobLine line : done.report().lines()) {
        Matcher times = TIMES.matcher(line.text());
        if (times.find()) {
          for (int i = 0; i < slowest.length; i++) {
            slowest[i] = Math.max(slowest[i], Long.parseLong(times.group(i + 1)));
          }
        }
      }
      figure(name + "attest workers (the slowest)", (double) slowest[0], "ms");
      figure(name + "keys and program to workers (the slowest)", (double) slowest[1], "ms");
      figure(name + "join the capsule (the slowest)", (double) slowest[2], "ms");
      List<Long> first =
          done.results().stream()
              .map(text -> (long) Double.parseDouble(text) - wall)
              .sorted()
              .toList();
      figure(
          name + "launch to the first instruction of any share", (double) first.getFirst(), "ms");
      figure(
          name + "launch to the first instruction of every share", (double) first.getLast(), "ms");
    }
  }

  // ------------------------------------------------------------------ evidence

  private void verify(LaunchFile file) {
    Path machine = Path.of(wanted(file, "collateral"));
    EvidencePolicyFile.Contents contents = EvidencePolicyFile.read(Path.of(wanted(file, "policy")));
    byte[] bound = new byte[EvidencePolicy.REPORT_DATA_BYTES];
    entropy.fill(bound);
    Octets reportData = Octets.own(bound);
    EvidencePolicy policy = contents.policy().boundToCertificate().build().boundTo(reportData);
    Octets evidence =
        new SimulatedMachine(machine)
            .enclave(CodeMeasurement.of(OwnCode.classPath()), entropy)
            .attest(reportData)
            .bytes();
    var collateral = CollateralFolder.read(machine);
    for (boolean anew : new boolean[] {true, false}) {
      EvidenceVerifier verifier = new EvidenceVerifier(contents.roots());
      long count = 0;
      long begin = clock.monotonicNanos();
      while (clock.monotonicNanos() - begin < VERIFY_NANOS) {
        if (anew) {
          verifier = new EvidenceVerifier(contents.roots());
        }
        if (!verifier
            .verify(evidence, collateral, Instant.ofEpochMilli(clock.wallMs()), policy)
            .accepted()) {
          throw new UnavailableException("the cluster's evidence is refused");
        }
        count++;
      }
      figure(
          anew
              ? "quotes judged, every certificate anew, one thread"
              : "quotes judged, certificates known, one thread",
          count * 1e3 / since(begin),
          "/s");
    }
  }

  // ------------------------------------------------------------------ rotation

  private void rotation(LaunchFile file, KeyTree owner, int workers) {
    try (LaunchClient leader = connect(file, owner);
        LaunchClient second = connect(file, owner)) {
      byte[] metadata = capsule(file, owner);
      int generation = open(file, leader, owner, metadata);
      CompletableFuture<long[]> rotated = new CompletableFuture<>();
      long base = clock.wallMs() + BEFORE_ROTATION_MS;
      Done done =
          job(
              file,
              leader,
              metadata,
              LOAD,
              List.of(Long.toString(base)),
              workers,
              () ->
                  Thread.ofPlatform()
                      .daemon()
                      .start(() -> rotate(second, owner, metadata, generation, base, rotated)));
      long[] when = rotated.get(JOB_SECONDS, TimeUnit.SECONDS);
      double[] puts = new double[3];
      double[] buckets = new double[3];
      for (String text : done.results()) {
        String[] counts = text.replace("\"", "").split(",", -1);
        for (int i = 0; i < counts.length; i++) {
          long from = (long) i * BUCKET_MS;
          int phase = from + BUCKET_MS <= when[0] ? 0 : from < when[1] ? 1 : 2;
          puts[phase] += Double.parseDouble(counts[i]);
          buckets[phase]++;
        }
      }
      String of = "rotation of " + workers + " workers under load: ";
      figure(of + "it takes", (double) (when[1] - when[0]), "ms");
      String[] names = {"puts before", "puts during", "puts after"};
      for (int phase = 0; phase < names.length; phase++) {
        double seconds = buckets[phase] / workers * BUCKET_MS / 1e3;
        figure(of + names[phase], seconds == 0 ? 0 : puts[phase] / seconds, "/s");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted", e);
    } catch (ExecutionException | TimeoutException e) {
      throw new UnavailableException("the rotation failed: " + e.getMessage(), e);
    }
  }

  private void rotate(
      LaunchClient leader,
      KeyTree owner,
      byte[] metadata,
      int generation,
      long base,
      CompletableFuture<long[]> rotated) {
    try {
      TimeUnit.MILLISECONDS.sleep(Math.max(0, base + BEFORE_ROTATION_MS - clock.wallMs()));
      long begin = clock.wallMs();
      leader.rotate(
          MetadataCodec.nameOf(metadata), owner, CapsuleFounding.APPLICATION, generation + 1);
      rotated.complete(new long[] {begin - base, clock.wallMs() - base});
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      rotated.completeExceptionally(e);
    } catch (RuntimeException e) {
      rotated.completeExceptionally(e);
    }
  }

  // ------------------------------------------------------------------ RESET

  private static double reset(Path directory, int workers) {
    long count = 0;
    double sum = 0;
    for (int i = 1; i <= workers; i++) {
      try {
        Matcher resets =
            RESET.matcher(Files.readString(directory.resolve("log/worker-" + i + ".log")));
        while (resets.find()) {
          count++;
          sum += Double.parseDouble(resets.group(1));
        }
      } catch (IOException e) {
        throw new StorageException("cannot read a worker's log (" + e + ")", e);
      }
    }
    return count == 0 ? 0 : sum / count;
  }
}
