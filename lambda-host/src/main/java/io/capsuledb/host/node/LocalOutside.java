package io.capsuledb.host.node;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.metrics.MetricsServer;
import io.capsuledb.host.pair.CapsuleStores;
import io.capsuledb.host.pair.Outside;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.replication.session.Network;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import io.capsuledb.scl.resp.ClientStreams;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Disks and sockets of this very process. */
public final class LocalOutside implements Outside, AutoCloseable {

  private final ServeOptions options;
  private final Map<String, String> info = new LinkedHashMap<>();
  private @Nullable MetricsServer http;

  /** The outside of a node with these options. */
  public LocalOutside(ServeOptions options) {
    this.options = options;
    info.put("enclave_mode", "none");
    info.put("enclave_pid", Long.toString(ProcessHandle.current().pid()));
  }

  /** Notes what the process did to protect itself; before the node is started. */
  public void hardened(Map<String, String> measures) {
    info.putAll(measures);
  }

  @Override
  public Map<String, String> info() {
    return Collections.unmodifiableMap(info);
  }

  /** Opens what a node with these options keeps its records in. */
  @Override
  public CapsuleStores stores(boolean cache) {
    CapsuleDirectory directory = new CapsuleDirectory(options.data());
    directory.create();
    if (cache) {
      directory.requireNoLocalStore();
      return new Stores(ReplicatedCapsule.openCache(directory.cache()));
    }
    if (Files.exists(directory.cache()) && !Files.exists(directory.store())) {
      throw new InvalidRequestException(
          "the data of " + directory.path() + " are on replicas: name them with --replicas");
    }
    return new Stores(RocksStorage.open(directory.store(), RocksStorageOptions.defaults()));
  }

  /** RocksDB's. */
  private record Stores(RocksStorage storage) implements CapsuleStores {
    @Override
    public RecordStore capsule(byte[] name) {
      return storage.capsule(name);
    }

    @Override
    public List<byte[]> capsules() {
      return storage.capsules();
    }

    @Override
    public long sizeBytes() {
      return storage.sizeBytes();
    }

    @Override
    public void close() {
      storage.close();
    }
  }

  @Override
  public Function<Transport.Events, Network> links(LinkSecurity security, Telemetry telemetry) {
    return LinkNetwork.transport(security, telemetry);
  }

  @Override
  public Function<Transport.Events, Network> routers(
      LinkSecurity security, int maxLinks, Telemetry telemetry) {
    return LinkNetwork.ofRouters(security, maxLinks, telemetry);
  }

  @Override
  public @Nullable ClientStreams door() {
    return null;
  }

  @Override
  public List<InetSocketAddress> listen(List<InetSocketAddress> asked) {
    return asked;
  }

  @Override
  public @Nullable InetSocketAddress serving(Serving node) {
    if (options.http().isEmpty()) {
      return null;
    }
    MetricsServer started =
        MetricsServer.start(options.http().get().resolve(), node.metrics(), node.trouble());
    http = started;
    return started.address();
  }

  /** Stops serving metrics. */
  @Override
  public void close() {
    MetricsServer started = http;
    if (started != null) {
      started.close();
    }
  }
}
