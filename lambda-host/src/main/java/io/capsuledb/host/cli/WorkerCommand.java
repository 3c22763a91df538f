package io.capsuledb.host.cli;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeOptionsFile;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.Node;
import io.capsuledb.host.process.EnclaveHost;
import io.capsuledb.host.terminal.Passphrase;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Runs one of several workers on one capsule until it is told to stop. */
@Command(
    name = "worker",
    header = "Run one of several servers on the same data, until SIGTERM or SIGINT.",
    description = {
      "",
      "Workers share data that are on replicas: each serves Redis clients, and each sees what the",
      "others wrote, soon. Commands that read before they write run as transactions among all of",
      "them. Each needs a data directory of its own with a copy of the same owner.key. The first",
      "one founds the data: start it alone, and the others when it is ready. 'capsule serve",
      "--workers N' does all of that on one machine.",
      "",
      "Workers hear each other through routers: see 'capsule router', or let one worker be one with",
      "--router. The others join there. Where there is none, or none is left, replicas relay what",
      "workers say: slower, with the same guarantees.",
      "",
      "A worker that was silent for too long is replaced by the others. It begins anew by itself;",
      "its clients are disconnected meanwhile.",
      "",
      "With --enclave process the links to replicas and routers, and a router of its own, are in the",
      "host process, which has no key.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule router --listen 127.0.0.1:7500",
      "  capsule worker --data w1 --replicas @replicas.txt --join 127.0.0.1:7500",
      "  mkdir w2; cp w1/owner.key w2",
      "  capsule worker --data w2 --replicas @replicas.txt --join 127.0.0.1:7500 \\",
      "    --listen 127.0.0.1:6381 --http none --consistency linearizable"
    })
final class WorkerCommand implements Callable<Integer> {

  /** Times it begins anew before it gives up, if it does not serve for a while in between. */
  private static final int MAX_TRIES = 32;

  private static final long LASTING_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long FIRST_PAUSE_MS = 250;
  private static final int MOST_DOUBLINGS = 5;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "TOML file with any of the other options.")
  private @Nullable Path config;

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used where it is started by another one.")
  private boolean untilInputEnds;

  @Option(
      names = EnclaveHost.RINGS_FLAG,
      hidden = true,
      description = "Be the trusted process of a pair: used by 'capsule worker --enclave process'.")
  private @Nullable String rings;

  @Spec private CommandSpec spec = CommandSpec.create();

  private final CommandContext context;
  private @Nullable Node running;
  private boolean stopping;

  private WorkerCommand(CommandContext context) {
    this.context = context;
  }

  /** The command, with an option for each setting there is. */
  static CommandLine commandLine(CommandContext context) {
    return SettingFlags.addTo(
        new CommandLine(new WorkerCommand(context)), List.of(ServeSetting.values()));
  }

  @Override
  public Integer call() {
    ServeOptions options = options(null);
    EventLog.install(context.streams().err(), options.logLevel());
    String pair = rings;
    if (pair != null) {
      return trusted(options, pair);
    }
    if (options.enclave()) {
      return ProcessPair.host(
          options,
          ServeCommand.originalArguments(spec),
          this::announce,
          () -> {
            if (untilInputEnds) {
              ParentWatch.start(context.streams().in());
            }
          });
    }
    ServeCommand.harden();
    Runtime.getRuntime().addShutdownHook(new Thread(this::stop, "capsule-stop"));
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
    int tries = 0;
    while (true) {
      long begin = System.nanoTime();
      try {
        CountDownLatch over = new CountDownLatch(1);
        Node node = begin(options);
        // The same address after a restart, though any free one was asked for.
        options = options(ServeCommand.text(node.address()));
        announce(node.address(), node.httpAddress());
        node.onWorkerOver(failed -> over.countDown());
        over.await();
        end();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return ExitCodes.OK;
      } catch (InvalidRequestException | DeniedException e) {
        throw e;
      } catch (CapsuleException e) {
        // It may have been replaced before it was ready, or storage may come back.
        if (tries == 0) {
          throw e;
        }
        EventLog.warn("worker.start_failed", "reason", String.valueOf(e.getMessage()));
      }
      tries = System.nanoTime() - begin > LASTING_NANOS ? 1 : tries + 1;
      if (tries > MAX_TRIES) {
        throw new UnavailableException(
            "this worker was replaced or failed " + MAX_TRIES + " times in a row; see the log");
      }
      EventLog.info("worker.begins_anew", "try", tries);
      try {
        TimeUnit.MILLISECONDS.sleep(FIRST_PAUSE_MS << Math.min(tries - 1, MOST_DOUBLINGS));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return ExitCodes.OK;
      }
    }
  }

  /** One life of a worker: the host process begins the next. */
  private int trusted(ServeOptions options, String pair) {
    Node node =
        ProcessPair.trusted(
            options, pair, context.streams().in(), isProtected -> passphrase(options, isProtected));
    CountDownLatch over = new CountDownLatch(1);
    node.onWorkerOver(failed -> over.countDown());
    try {
      over.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    EventLog.info("worker.begins_anew");
    node.close();
    // Not by the hook, which ends with 0: then the host would not start it again.
    Runtime.getRuntime().halt(ExitCodes.UNAVAILABLE);
    return ExitCodes.UNAVAILABLE;
  }

  private Node begin(ServeOptions options) {
    Node node =
        Node.start(
            options,
            isProtected -> passphrase(options, isProtected),
            VersionCommand.version(),
            () -> System.exit(ExitCodes.OK));
    synchronized (this) {
      running = node;
      if (stopping) {
        throw new UnavailableException("it was told to stop");
      }
    }
    return node;
  }

  private void end() {
    Node node;
    synchronized (this) {
      node = running;
      running = null;
    }
    if (node != null) {
      node.close();
    }
  }

  private ServeOptions options(@Nullable String listen) {
    ServeOptions.Builder builder = ServeOptions.builder().shared(true);
    Path file = config;
    if (file != null) {
      ServeOptionsFile.apply(file, builder);
    }
    for (ServeSetting setting : ServeSetting.values()) {
      SettingFlags.apply(spec, setting, value -> builder.set(setting, value, Path.of("")));
    }
    if (listen != null) {
      builder.set(ServeSetting.LISTEN, listen, Path.of(""));
    }
    return builder.build();
  }

  private char @Nullable [] passphrase(ServeOptions options, boolean isProtected) {
    String file = options.passphraseFile().map(Path::toString).orElse(null);
    return isProtected
        ? Passphrase.givenOrAsked(
            file, context.streams().in(), context.environment(), options.data() + "/owner.key")
        : Passphrase.given(file, context.streams().in(), context.environment());
  }

  private void announce(InetSocketAddress address, @Nullable InetSocketAddress http) {
    PrintStream out = context.streams().out();
    out.println(
        "worker is ready for Redis clients on "
            + ServeCommand.text(address)
            + (http == null ? "" : ", metrics on http://" + ServeCommand.text(http) + "/metrics"));
    out.flush();
  }

  private void stop() {
    synchronized (this) {
      stopping = true;
    }
    EventLog.info("node.stopping");
    try {
      end();
    } catch (CapsuleException e) {
      EventLog.error("node.stop_failed", e);
    }
    EventLog.info("node.stopped");
    Runtime.getRuntime().halt(ExitCodes.OK);
  }
}
