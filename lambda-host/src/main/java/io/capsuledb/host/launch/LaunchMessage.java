package io.capsuledb.host.launch;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.host.attest.encoding.Octets;
import java.util.List;

/**
 * What parties of a launch say to each other, as docs/launch.md tells. Immutable but for the
 * secrets inside, which whoever takes them clears.
 */
public sealed interface LaunchMessage {

  /** Bytes of a job's id. */
  int JOB_BYTES = 16;

  /** Most shares of a job. */
  int MAX_SHARES = 256;

  /** Most lines kept of a job, and most bytes of one. */
  int MAX_LINES = 4096;

  /** Longest line, in characters. */
  int MAX_LINE = 1024;

  /** Longest program, encrypted, in bytes. */
  int MAX_PROGRAM_BYTES = 4 << 20;

  // ------------------------------------------------------------------ client to leader

  /** Who the client is: a signature over the channel's binding. */
  record Prove(PublicKey owner, Octets signature) implements LaunchMessage {}

  /**
   * An application, new to this leader or not.
   *
   * @param metadata the capsule's, signed
   * @param key the application key of a generation, 78 bytes of BIP 32
   * @param certificate the owner's of that generation; empty for generation 0
   * @param policy whom to take for a worker
   */
  record OpenApplication(
      Octets metadata,
      int application,
      SecretBytes key,
      Octets certificate,
      Place place,
      PolicyText policy)
      implements LaunchMessage {}

  /**
   * The next key generation of an application is to begin.
   *
   * @param key its application key, 78 bytes of BIP 32
   * @param certificate the owner's
   */
  record RotateKeys(CapsuleName capsule, SecretBytes key, Octets certificate)
      implements LaunchMessage {}

  /**
   * Where a capsule is.
   *
   * @param replicas HOST:PORT=KEY each
   * @param routers HOST:PORT each
   */
  record Place(List<String> replicas, List<String> routers) {
    public Place {
      replicas = List.copyOf(replicas);
      routers = List.copyOf(routers);
    }
  }

  /**
   * A policy file with the files that it names.
   *
   * @param toml its text
   * @param files roots, by name
   */
  record PolicyText(String toml, List<PolicyFile> files) {
    public PolicyText {
      files = List.copyOf(files);
    }
  }

  /** A file that a policy names. */
  record PolicyFile(String name, Octets contents) {}

  /**
   * A job.
   *
   * @param job its id
   * @param programKey opens the program
   * @param program SHA-256 of the encrypted program
   * @param resultKey X25519, as SubjectPublicKeyInfo: results are sealed to it
   * @param cpuMs what a share may use
   */
  record StartJob(
      CapsuleName capsule,
      Octets job,
      SecretBytes programKey,
      Octets program,
      Octets resultKey,
      int shares,
      List<String> arguments,
      long cpuMs)
      implements LaunchMessage {
    public StartJob {
      arguments = List.copyOf(arguments);
    }
  }

  /**
   * How a job is.
   *
   * @param fromLine the first line that is wanted
   */
  record AskJob(Octets job, int fromLine) implements LaunchMessage {}

  /** Ends a job: its workers reset themselves. */
  record StopJob(Octets job) implements LaunchMessage {}

  /** Has every worker of an application reset itself, and the leader forget its keys. */
  record ResetApplication(CapsuleName capsule) implements LaunchMessage {}

  // ------------------------------------------------------------------ leader to client

  /** What was asked is done. */
  record Done() implements LaunchMessage {}

  /** What was asked is not done. */
  record Refused(String reason) implements LaunchMessage {}

  /**
   * An application is open, if the key was that of the generation in force; else it has to be
   * opened with that key.
   *
   * @param generation in force
   * @param newest one more if a rotation was begun and has to be carried out
   */
  record Opened(int generation, int newest) implements LaunchMessage {}

  /** How a share is. */
  enum ShareState {
    WAITING(0),
    RUNNING(1),
    DONE(2),
    FAILED(3),
    STOPPED(4);

    private final int number;

    ShareState(int number) {
      this.number = number;
    }

    /** The number in messages. */
    int number() {
      return number;
    }
  }

  /**
   * One share.
   *
   * @param attempts workers that were given it so far
   * @param measurement of the newest of them
   * @param result empty until it is done
   */
  record ShareReport(ShareState state, int attempts, String measurement, ShareResult result) {}

  /**
   * What a worker made of a share: sealed, and signed by the writer whom the roster introduces.
   *
   * @param sealed {@link ResultBox}; a JSON text, or what went wrong
   * @param roster a ROSTER's payload
   * @param signature by that writer
   */
  record ShareResult(boolean good, Octets sealed, Octets roster, Octets signature) {
    static final ShareResult NONE =
        new ShareResult(false, Octets.EMPTY, Octets.EMPTY, Octets.EMPTY);
  }

  /** A line that a program printed. */
  record JobLine(int share, String text) {}

  /**
   * A job.
   *
   * @param lines from the one that was asked for on
   * @param nextLine what to ask for next
   * @param refusals workers that were refused, by measurement, with the reason; newest last
   */
  record JobReport(
      List<ShareReport> shares, List<JobLine> lines, int nextLine, List<String> refusals)
      implements LaunchMessage {
    public JobReport {
      shares = List.copyOf(shares);
      lines = List.copyOf(lines);
      refusals = List.copyOf(refusals);
    }
  }

  // ------------------------------------------------------------------ worker and leader

  /** A worker wants a share of a job that it was offered. */
  record Take(Octets job, Octets program) implements LaunchMessage {}

  /** A coordinator offers itself. */
  record Serve() implements LaunchMessage {}

  /**
   * What a member of a capsule needs.
   *
   * @param roots data roots of generations 0, 1, 2, …
   */
  record Membership(Octets metadata, List<SecretBytes> roots, Place place)
      implements LaunchMessage {
    public Membership {
      roots = List.copyOf(roots);
    }
  }

  /** A share. */
  record Grant(
      Membership membership,
      int share,
      int shares,
      SecretBytes programKey,
      Octets resultKey,
      List<String> arguments,
      long cpuMs)
      implements LaunchMessage {
    public Grant {
      arguments = List.copyOf(arguments);
    }
  }

  /** There is no share for this worker. */
  record NotNow(String reason) implements LaunchMessage {}

  /**
   * A worker needs a writer.
   *
   * @param request chosen by the worker, comes back in the answer
   */
  record WantWriter(int request, CapsuleName capsule, RosterEntry.Role role)
      implements LaunchMessage {}

  /** A writer. */
  record GiveWriter(int request, Octets roster, SecretBytes key) implements LaunchMessage {}

  /** No writer. */
  record NoWriter(int request, String reason) implements LaunchMessage {}

  /** What a program printed. */
  record Printed(List<String> lines) implements LaunchMessage {
    public Printed {
      lines = List.copyOf(lines);
    }
  }

  /** A share is done. */
  record Finished(ShareResult result) implements LaunchMessage {}

  /** The worker is to reset itself. */
  record Reset(String reason) implements LaunchMessage {}

  /** The keys are about to be rotated: the member is to leave its capsule, and to say so. */
  record Pause() implements LaunchMessage {}

  /** A member is none any more, and wants to be one again: a {@link Membership} is the answer. */
  record Paused() implements LaunchMessage {}

  // ------------------------------------------------------------------ scheduler

  /** A worker is there, and idle. Also its heartbeat. */
  record Idle() implements LaunchMessage {}

  /** A worker is there, and busy. */
  record Busy() implements LaunchMessage {}

  /** A program for a worker. */
  record Offer(Octets job, Octets program) implements LaunchMessage {}

  /**
   * A worker is through with an offer.
   *
   * @param ran whether it had a share; else somebody may try again
   */
  record Through(Octets job, boolean ran) implements LaunchMessage {}

  /** A program, to be offered until as many workers as it has shares ran it. */
  record Submit(Octets job, Octets program, int shares) implements LaunchMessage {}

  /** A program is not to be offered any more. */
  record Withdraw(Octets job) implements LaunchMessage {}

  /** How the scheduler is. */
  record AskScheduler() implements LaunchMessage {}

  /** What a scheduler sees. */
  record SchedulerReport(int workers, int idle, int jobs, long offers) implements LaunchMessage {}
}
