package io.capsuledb.host.bench;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import java.io.IOException;
import java.net.InetSocketAddress;

/** Drives many clients of one server from the calling thread, as fast as the server answers. */
final class LoadGenerator {

  private final InetSocketAddress server;
  private final int clients;
  private final Clock clock;

  LoadGenerator(InetSocketAddress server, int clients, Clock clock) {
    this.server = server;
    this.clients = clients;
    this.clock = clock;
  }

  /** Writes each key of a SET workload once. */
  void fill(Workload workload) {
    run(workload, workload.keys(), true);
  }

  /**
   * Has the clients do {@code operations} operations in all, on random keys.
   *
   * @throws UnavailableException if the server answers with an error, with nonsense or not at all
   */
  Sample measure(Workload workload, int operations) {
    return run(workload, operations, false);
  }

  private Sample run(Workload workload, int operations, boolean successive) {
    try (LoadRun run = new LoadRun(workload, operations, successive, clock)) {
      run.connect(server, clients);
      return run.toEnd();
    } catch (IOException e) {
      throw new UnavailableException(
          "the connection to " + server + " failed: " + e.getMessage(), e);
    }
  }
}
