package io.capsuledb.host.bench.replication;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.config.ReplicaSetting;
import io.capsuledb.host.node.ReplicaNode;
import io.capsuledb.host.process.ReplicaProcess;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Replicas on loopback, each a process of its own or, to try the bench out, in this one. */
final class Replicas implements AutoCloseable {

  /** A running replica. */
  private record One(ReplicaAddress address, AutoCloseable running) {}

  private final Path directory;
  private final boolean inProcess;
  private final int healMbPerSecond;
  private final List<Integer> ports;
  private final List<One> replicas = new ArrayList<>();

  private Replicas(Path directory, int count, boolean inProcess, int healMbPerSecond) {
    this.directory = directory;
    this.inProcess = inProcess;
    this.healMbPerSecond = healMbPerSecond;
    this.ports = Workplace.freePorts(count);
  }

  static Replicas start(Path directory, int count, boolean inProcess, int healMbPerSecond) {
    Replicas replicas = new Replicas(directory, count, inProcess, healMbPerSecond);
    boolean started = false;
    try {
      for (int i = 0; i < count; i++) {
        replicas.replicas.add(replicas.startOne(i));
      }
      started = true;
      return replicas;
    } finally {
      if (!started) {
        replicas.close();
      }
    }
  }

  private One startOne(int index) {
    List<String> peers = new ArrayList<>();
    for (int i = 0; i < ports.size(); i++) {
      if (i != index) {
        peers.add(Workplace.LOOPBACK + ":" + ports.get(i));
      }
    }
    String name = "replica-" + (index + 1);
    Map<ReplicaSetting, String> settings = new EnumMap<>(ReplicaSetting.class);
    settings.put(ReplicaSetting.DATA, data(index).toString());
    settings.put(ReplicaSetting.KEY, directory.resolve(name + ".key").toString());
    settings.put(ReplicaSetting.LISTEN, Workplace.LOOPBACK + ":" + ports.get(index));
    settings.put(ReplicaSetting.HTTP, "none");
    settings.put(ReplicaSetting.HEAL_MB_PER_SECOND, Integer.toString(healMbPerSecond));
    if (!peers.isEmpty()) {
      settings.put(ReplicaSetting.PEERS, String.join(",", peers));
    }
    if (inProcess) {
      ReplicaProcessOptions.Builder builder = ReplicaProcessOptions.builder();
      settings.forEach((setting, value) -> builder.set(setting, value, Path.of("")));
      ReplicaNode node = ReplicaNode.start(builder.build(), isProtected -> null, "bench");
      return new One(new ReplicaAddress(node.address(), node.key()), node);
    }
    List<String> flags = new ArrayList<>();
    settings.forEach((setting, value) -> flags.addAll(List.of("--" + setting.key(), value)));
    ReplicaProcess process = ReplicaProcess.start(name, flags, directory.resolve(name + ".log"));
    return new One(process.address(), process);
  }

  private Path data(int index) {
    return directory.resolve("replica-" + (index + 1));
  }

  List<ReplicaAddress> addresses() {
    return replicas.stream().map(One::address).toList();
  }

  /** Stops the last replica and deletes everything it holds, but for its key. */
  void wipeLast() {
    stop(replicas.removeLast());
    Workplace.delete(data(replicas.size()));
  }

  /** Starts the last replica again. */
  void restartLast() {
    replicas.add(startOne(replicas.size()));
  }

  private static void stop(One replica) {
    try {
      replica.running.close();
    } catch (Exception e) {
      throw new StorageException("a replica does not stop", e);
    }
  }

  @Override
  public void close() {
    while (!replicas.isEmpty()) {
      stop(replicas.removeLast());
    }
  }
}
