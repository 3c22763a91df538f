package io.capsuledb.host.bench.replication;

/** Something that makes writes durable on several replicas. Of one thread. */
interface Target extends AutoCloseable {

  /** In one word. */
  String name();

  /** Writes; returns when the last write is durable. */
  Sample run(Load load);

  @Override
  void close();
}
