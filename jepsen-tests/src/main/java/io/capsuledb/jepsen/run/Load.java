package io.capsuledb.jepsen.run;

import io.capsuledb.jepsen.history.HistoryRecorder;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.Endpoint;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import io.capsuledb.jepsen.workload.Answer;
import io.capsuledb.jepsen.workload.Invocation;
import io.capsuledb.jepsen.workload.Workload;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Clients at work. Each is a thread with a connection of its own, which asks for one thing at a
 * time, and a process in the history of its workload; an INFO ends process and connection, and the
 * client goes on as a new one.
 */
final class Load implements AutoCloseable {

  private static final long RECONNECT_MS = 100;
  private static final long FINAL_LIMIT_SECONDS = 120;

  /**
   * How much.
   *
   * @param clients in all
   * @param ratePerSecond operations in all; 0: as many as go
   * @param timeoutMs after which a reply is given up
   */
  record Options(int clients, int ratePerSecond, int timeoutMs, long seed) {}

  /** Of a session that wanders, on average. */
  private static final int STEPS_BETWEEN_SERVERS = 10;

  private final Options options;
  private final Supplier<List<Endpoint>> endpoints;
  private final LongSupplier clock;
  private final Map<Workload, HistoryRecorder> recorders = new LinkedHashMap<>();
  private final List<Workload> workloads;
  private final AtomicInteger nextProcess;
  private final ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
  private volatile boolean stopped;

  Load(
      Options options,
      List<Workload> workloads,
      Supplier<List<Endpoint>> endpoints,
      LongSupplier clock,
      Path directory) {
    this.options = options;
    this.endpoints = endpoints;
    this.clock = clock;
    this.workloads = List.copyOf(workloads);
    this.nextProcess = new AtomicInteger(options.clients);
    for (Workload workload : workloads) {
      recorders.put(workload, HistoryRecorder.open(directory, workload.name(), clock));
    }
  }

  /** Makes what workloads need first. */
  void prepare() throws IOException, ServerFaultException {
    for (Workload workload : workloads) {
      try (RespConnection connection =
          RespConnection.open(endpoints.get().getFirst(), options.timeoutMs)) {
        workload.prepare(connection);
      }
    }
  }

  /** Works until a time; returns when no operation is under way. */
  void run(long untilNs) throws InterruptedException {
    CountDownLatch done = new CountDownLatch(options.clients);
    for (int i = 0; i < options.clients; i++) {
      int number = i;
      Thread.ofVirtual()
          .name("client " + number)
          .start(
              () -> {
                try (Client client = new Client(number)) {
                  client.work(untilNs);
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                } catch (RuntimeException | Error e) {
                  // A defect of the testbed: the run is worth nothing.
                  failures.add(e);
                  stopped = true;
                } finally {
                  done.countDown();
                }
              });
    }
    done.await();
    Throwable failed = failures.peek();
    if (failed != null) {
      throw new IllegalStateException("a client of the testbed failed: " + failed, failed);
    }
  }

  /** Stops clients before their time. */
  void stop() {
    stopped = true;
  }

  /**
   * Asks every server for the final reads of all workloads until each was answered.
   *
   * @return what could not be read, in words
   */
  List<String> finalReads() throws InterruptedException {
    List<String> problems = new ArrayList<>();
    for (Workload workload : workloads) {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(FINAL_LIMIT_SECONDS);
      List<Invocation> reads = workload.finalReads();
      for (int node = 0; node < endpoints.get().size() && problems.isEmpty(); node++) {
        try (Client client = new Client(node, workload)) {
          client.finalReads(reads, deadline).ifPresent(problems::add);
        }
      }
    }
    return problems;
  }

  /** The history of a workload so far. */
  List<Op> history(Workload workload) {
    return recorder(workload).events();
  }

  private HistoryRecorder recorder(Workload workload) {
    HistoryRecorder recorder = recorders.get(workload);
    if (recorder == null) {
      throw new IllegalArgumentException("no workload of this load: " + workload.name());
    }
    return recorder;
  }

  @Override
  public void close() {
    recorders.values().forEach(HistoryRecorder::close);
  }

  /** One client. Used by one thread. */
  private final class Client implements AutoCloseable {

    private final int number;
    private final Workload workload;
    private final HistoryRecorder recorder;
    private final SplittableRandom random;
    private int process;
    private @Nullable RespConnection connection;
    private String last = "";

    private Client(int number) {
      this(number, number, workloads.get(number % workloads.size()));
    }

    /** A client of final reads at one of the servers. */
    private Client(int node, Workload workload) {
      // A number that no client at work has, and that leads to this server.
      this(
          options.clients * endpoints.get().size() + node, nextProcess.getAndIncrement(), workload);
    }

    private Client(int number, int process, Workload workload) {
      this.number = number;
      this.process = process;
      this.workload = workload;
      this.recorder = recorder(workload);
      this.random = new SplittableRandom(options.seed * 31 + number);
    }

    /** Reads each until it is answered; what could not be read, in words. */
    private Optional<String> finalReads(List<Invocation> reads, long deadline)
        throws InterruptedException {
      for (Invocation read : reads) {
        while (once(read).type() != OpType.OK) {
          if (System.nanoTime() > deadline) {
            return Optional.of("final reads of " + workload.name() + " are not answered: " + last);
          }
          Thread.sleep(RECONNECT_MS);
        }
      }
      return Optional.empty();
    }

    private void work(long untilNs) throws InterruptedException {
      long intervalNs =
          options.ratePerSecond == 0
              ? 0
              : TimeUnit.SECONDS.toNanos(options.clients) / options.ratePerSecond;
      long due = clock.getAsLong() + (intervalNs == 0 ? 0 : random.nextLong(intervalNs));
      while (!stopped) {
        long now = clock.getAsLong();
        if (Math.max(now, due) >= untilNs) {
          return;
        }
        if (due > now) {
          TimeUnit.NANOSECONDS.sleep(due - now);
        }
        // One that was held up does not catch up at once.
        due = Math.max(due + intervalNs, clock.getAsLong());
        once(workload.next(number, process, random));
        if (workload.wanders() && random.nextInt(STEPS_BETWEEN_SERVERS) == 0) {
          wander();
        }
        if (connection == null) {
          Thread.sleep(RECONNECT_MS);
        }
      }
    }

    /** Goes to another server with what the session has seen; a session that cannot has ended. */
    private void wander() {
      RespConnection open = connection;
      List<Endpoint> current = endpoints.get();
      if (open == null || current.size() < 2) {
        return;
      }
      Endpoint next =
          current.get(
              (current.indexOf(open.endpoint()) + 1 + random.nextInt(current.size() - 1))
                  % current.size());
      try {
        String token = open.call("CAPSULE.TOKEN").text();
        disconnect();
        connection = RespConnection.open(next, options.timeoutMs);
        connection
            .call("CAPSULE.WAITFOR", String.valueOf(token), Integer.toString(options.timeoutMs / 2))
            .check();
      } catch (IOException | ServerFaultException e) {
        disconnect();
        process = nextProcess.getAndIncrement();
      }
    }

    private Answer once(Invocation invocation) {
      String trouble = connect();
      RespConnection open = connection;
      Op op =
          recorder.invoke(
              process,
              open == null ? "none" : open.endpoint().name(),
              invocation.function(),
              invocation.key(),
              invocation.value());
      Answer answer;
      if (open == null) {
        answer = new Answer(OpType.FAIL, invocation.value(), true, trouble);
      } else {
        answer = ask(open, invocation);
      }
      last = String.valueOf(answer.error());
      recorder.complete(op, answer.type(), answer.value(), answer.applied(), answer.error());
      workload.ended(number, invocation, answer);
      if (answer.type() == OpType.INFO) {
        process = nextProcess.getAndIncrement();
        disconnect();
      }
      return answer;
    }

    private Answer ask(RespConnection open, Invocation invocation) {
      Term asked = invocation.value();
      try {
        return workload.perform(open, invocation);
      } catch (ServerFaultException e) {
        boolean harmless = e.certain() || invocation.function().endsWith("read");
        return new Answer(
            harmless ? OpType.FAIL : OpType.INFO, asked, true, String.valueOf(e.getMessage()));
      } catch (IOException e) {
        return new Answer(OpType.INFO, asked, true, e.toString());
      }
    }

    /** Connects if there is no connection, or it leads to where nobody should ask any more. */
    private String connect() {
      List<Endpoint> current = endpoints.get();
      RespConnection open = connection;
      if (open != null && current.contains(open.endpoint())) {
        return "";
      }
      disconnect();
      Endpoint endpoint = current.get(number % current.size());
      try {
        connection = RespConnection.open(endpoint, options.timeoutMs);
        return "";
      } catch (IOException e) {
        return "cannot connect to " + endpoint + ": " + e.getMessage();
      }
    }

    private void disconnect() {
      RespConnection open = connection;
      connection = null;
      if (open != null) {
        open.close();
      }
    }

    @Override
    public void close() {
      disconnect();
    }
  }
}
