package io.capsuledb.engine;

import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SimClock;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimRecordStore;
import io.capsuledb.core.sim.SimScheduler;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A simulated node: one disk and clock, over which an engine is opened, killed and reopened. */
final class Node {

  final SimClock clock;
  final SimEntropy entropy;
  final SimScheduler scheduler;
  final KeyTree owner;
  long memtableBytes = 16 << 20;
  long blockBytes = 4 << 10;
  long tableBytes = 64 << 10;
  long separateBytes = 8 << 10;
  long cacheBytes = 4 << 10;
  long historyMs = 0;
  SimDisk disk = new SimDisk();
  SimRecordStore store = disk.open();

  Node(long seed) {
    clock = new SimClock();
    entropy = new SimEntropy(seed);
    scheduler = new SimScheduler(seed);
    byte[] masterSeed = new byte[64];
    new SimEntropy(seed + 1).fill(masterSeed);
    owner = KeyTree.fromSeed(SecretBytes.own(masterSeed));
    store.initialize(NewCapsule.sign(owner, 0, List.of(), 0, entropy));
  }

  /** So small that a few operations make blocks, tables and levels. */
  static Node tiny(long seed) {
    Node node = new Node(seed);
    node.memtableBytes = 4 << 10;
    node.blockBytes = 128;
    node.tableBytes = 512;
    node.separateBytes = 256;
    return node;
  }

  CapsuleDb open() {
    return CapsuleDb.open(
        CapsuleDbOptions.builder()
            .memtableBytes(memtableBytes)
            .blockBytes(blockBytes)
            .tableBytes(tableBytes)
            .separateBytes(separateBytes)
            .cacheBytes(cacheBytes)
            .historyMs(historyMs)
            .compactionBytesPerSecond(0)
            .build(),
        ports(),
        (CapsuleKeys.KeySource) generation -> owner.application(0, generation),
        records -> {});
  }

  /** Begins the next key generation. */
  void rotate(CapsuleDb db) {
    db.rotate(owner.application(0, db.keyGeneration() + 1), next -> {});
  }

  CapsulePorts ports() {
    return new CapsulePorts(store, clock, entropy, scheduler, Telemetry.NONE);
  }

  /** The process dies and what was not synced is lost; the disk is opened again. */
  void crash() {
    scheduler.kill();
    disk.powerCut();
    store = disk.open();
  }

  CapsuleVerifier.Report fsck() {
    try (var keys =
        CapsuleKeys.ring(store, Secp256k1.best(), generation -> owner.application(0, generation))) {
      return new CapsuleVerifier(store, Secp256k1.best(), keys, (done, total) -> {})
          .verify(null, List.of());
    }
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  static long put(CapsuleDb db, String key, String value) {
    try (Transaction txn = db.begin()) {
      txn.put(bytes(key), ValueType.STRING, bytes(value), 0);
      return txn.commit();
    }
  }

  static String get(CapsuleDb db, String key) {
    Lookup found = db.get(bytes(key));
    return found.found() ? text(found.value()) : null;
  }
}
