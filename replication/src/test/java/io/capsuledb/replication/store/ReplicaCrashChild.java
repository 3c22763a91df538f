package io.capsuledb.replication.store;

import io.capsuledb.core.sim.SimEntropy;
import java.io.PrintStream;
import java.nio.file.Path;

/**
 * A process that commits a {@link ReplicaCrashPlan} from where its log is until it is killed, and
 * says "0 number" after each commit that returned.
 */
final class ReplicaCrashChild {

  private ReplicaCrashChild() {}

  /** Argument: directory. */
  public static void main(String[] arguments) {
    ReplicaCrashPlan plan = new ReplicaCrashPlan();
    PrintStream out = System.out;
    try (RocksReplicaLog log =
        RocksReplicaLog.open(Path.of(arguments[0]), RocksReplicaLogTest.SMALL, new SimEntropy(1))) {
      while (plan.commits() < log.recovered().numberFloor()) {
        plan.next();
      }
      out.println("open");
      out.flush();
      while (true) {
        log.commit(plan.next());
        out.println("0 " + plan.commits());
        out.flush();
      }
    }
  }
}
