package io.capsuledb.host.launch;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The scheduler: which workers are there, and which programs they are offered. Nobody trusts it;
 * what it does wrong delays jobs.
 *
 * <p>Invariants: a worker has one offer at a time; a program is offered to as many workers at once
 * as shares of it have not been run; a worker that has been silent for {@link #SILENCE_NANOS} is
 * not there. Everything it keeps is bounded.
 *
 * <p>Step function; one thread at a time.
 */
public final class SchedulerCore {

  /** A worker that says nothing for so long is taken for gone. */
  static final long SILENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

  /** How often a worker says that it is there. */
  public static final long HEARTBEAT_MS = 1_000;

  /** A worker that had no share of a program is not offered it again for so long. */
  static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final int MAX_CHANNELS = 4096;
  private static final int MAX_PROGRAMS = 256;
  private static final long MAX_PROGRAM_BYTES = 256L << 20;

  /** What it wants done. */
  public sealed interface Output {
    /** Something is to be said. */
    record Say(long channel, LaunchMessage message) implements Output {}

    /** A channel is to be closed. */
    record Close(long channel, String reason) implements Output {}
  }

  private static final class Worker {
    private final long channel;
    private boolean idle;
    private long heardAt;
    private @Nullable Octets offered;
    private final Map<Octets, Long> notBefore = new HashMap<>();

    Worker(long channel) {
      this.channel = channel;
    }
  }

  private static final class Program {
    private final Submit submit;
    private int ran;
    private int offered;

    Program(Submit submit) {
      this.submit = submit;
    }
  }

  private final Map<Long, Worker> workers = new LinkedHashMap<>();
  private final Map<Octets, Program> programs = new LinkedHashMap<>();
  private List<Output> outputs = new ArrayList<>();
  private long programBytes;
  private long offers;

  /** Somebody said something that was decoded, or not. */
  public List<Output> said(long now, long channel, Decoded<LaunchMessage> decoded) {
    outputs = new ArrayList<>();
    switch (decoded) {
      case Decoded.Rejected<LaunchMessage>(var rejection) ->
          outputs.add(new Output.Close(channel, rejection.detail()));
      case Decoded.Accepted<LaunchMessage>(LaunchMessage message) -> said(now, channel, message);
    }
    dispatch(now);
    return List.copyOf(outputs);
  }

  /** Time passed. */
  public List<Output> tick(long now) {
    outputs = new ArrayList<>();
    for (Worker worker : List.copyOf(workers.values())) {
      if (now - worker.heardAt > SILENCE_NANOS) {
        gone(worker.channel);
        outputs.add(new Output.Close(worker.channel, "silent for too long"));
      }
    }
    dispatch(now);
    return List.copyOf(outputs);
  }

  /** A channel is over. */
  public List<Output> closed(long now, long channel) {
    outputs = new ArrayList<>();
    gone(channel);
    dispatch(now);
    return List.copyOf(outputs);
  }

  private void gone(long channel) {
    Worker worker = workers.remove(channel);
    if (worker != null) {
      through(worker, false);
    }
  }

  private void through(Worker worker, boolean ran) {
    Octets job = worker.offered;
    worker.offered = null;
    Program program = job == null ? null : programs.get(job);
    if (program != null) {
      program.offered--;
      if (ran) {
        program.ran++;
        if (program.ran >= program.submit.shares()) {
          drop(program);
        }
      }
    }
  }

  private void drop(Program program) {
    programs.remove(program.submit.job());
    programBytes -= program.submit.program().length();
  }

  private void said(long now, long channel, LaunchMessage message) {
    switch (message) {
      case Idle _ -> heard(now, channel, true);
      case Busy _ -> heard(now, channel, false);
      case Through(Octets job, boolean ran) -> {
        Worker worker = workers.get(channel);
        if (worker != null && job.equals(worker.offered)) {
          through(worker, ran);
          worker.notBefore.keySet().retainAll(programs.keySet());
          if (!ran) {
            worker.notBefore.put(job, now + RETRY_NANOS);
          }
        }
      }
      case Submit submit -> {
        if (programs.containsKey(submit.job())) {
          outputs.add(new Output.Say(channel, new Refused("there is a job of that id")));
        } else if (programs.size() >= MAX_PROGRAMS
            || programBytes + submit.program().length() > MAX_PROGRAM_BYTES) {
          outputs.add(new Output.Say(channel, new Refused("the scheduler is full")));
        } else {
          programs.put(submit.job(), new Program(submit));
          programBytes += submit.program().length();
          outputs.add(new Output.Say(channel, new Done()));
        }
      }
      case Withdraw(Octets job) -> {
        Program program = programs.get(job);
        if (program != null) {
          drop(program);
        }
        outputs.add(new Output.Say(channel, new Done()));
      }
      case AskScheduler _ ->
          outputs.add(
              new Output.Say(
                  channel,
                  new SchedulerReport(
                      workers.size(),
                      (int)
                          workers.values().stream()
                              .filter(worker -> worker.idle && worker.offered == null)
                              .count(),
                      programs.size(),
                      offers)));
      default -> outputs.add(new Output.Close(channel, "not something one says to a scheduler"));
    }
  }

  private void heard(long now, long channel, boolean idle) {
    Worker worker = workers.get(channel);
    if (worker == null) {
      if (workers.size() >= MAX_CHANNELS) {
        outputs.add(new Output.Close(channel, "the scheduler has too many workers"));
        return;
      }
      worker = new Worker(channel);
      workers.put(channel, worker);
    }
    worker.heardAt = now;
    worker.idle = idle;
  }

  private void dispatch(long now) {
    for (Program program : programs.values()) {
      for (Worker worker : workers.values()) {
        if (program.offered + program.ran >= program.submit.shares()) {
          break;
        }
        Long notBefore = worker.notBefore.get(program.submit.job());
        if (worker.idle && worker.offered == null && (notBefore == null || now - notBefore >= 0)) {
          worker.offered = program.submit.job();
          worker.idle = false;
          program.offered++;
          offers++;
          outputs.add(
              new Output.Say(
                  worker.channel, new Offer(program.submit.job(), program.submit.program())));
        }
      }
    }
  }
}
