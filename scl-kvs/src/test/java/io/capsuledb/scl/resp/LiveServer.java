package io.capsuledb.scl.resp;

import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimRecordStore;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsulePorts;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** A server on a real socket with real threads, over an engine whose disk is simulated. */
final class LiveServer implements AutoCloseable {

  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long POLL_MS = 5;

  final SimDisk disk = new SimDisk();
  final SimRecordStore store = disk.open();
  final CapsuleDb db;
  final RespServer server;

  LiveServer(RespServerOptions.Builder options) {
    this(options, List.of());
  }

  LiveServer(RespServerOptions.Builder options, List<CommandSpec> extraCommands) {
    this(options, extraCommands, CapsuleDbOptions.builder().memtableBytes(256L << 20));
  }

  LiveServer(
      RespServerOptions.Builder options,
      List<CommandSpec> extraCommands,
      CapsuleDbOptions.Builder engine) {
    Entropy entropy = new SystemEntropy();
    Clock clock = new SystemClock();
    byte[] seed = new byte[64];
    entropy.fill(seed);
    KeyTree owner = KeyTree.fromSeed(SecretBytes.own(seed));
    store.initialize(NewCapsule.sign(owner, 0, List.of(), 0, entropy));
    db =
        CapsuleDb.open(
            engine.build(),
            new CapsulePorts(store, clock, entropy, new ThreadScheduler(), Telemetry.NONE),
            owner.application(0, 0),
            records -> {});
    boolean started = false;
    try {
      server =
          RespServer.start(
              db,
              options.listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)).build(),
              clock,
              entropy,
              Telemetry.NONE,
              extraCommands);
      started = true;
    } finally {
      if (!started) {
        db.close();
      }
    }
  }

  InetSocketAddress address() {
    return server.addresses().getFirst();
  }

  Peer connect() throws IOException {
    return new Peer(new Socket(address().getAddress(), address().getPort()));
  }

  /** Waits, within a bound, for something other threads bring about. */
  static void eventually(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError("did not happen: " + what);
      }
      try {
        Thread.sleep(POLL_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new AssertionError("interrupted while waiting for: " + what, e);
      }
    }
  }

  @Override
  public void close() {
    server.close();
    disk.holdAppends(false);
    db.close();
  }
}
