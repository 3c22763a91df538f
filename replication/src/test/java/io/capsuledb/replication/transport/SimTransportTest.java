package io.capsuledb.replication.transport;

import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import io.capsuledb.replication.sim.Faults;
import io.capsuledb.replication.sim.SimNetwork;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** The simulated network keeps the same contract; here its time is driven by the real one. */
class SimTransportTest extends TransportContract {

  private final SimNetwork network = new SimNetwork(42);
  private volatile boolean stop;
  private Thread driver;
  private int nodes;

  @BeforeEach
  void drive() {
    network.faults(Faults.DELAYS);
    driver =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  while (!stop) {
                    if (!network.advance(System.nanoTime())) {
                      LockSupport.parkNanos(50_000);
                    }
                  }
                });
  }

  @AfterEach
  void stopDriving() throws InterruptedException {
    stop = true;
    driver.join();
  }

  @Override
  Network start(Transport.Events events) {
    return network.node("node" + nodes++, events);
  }

  @Override
  String anyAddress() {
    return "sim://node0";
  }

  @Override
  String deadAddress() {
    return "sim://nobody";
  }
}
