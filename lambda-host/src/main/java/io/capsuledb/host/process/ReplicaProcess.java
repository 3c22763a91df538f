package io.capsuledb.host.process;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ReplicaAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** One replica as a process of its own, which ends with this one. Thread-safe. */
public final class ReplicaProcess implements AutoCloseable {

  private static final long START_SECONDS = 120;
  private static final long STOP_SECONDS = 30;

  private final ChildProcess child;
  private final ReplicaAddress address;

  private ReplicaProcess(ChildProcess child, ReplicaAddress address) {
    this.child = child;
    this.address = address;
  }

  /**
   * Starts a replica; when this returns, it is ready.
   *
   * @param flags of the command {@code replica}
   * @param log what it prints is added to this file
   * @throws UnavailableException if it does not start
   */
  public static ReplicaProcess start(String name, List<String> flags, Path log) {
    List<String> arguments = new ArrayList<>(List.of("replica"));
    arguments.addAll(flags);
    ChildProcess child = ChildProcess.start(name, arguments, log, "replica.ready");
    boolean ready = false;
    try {
      String line = child.awaitReady(START_SECONDS);
      String listen = ChildProcess.field(line, "listen");
      String key = ChildProcess.field(line, "key");
      if (listen == null || key == null) {
        throw new UnavailableException(name + " did not say who and where it is: " + line);
      }
      ReplicaProcess started =
          new ReplicaProcess(
              child, new ReplicaAddress(HostPort.parse(listen), ReplicaAddress.key(key)));
      ready = true;
      return started;
    } finally {
      if (!ready) {
        child.stop();
        child.awaitEnd(STOP_SECONDS);
      }
    }
  }

  /** Where it is and who it is. */
  public ReplicaAddress address() {
    return address;
  }

  /** Stops it; returns when it has ended. Idempotent. */
  @Override
  public void close() {
    child.stop();
    child.awaitEnd(STOP_SECONDS);
  }
}
