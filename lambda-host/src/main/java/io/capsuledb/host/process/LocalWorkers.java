package io.capsuledb.host.process;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Several workers on one capsule as processes of their own on this machine, and a router between
 * them. In its directory: {@code owner.key}, {@code worker-1/}, {@code worker-2/}, … and {@code
 * log/}. A process that ends is started again, after a pause that grows; one that keeps ending is
 * given up, and said so. Thread-safe.
 */
public final class LocalWorkers implements AutoCloseable {

  /** Most workers. */
  public static final int MAX_WORKERS = 64;

  private static final long START_SECONDS = 180;
  private static final long STOP_SECONDS = 30;
  private static final int MAX_TRIES = 32;
  private static final long FIRST_PAUSE_MS = 250;
  private static final long LASTING_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final String OWNER_KEY = "owner.key";
  private static final String NONE = "none";

  /**
   * How they are to be.
   *
   * @param directory where everything is
   * @param workers how many
   * @param listen where the first listens; the others at the ports after it, or any free ones if
   *     the port is 0
   * @param http where the first serves metrics, the others at the ports after it; null: nowhere
   * @param join routers; empty: one is started
   * @param arguments of the command beside those
   */
  public record Options(
      Path directory,
      int workers,
      HostPort listen,
      @Nullable HostPort http,
      List<HostPort> join,
      List<String> arguments) {

    /** Checks the ranges. */
    public Options {
      join = List.copyOf(join);
      arguments = List.copyOf(arguments);
      if (workers < 1 || workers > MAX_WORKERS) {
        throw new InvalidRequestException(
            "workers is " + workers + ": allowed are 1 to " + MAX_WORKERS);
      }
      checkPorts("listen", listen, workers);
      if (http != null) {
        checkPorts("http", http, workers);
        if (listen.port() != 0
            && http.port() != 0
            && Math.abs(listen.port() - http.port()) < workers) {
          throw new InvalidRequestException(
              "http is '"
                  + http
                  + "': its ports meet those of listen, for each worker takes one of both; allowed"
                  + " is another one, or none");
        }
      }
    }

    private static void checkPorts(String name, HostPort first, int workers) {
      if (first.port() + workers - 1 > 65535) {
        throw new InvalidRequestException(
            name + " is '" + first + "': there are no ports after it for " + workers + " workers");
      }
    }
  }

  /** One process that is kept alive. */
  private final class Kept {
    final String name;
    final List<String> arguments;
    final String event;
    private @Nullable ChildProcess child;
    private long begun;
    private int tries;
    private boolean away;

    Kept(String name, List<String> arguments, String event) {
      this.name = name;
      this.arguments = List.copyOf(arguments);
      this.event = event;
    }

    String start() {
      ChildProcess started;
      synchronized (LocalWorkers.this) {
        if (closing) {
          throw new UnavailableException("it was told to stop");
        }
        begun = System.nanoTime();
        started =
            ChildProcess.start(
                name, arguments, options.directory().resolve("log").resolve(name + ".log"), event);
        child = started;
        kept.remove(this);
        kept.add(this);
      }
      started.onEnd(() -> ended(started));
      return started.awaitReady(START_SECONDS);
    }

    private void ended(ChildProcess process) {
      synchronized (LocalWorkers.this) {
        if (closing || !ready || away) {
          return;
        }
      }
      tries = System.nanoTime() - begun > LASTING_NANOS ? 1 : tries + 1;
      String how = name + " " + process.describeEnd() + "; see " + process.log();
      if (tries > MAX_TRIES) {
        report.accept(how + "; given up after " + MAX_TRIES + " times");
        givenUp();
        return;
      }
      report.accept(how + "; it is started again");
      try {
        TimeUnit.MILLISECONDS.sleep(FIRST_PAUSE_MS << Math.min(tries, 5));
        start();
        report.accept(name + " is ready again");
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } catch (CapsuleException e) {
        // If its process ended, that is heard of by itself.
        report.accept(name + ": " + e.getMessage());
      }
    }

    void stop() {
      ChildProcess known = child;
      if (known != null) {
        known.stop();
      }
    }

    void finish() {
      ChildProcess known = child;
      if (known != null && known.awaitEnd(STOP_SECONDS)) {
        report.accept(name + " did not stop within " + STOP_SECONDS + " s and was killed");
      }
    }
  }

  private final Options options;
  private final Consumer<String> report;
  private final List<Kept> kept = new ArrayList<>();
  private final List<HostPort> addresses = new ArrayList<>();
  private final CountDownLatch over = new CountDownLatch(1);
  private boolean ready;
  private boolean closing;
  private int lost;

  private LocalWorkers(Options options, Consumer<String> report) {
    this.options = options;
    this.report = report;
  }

  /**
   * Starts them; when this returns, all of them serve.
   *
   * @param report hears what happens, in sentences
   * @throws UnavailableException if a process does not start
   */
  public static LocalWorkers start(Options options, Consumer<String> report) {
    LocalWorkers workers = new LocalWorkers(options, report);
    boolean started = false;
    try {
      workers.begin();
      started = true;
      return workers;
    } finally {
      if (!started) {
        workers.close();
      }
    }
  }

  private void begin() {
    Path directory = options.directory();
    ChildProcess.makeDirectory(directory.resolve("log"));
    String join = String.join(",", options.join().stream().map(HostPort::toString).toList());
    if (join.isEmpty()) {
      Kept router =
          new Kept(
              "router",
              List.of("router", "--listen", "127.0.0.1:0", "--http", NONE),
              "router.ready");
      join = field(router, router.start(), "listen");
      // It comes back where it was.
      kept.remove(router);
      ChildProcess running = router.child;
      Kept again =
          new Kept("router", List.of("router", "--listen", join, "--http", NONE), "router.ready");
      again.child = running;
      kept.add(again);
      if (running != null) {
        running.onEnd(() -> again.ended(running));
      }
      report.accept("router is ready on " + join);
    }
    List<Kept> workers = new ArrayList<>();
    for (int i = 1; i <= options.workers(); i++) {
      workers.add(worker(i, join));
    }
    giveKey(1);
    announce(workers.getFirst(), workers.getFirst().start());
    keepKey();
    List<Thread> threads = new ArrayList<>();
    List<CapsuleException> failures = new ArrayList<>();
    String[] lines = new String[workers.size()];
    for (int i = 2; i <= workers.size(); i++) {
      giveKey(i);
      int at = i - 1;
      threads.add(
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      lines[at] = workers.get(at).start();
                    } catch (CapsuleException e) {
                      synchronized (failures) {
                        failures.add(e);
                      }
                    }
                  }));
    }
    try {
      for (Thread thread : threads) {
        thread.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while the workers started", e);
    }
    if (!failures.isEmpty()) {
      throw failures.getFirst();
    }
    for (int i = 1; i < lines.length; i++) {
      announce(workers.get(i), lines[i]);
    }
    synchronized (this) {
      ready = true;
    }
  }

  private Kept worker(int number, String join) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "worker",
                "--data",
                data(number).toString(),
                "--join",
                join,
                "--listen",
                at(options.listen(), number).toString(),
                "--http",
                options.http() == null ? NONE : at(options.http(), number).toString()));
    arguments.addAll(options.arguments());
    return new Kept("worker-" + number, arguments, "node.ready");
  }

  private static HostPort at(HostPort first, int number) {
    return first.port() == 0 ? first : new HostPort(first.host(), first.port() + number - 1);
  }

  private Path data(int number) {
    return options.directory().resolve("worker-" + number);
  }

  private void announce(Kept worker, String line) {
    HostPort address = HostPort.parse(field(worker, line, "listen"));
    addresses.add(address);
    report.accept(worker.name + " is ready on " + address);
  }

  private static String field(Kept child, String line, String name) {
    String value = ChildProcess.field(line, name);
    if (value == null) {
      throw new UnavailableException(child.name + " did not say its " + name + ": " + line);
    }
    return value;
  }

  /** Every worker has a copy of the owner's key, which the first one may have made. */
  private void giveKey(int number) {
    Path key = options.directory().resolve(OWNER_KEY);
    ChildProcess.makeDirectory(data(number));
    if (Files.exists(key)) {
      copyKey(key, data(number).resolve(OWNER_KEY));
    }
  }

  private void keepKey() {
    copyKey(data(1).resolve(OWNER_KEY), options.directory().resolve(OWNER_KEY));
  }

  private static void copyKey(Path from, Path to) {
    try {
      if (!Files.exists(to)) {
        PrivateFile.write(to, Files.readAllBytes(from), false);
      }
    } catch (IOException e) {
      throw new StorageException("cannot copy " + from + " to " + to + " (" + e + ")", e);
    }
  }

  /** Where Redis clients connect, in the order of the workers. */
  public List<HostPort> addresses() {
    return List.copyOf(addresses);
  }

  /**
   * Stops a worker in order, has something done, and starts it again.
   *
   * @param worker from 0
   * @return milliseconds from its start until it served
   */
  public long away(int worker, Runnable meanwhile) {
    Kept one;
    synchronized (this) {
      one =
          kept.stream()
              .filter(process -> process.name.equals("worker-" + (worker + 1)))
              .findFirst()
              .orElseThrow();
      one.away = true;
    }
    one.stop();
    one.finish();
    meanwhile.run();
    long begin = System.nanoTime();
    synchronized (this) {
      one.away = false;
    }
    String line = one.start();
    addresses.set(worker, HostPort.parse(field(one, line, "listen")));
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
  }

  /** Process numbers of the workers that run, in their order. */
  public synchronized List<Long> workerPids() {
    return kept.stream()
        .filter(one -> one.name.startsWith("worker-"))
        .sorted(java.util.Comparator.comparing((Kept one) -> one.name))
        .map(one -> one.child)
        .filter(java.util.Objects::nonNull)
        .filter(ChildProcess::isAlive)
        .map(ChildProcess::pid)
        .toList();
  }

  private synchronized void givenUp() {
    lost++;
    if (lost == kept.size()) {
      over.countDown();
    }
  }

  /** Waits until every process was given up. */
  public void awaitEnd() {
    try {
      over.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Stops the workers, then the router; returns when no process is left. Idempotent. */
  @Override
  public void close() {
    List<Kept> running;
    synchronized (this) {
      closing = true;
      running = List.copyOf(kept);
    }
    for (boolean router : new boolean[] {false, true}) {
      List<Kept> some =
          running.stream().filter(one -> one.name.equals("router") == router).toList();
      some.forEach(Kept::stop);
      some.forEach(Kept::finish);
    }
  }
}
