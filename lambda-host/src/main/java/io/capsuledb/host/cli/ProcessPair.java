package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.enclave.ProcessHardening;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.Node;
import io.capsuledb.host.pair.EnclaveSide;
import io.capsuledb.host.process.EnclaveHost;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** What the two processes of {@code --enclave process} do, whichever command they run. */
final class ProcessPair {

  private ProcessPair() {}

  /**
   * Is the process that has sockets and disks, and no keys, until it is told to stop.
   *
   * @param arguments of this command, for the other process to be given the same
   * @param announce told where clients connect, and where metrics are or null
   * @param ready called after that
   * @return the exit code
   */
  static int host(
      ServeOptions options,
      List<String> arguments,
      BiConsumer<InetSocketAddress, @Nullable InetSocketAddress> announce,
      Runnable ready) {
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    EnclaveHost host = new EnclaveHost(options, arguments);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  EventLog.info("host.stopping");
                  host.close();
                  EventLog.info("host.stopped");
                  Runtime.getRuntime().halt(ExitCodes.OK);
                },
                "capsule-stop"));
    host.start();
    Integer failed = host.awaitReady();
    if (failed != null) {
      // It has said why. Not by the hook, which ends with 0.
      host.close();
      Runtime.getRuntime().halt(failed);
    }
    announce.accept(host.address(), host.httpAddress());
    ready.run();
    int code = host.awaitEnd();
    host.close();
    Runtime.getRuntime().halt(code);
    return code;
  }

  /**
   * Is the process that has the keys, and neither sockets nor disks; returns when it serves.
   *
   * @param rings as the host process named them
   * @param input of this process: it ends with the host
   * @return the node, over what the host does for it; the hook that stops it is set
   */
  static Node trusted(
      ServeOptions options, String rings, InputStream input, Node.PassphraseSource passphrases) {
    Map<String, String> measures = ServeCommand.harden();
    int comma = rings.indexOf(',');
    if (comma < 0) {
      throw new InvalidRequestException(EnclaveHost.RINGS_FLAG + " names two rings");
    }
    AtomicBoolean hostLives = new AtomicBoolean(true);
    // Closed with the node.
    @SuppressWarnings("resource")
    EnclaveSide side =
        EnclaveSide.open(
            Path.of(rings.substring(0, comma)),
            Path.of(rings.substring(comma + 1)),
            hostLives::get,
            () -> {
              OpenEverything.now();
              measures.putAll(ServeCommand.report(ProcessHardening.seal()));
              return measures;
            },
            why -> hostGone(String.valueOf(why.getMessage())));
    HostWatch.start(
        input,
        () -> {
          hostLives.set(false);
          hostGone("its end of the pipe is closed");
        });
    Node node =
        Node.start(
            options,
            side,
            side,
            passphrases,
            VersionCommand.version(),
            () -> System.exit(ExitCodes.OK));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> ServeCommand.stop(node), "capsule-stop"));
    return node;
  }

  /** Without the host nothing more can be made durable, nor said to anybody. */
  private static void hostGone(String reason) {
    EventLog.error(
        "enclave.host_lost",
        new UnavailableException("the host process is gone: " + reason),
        "consequence",
        "writes that were not answered may be lost");
    Runtime.getRuntime().halt(ExitCodes.UNAVAILABLE);
  }
}
