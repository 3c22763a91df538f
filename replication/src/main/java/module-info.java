import org.jspecify.annotations.NullMarked;

/** Durable record storage, and replicas; see docs/ARCHITECTURE.md. */
@NullMarked
module io.capsuledb.replication {
  requires static transitive org.jspecify;
  requires transitive io.capsuledb.core;
  requires io.netty.buffer;
  requires io.netty.codec;
  requires io.netty.common;
  requires io.netty.handler;
  requires io.netty.transport;
  requires org.zeromq.jeromq;
  requires rocksdbjni;

  exports io.capsuledb.replication.client;
  exports io.capsuledb.replication.protocol;
  exports io.capsuledb.replication.replica;
  exports io.capsuledb.replication.router;
  exports io.capsuledb.replication.session;
  exports io.capsuledb.replication.store;
  exports io.capsuledb.replication.transport;
}
