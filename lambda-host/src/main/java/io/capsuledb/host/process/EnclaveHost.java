package io.capsuledb.host.process;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.metrics.MetricsServer;
import io.capsuledb.host.node.LocalOutside;
import io.capsuledb.host.pair.CapsuleStores;
import io.capsuledb.host.pair.HostSide;
import io.capsuledb.scl.resp.ClientDoor;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * The process with sockets and disks of a node whose trusted part is a process of its own: starts
 * that one, and starts it anew when it dies, as a new writer. Thread-safe.
 */
public final class EnclaveHost implements AutoCloseable {

  /** In the child's arguments: the rings it reads and writes. */
  public static final String RINGS_FLAG = "--enclave-rings";

  /** What the host writes to the child's input before it closes it, when all is to end in order. */
  public static final int ORDERLY = 'q';

  /** Nothing asks the enclave process in, and nothing of it is written where others read. */
  private static final String CHILD_FLAGS =
      "-XX:+DisableAttachMechanism -XX:-UsePerfData -XX:-UseContainerSupport";

  private static final int BACKLOG = 511;
  private static final int SPARE_CLIENTS = 64;
  private static final long STOP_SECONDS = 30;
  private static final long FIRST_PAUSE_MS = 100;
  private static final long LONGEST_PAUSE_MS = 30_000;
  private static final long STEADY_NANOS = TimeUnit.MINUTES.toNanos(1);

  private final ServeOptions options;
  private final List<String> arguments;
  private final LocalOutside local;
  private final CapsuleStores stores;
  private final ClientDoor door;
  private final @Nullable MetricsServer http;
  private final CompletableFuture<Integer> ended = new CompletableFuture<>();
  private final CountDownLatch firstReady = new CountDownLatch(1);
  private volatile @Nullable HostSide side;
  private volatile @Nullable Process process;
  private volatile boolean stopping;

  /**
   * Opens disks and sockets; the trusted process is started by {@link #start}.
   *
   * @param arguments of this process's own command, for the other to be given the same
   */
  public EnclaveHost(ServeOptions options, List<String> arguments) {
    this.options = options;
    this.arguments = List.copyOf(arguments);
    List<AutoCloseable> opened = new ArrayList<>();
    boolean done = false;
    try {
      local = new LocalOutside(options);
      stores = local.stores(!options.replicas().isEmpty());
      opened.add(stores);
      door =
          ClientDoor.open(
              List.of(options.listen().resolve()),
              options.ioThreads(),
              BACKLOG,
              options.maxClients() + SPARE_CLIENTS);
      opened.add(door);
      http =
          options.http().isEmpty()
              ? null
              : MetricsServer.start(options.http().get().resolve(), this::metrics, this::trouble);
      done = true;
    } finally {
      if (!done) {
        opened.reversed().forEach(EnclaveHost::closeQuietly);
      }
    }
  }

  private static void closeQuietly(AutoCloseable part) {
    try {
      part.close();
    } catch (Exception e) {
      EventLog.error("host.stop_failed", e);
    }
  }

  private byte[] metrics() {
    HostSide known = side;
    if (known == null) {
      throw new UnavailableException("the enclave process does not serve");
    }
    return known.metrics();
  }

  private @Nullable CapsuleException trouble() {
    HostSide known = side;
    return known == null
        ? new UnavailableException("the enclave process does not serve")
        : known.trouble();
  }

  /** Where clients connect. */
  public InetSocketAddress address() {
    return door.addresses().getFirst();
  }

  /** Where metrics are served, or null. */
  public @Nullable InetSocketAddress httpAddress() {
    return http == null ? null : http.address();
  }

  /** Starts the trusted process, and again whenever it dies. */
  public void start() {
    Thread.ofPlatform().daemon().name("enclave-watch").start(this::watch);
  }

  /**
   * Waits until it serves for the first time, or ends before.
   *
   * @return null if it serves, else its exit code
   */
  public @Nullable Integer awaitReady() {
    try {
      while (!firstReady.await(100, TimeUnit.MILLISECONDS)) {
        if (ended.isDone()) {
          return ended.join();
        }
      }
      return null;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while the enclave process started", e);
    }
  }

  /** Waits until it is over for good; the exit code. */
  public int awaitEnd() {
    return ended.join();
  }

  private void watch() {
    long pauseMs = FIRST_PAUSE_MS;
    int code = 1;
    try {
      while (!stopping) {
        long began = System.nanoTime();
        code = life();
        if (stopping || code == 0 || firstReady.getCount() > 0) {
          return;
        }
        pauseMs =
            System.nanoTime() - began > STEADY_NANOS
                ? FIRST_PAUSE_MS
                : Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
        EventLog.warn("enclave.ended", "code", code, "restart_in_ms", pauseMs);
        TimeUnit.MILLISECONDS.sleep(pauseMs);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (CapsuleException | IOException e) {
      EventLog.error("enclave.not_started", e);
    } finally {
      ended.complete(code);
    }
  }

  /** One life of the trusted process; its exit code. */
  private int life() throws IOException, InterruptedException {
    CompletableFuture<CapsuleException> lost = new CompletableFuture<>();
    HostSide opened =
        HostSide.prepare(
            new HostSide.Means(
                stores,
                local.links(options.replicaLinks(), Telemetry.NONE),
                maxLinks -> local.routers(options.replicaLinks(), maxLinks, Telemetry.NONE),
                door,
                httpAddress()),
            firstReady::countDown,
            lost::complete);
    try {
      List<String> command = new ArrayList<>(SelfCommand.prefix());
      command.addAll(arguments);
      command.add(RINGS_FLAG);
      command.add(opened.toEnclave() + "," + opened.toHost());
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .redirectOutput(ProcessBuilder.Redirect.INHERIT)
              .redirectError(ProcessBuilder.Redirect.INHERIT);
      builder.environment().put("CAPSULE_CHILD", "1");
      builder.environment().put("CAPSULE_NO_BUILD", "1");
      builder.environment().merge("CAPSULE_JAVA_OPTS", CHILD_FLAGS, (a, b) -> a + " " + b);
      Process started = builder.start();
      process = started;
      opened.start(started::isAlive);
      side = opened;
      // A side that breaks the rules ends; one that has ended is noticed by its exit, too.
      var unused =
          lost.thenAccept(
              why -> {
                EventLog.warn("enclave.lost", "reason", String.valueOf(why.getMessage()));
                endSoon(started);
              });
      assert unused != null;
      return started.waitFor();
    } finally {
      side = null;
      opened.close();
    }
  }

  /** Kills a process unless it ends by itself. */
  private static void endSoon(Process started) {
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                if (!started.waitFor(2, TimeUnit.SECONDS)) {
                  started.destroyForcibly();
                }
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
  }

  /** The trusted process, while there is one. */
  public @Nullable ProcessHandle enclave() {
    Process known = process;
    return known == null ? null : known.toHandle();
  }

  /** Has the trusted process stop in order, then closes everything. Idempotent. */
  @Override
  public void close() {
    stopping = true;
    Process known = process;
    if (known != null) {
      try (OutputStream in = known.getOutputStream()) {
        in.write(ORDERLY);
      } catch (IOException e) {
        // It has ended, then.
        EventLog.warn("enclave.gone_already", "detail", e.toString());
      }
      try {
        ended.get(STOP_SECONDS, TimeUnit.SECONDS);
      } catch (TimeoutException e) {
        EventLog.warn("enclave.killed", "detail", "it did not stop in time");
        known.destroyForcibly();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        known.destroyForcibly();
      } catch (java.util.concurrent.ExecutionException e) {
        EventLog.error("enclave.watch_failed", e);
      }
    }
    if (http != null) {
      http.close();
    }
    closeQuietly(door);
    closeQuietly(stores);
  }
}
