package io.capsuledb.host.launch;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.keys.HdKey;
import io.capsuledb.host.attest.encoding.Decoding;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.util.List;

/**
 * Bytes of {@link LaunchMessage}s: one byte of type, then the fields in the order of the records;
 * docs/format/launch.md. Takes any bytes.
 */
public final class LaunchCodec {

  private static final int PROVE = 1;
  private static final int OPEN_APPLICATION = 2;
  private static final int START_JOB = 3;
  private static final int ASK_JOB = 4;
  private static final int STOP_JOB = 5;
  private static final int RESET_APPLICATION = 6;
  private static final int ROTATE_KEYS = 7;
  private static final int DONE = 16;
  private static final int REFUSED = 17;
  private static final int JOB_REPORT = 18;
  private static final int OPENED = 19;
  private static final int TAKE = 32;
  private static final int SERVE = 33;
  private static final int MEMBERSHIP = 34;
  private static final int GRANT = 35;
  private static final int NOT_NOW = 36;
  private static final int WANT_WRITER = 37;
  private static final int GIVE_WRITER = 38;
  private static final int NO_WRITER = 39;
  private static final int PRINTED = 40;
  private static final int FINISHED = 41;
  private static final int RESET = 42;
  private static final int PAUSE = 43;
  private static final int PAUSED = 44;
  private static final int IDLE = 64;
  private static final int BUSY = 65;
  private static final int OFFER = 66;
  private static final int THROUGH = 67;
  private static final int SUBMIT = 68;
  private static final int WITHDRAW = 69;
  private static final int ASK_SCHEDULER = 70;
  private static final int SCHEDULER_REPORT = 71;

  private static final int MAX_TEXT = 4 * LaunchMessage.MAX_LINE;
  private static final int MAX_METADATA = 64 << 10;
  private static final int MAX_ADDRESSES = 128;
  private static final int MAX_ARGUMENTS = 256;
  private static final int MAX_ARGUMENT_BYTES = 64 << 10;
  private static final int MAX_ROSTER = 1 << 10;
  private static final int MAX_GENERATIONS = 1 << 16;
  private static final int MAX_RESULT = 2 << 20;
  private static final int MAX_KEY = 256;
  private static final int SIGNATURE = 64;
  private static final long MAX_CPU_MS = 600_000;

  private LaunchCodec() {}

  /** The bytes of a message. */
  public static byte[] encode(LaunchMessage message) {
    WireWriter out = new WireWriter();
    switch (message) {
      case Prove(PublicKey owner, Octets signature) -> {
        out.octet(PROVE);
        out.octets(Octets.own(owner.bytes()));
        out.octets(signature);
      }
      case OpenApplication open -> {
        out.octet(OPEN_APPLICATION);
        out.octets(open.metadata());
        out.number(open.application());
        out.secret(open.key());
        out.octets(open.certificate());
        put(out, open.place());
        out.text(open.policy().toml());
        out.list(
            open.policy().files(),
            file -> {
              out.text(file.name());
              out.octets(file.contents());
            });
      }
      case StartJob start -> {
        out.octet(START_JOB);
        out.octets(Octets.own(start.capsule().toBytes()));
        out.octets(start.job());
        out.secret(start.programKey());
        out.octets(start.program());
        out.octets(start.resultKey());
        out.number(start.shares());
        out.list(start.arguments(), out::text);
        out.longNumber(start.cpuMs());
      }
      case AskJob(Octets job, int fromLine) -> {
        out.octet(ASK_JOB);
        out.octets(job);
        out.number(fromLine);
      }
      case StopJob(Octets job) -> {
        out.octet(STOP_JOB);
        out.octets(job);
      }
      case ResetApplication(CapsuleName capsule) -> {
        out.octet(RESET_APPLICATION);
        out.octets(Octets.own(capsule.toBytes()));
      }
      case RotateKeys(CapsuleName capsule, SecretBytes key, Octets certificate) -> {
        out.octet(ROTATE_KEYS);
        out.octets(Octets.own(capsule.toBytes()));
        out.secret(key);
        out.octets(certificate);
      }
      case Done _ -> out.octet(DONE);
      case Opened(int generation, int newest) -> {
        out.octet(OPENED);
        out.number(generation);
        out.number(newest);
      }
      case Refused(String reason) -> {
        out.octet(REFUSED);
        out.text(reason);
      }
      case JobReport report -> {
        out.octet(JOB_REPORT);
        out.list(
            report.shares(),
            share -> {
              out.octet(share.state().number());
              out.number(share.attempts());
              out.text(share.measurement());
              put(out, share.result());
            });
        out.list(
            report.lines(),
            line -> {
              out.number(line.share());
              out.text(line.text());
            });
        out.number(report.nextLine());
        out.list(report.refusals(), out::text);
      }
      case Take(Octets job, Octets program) -> {
        out.octet(TAKE);
        out.octets(job);
        out.octets(program);
      }
      case Serve _ -> out.octet(SERVE);
      case Membership membership -> {
        out.octet(MEMBERSHIP);
        put(out, membership);
      }
      case Grant grant -> {
        out.octet(GRANT);
        put(out, grant.membership());
        out.number(grant.share());
        out.number(grant.shares());
        out.secret(grant.programKey());
        out.octets(grant.resultKey());
        out.list(grant.arguments(), out::text);
        out.longNumber(grant.cpuMs());
      }
      case NotNow(String reason) -> {
        out.octet(NOT_NOW);
        out.text(reason);
      }
      case WantWriter(int request, CapsuleName capsule, RosterEntry.Role role) -> {
        out.octet(WANT_WRITER);
        out.number(request);
        out.octets(Octets.own(capsule.toBytes()));
        out.octet(role.number());
      }
      case GiveWriter(int request, Octets roster, SecretBytes key) -> {
        out.octet(GIVE_WRITER);
        out.number(request);
        out.octets(roster);
        out.secret(key);
      }
      case NoWriter(int request, String reason) -> {
        out.octet(NO_WRITER);
        out.number(request);
        out.text(reason);
      }
      case Printed(List<String> lines) -> {
        out.octet(PRINTED);
        out.list(lines, out::text);
      }
      case Finished(ShareResult result) -> {
        out.octet(FINISHED);
        put(out, result);
      }
      case Reset(String reason) -> {
        out.octet(RESET);
        out.text(reason);
      }
      case Pause _ -> out.octet(PAUSE);
      case Paused _ -> out.octet(PAUSED);
      case Idle _ -> out.octet(IDLE);
      case Busy _ -> out.octet(BUSY);
      case Offer(Octets job, Octets program) -> {
        out.octet(OFFER);
        out.octets(job);
        out.octets(program);
      }
      case Through(Octets job, boolean ran) -> {
        out.octet(THROUGH);
        out.octets(job);
        out.flag(ran);
      }
      case Submit(Octets job, Octets program, int shares) -> {
        out.octet(SUBMIT);
        out.octets(job);
        out.octets(program);
        out.number(shares);
      }
      case Withdraw(Octets job) -> {
        out.octet(WITHDRAW);
        out.octets(job);
      }
      case AskScheduler _ -> out.octet(ASK_SCHEDULER);
      case SchedulerReport report -> {
        out.octet(SCHEDULER_REPORT);
        out.number(report.workers());
        out.number(report.idle());
        out.number(report.jobs());
        out.longNumber(report.offers());
      }
    }
    return out.finish();
  }

  private static void put(WireWriter out, Place place) {
    out.list(place.replicas(), out::text);
    out.list(place.routers(), out::text);
  }

  private static void put(WireWriter out, Membership membership) {
    out.octets(membership.metadata());
    out.list(membership.roots(), out::secret);
    put(out, membership.place());
  }

  private static void put(WireWriter out, ShareResult result) {
    out.flag(result.good());
    out.octets(result.sealed());
    out.octets(result.roster());
    out.octets(result.signature());
  }

  /** Reads a message. */
  public static Decoded<LaunchMessage> decode(byte[] bytes) {
    return Decoding.of(
        () -> {
          WireReader in = new WireReader(bytes);
          LaunchMessage message = read(in);
          in.end();
          return message;
        });
  }

  private static LaunchMessage read(WireReader in) {
    int type = in.octet();
    return switch (type) {
      case PROVE -> new Prove(key(in), in.octets(SIGNATURE, SIGNATURE));
      case OPEN_APPLICATION ->
          new OpenApplication(
              in.octets(1, MAX_METADATA),
              in.number(0, Integer.MAX_VALUE),
              in.secret(HdKey.SERIALIZED_BYTES),
              in.octets(0, GenerationCertificate.BYTES),
              place(in),
              new PolicyText(
                  in.text(MAX_METADATA),
                  in.list(
                      16, () -> new PolicyFile(in.text(MAX_TEXT), in.octets(0, MAX_METADATA)))));
      case START_JOB ->
          new StartJob(
              capsule(in),
              job(in),
              in.secret(32),
              in.octets(32, 32),
              in.octets(1, MAX_KEY),
              in.number(1, LaunchMessage.MAX_SHARES),
              in.list(MAX_ARGUMENTS, () -> in.text(MAX_ARGUMENT_BYTES)),
              in.longNumber(1, MAX_CPU_MS));
      case ASK_JOB -> new AskJob(job(in), in.number(0, Integer.MAX_VALUE));
      case STOP_JOB -> new StopJob(job(in));
      case RESET_APPLICATION -> new ResetApplication(capsule(in));
      case ROTATE_KEYS ->
          new RotateKeys(
              capsule(in),
              in.secret(HdKey.SERIALIZED_BYTES),
              in.octets(GenerationCertificate.BYTES, GenerationCertificate.BYTES));
      case DONE -> new Done();
      case OPENED -> new Opened(in.number(0, MAX_GENERATIONS), in.number(0, MAX_GENERATIONS));
      case REFUSED -> new Refused(in.text(MAX_TEXT));
      case JOB_REPORT ->
          new JobReport(
              in.list(LaunchMessage.MAX_SHARES, () -> share(in)),
              in.list(
                  LaunchMessage.MAX_LINES,
                  () -> new JobLine(in.number(0, LaunchMessage.MAX_SHARES), in.text(MAX_TEXT))),
              in.number(0, Integer.MAX_VALUE),
              in.list(64, () -> in.text(MAX_TEXT)));
      case TAKE -> new Take(job(in), in.octets(32, 32));
      case SERVE -> new Serve();
      case MEMBERSHIP -> membership(in);
      case GRANT ->
          new Grant(
              membership(in),
              in.number(0, LaunchMessage.MAX_SHARES - 1),
              in.number(1, LaunchMessage.MAX_SHARES),
              in.secret(32),
              in.octets(1, MAX_KEY),
              in.list(MAX_ARGUMENTS, () -> in.text(MAX_ARGUMENT_BYTES)),
              in.longNumber(1, MAX_CPU_MS));
      case NOT_NOW -> new NotNow(in.text(MAX_TEXT));
      case WANT_WRITER -> new WantWriter(in.number(0, Integer.MAX_VALUE), capsule(in), role(in));
      case GIVE_WRITER ->
          new GiveWriter(in.number(0, Integer.MAX_VALUE), in.octets(1, MAX_ROSTER), in.secret(32));
      case NO_WRITER -> new NoWriter(in.number(0, Integer.MAX_VALUE), in.text(MAX_TEXT));
      case PRINTED -> new Printed(in.list(LaunchMessage.MAX_LINES, () -> in.text(MAX_TEXT)));
      case FINISHED -> new Finished(result(in));
      case RESET -> new Reset(in.text(MAX_TEXT));
      case PAUSE -> new Pause();
      case PAUSED -> new Paused();
      case IDLE -> new Idle();
      case BUSY -> new Busy();
      case OFFER -> new Offer(job(in), in.octets(1, LaunchMessage.MAX_PROGRAM_BYTES));
      case THROUGH -> new Through(job(in), in.flag());
      case SUBMIT ->
          new Submit(
              job(in),
              in.octets(1, LaunchMessage.MAX_PROGRAM_BYTES),
              in.number(1, LaunchMessage.MAX_SHARES));
      case WITHDRAW -> new Withdraw(job(in));
      case ASK_SCHEDULER -> new AskScheduler();
      case SCHEDULER_REPORT ->
          new SchedulerReport(
              in.number(0, Integer.MAX_VALUE),
              in.number(0, Integer.MAX_VALUE),
              in.number(0, Integer.MAX_VALUE),
              in.longNumber(0, Long.MAX_VALUE));
      default -> throw Octets.malformed(Reason.UNKNOWN_TYPE, "message type " + type);
    };
  }

  private static PublicKey key(WireReader in) {
    return PublicKey.decode(in.octets(PublicKey.BYTES, PublicKey.BYTES).toArray(), 0).orThrow();
  }

  private static CapsuleName capsule(WireReader in) {
    return new CapsuleName(Hash32.of(in.octets(Hash32.BYTES, Hash32.BYTES).toArray()));
  }

  private static Octets job(WireReader in) {
    return in.octets(LaunchMessage.JOB_BYTES, LaunchMessage.JOB_BYTES);
  }

  private static Place place(WireReader in) {
    return new Place(
        in.list(MAX_ADDRESSES, () -> in.text(MAX_TEXT)),
        in.list(MAX_ADDRESSES, () -> in.text(MAX_TEXT)));
  }

  private static Membership membership(WireReader in) {
    return new Membership(
        in.octets(1, MAX_METADATA),
        in.list(MAX_GENERATIONS, () -> in.secret(DataRoot.BYTES)),
        place(in));
  }

  private static RosterEntry.Role role(WireReader in) {
    int number = in.octet();
    if (!RosterEntry.Role.known(number)) {
      throw Octets.malformed(Reason.UNKNOWN_TYPE, "role " + number);
    }
    return RosterEntry.Role.ofNumber(number);
  }

  private static ShareReport share(WireReader in) {
    int state = in.octet();
    ShareState[] states = ShareState.values();
    if (state >= states.length) {
      throw Octets.malformed(Reason.UNKNOWN_TYPE, "share state " + state);
    }
    return new ShareReport(
        states[state], in.number(0, Integer.MAX_VALUE), in.text(MAX_TEXT), result(in));
  }

  private static ShareResult result(WireReader in) {
    return new ShareResult(
        in.flag(), in.octets(0, MAX_RESULT), in.octets(0, MAX_ROSTER), in.octets(0, SIGNATURE));
  }
}
