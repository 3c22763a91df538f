import org.jspecify.annotations.NullMarked;

/** Many writers on one capsule, and the RESP server; see docs/ARCHITECTURE.md. */
@NullMarked
module io.capsuledb.scl {
  requires static transitive org.jspecify;
  requires transitive io.capsuledb.core;
  requires transitive io.capsuledb.engine;
  requires io.netty.buffer;
  requires io.netty.common;
  requires io.netty.transport;
  requires io.netty.transport.classes.epoll;
  requires io.netty.transport.classes.io_uring;
  requires io.netty.handler;

  exports io.capsuledb.scl.procedure;
  exports io.capsuledb.scl.epoch;
  exports io.capsuledb.scl.frame;
  exports io.capsuledb.scl.lock;
  exports io.capsuledb.scl.merge;
  exports io.capsuledb.scl.resp;
  exports io.capsuledb.scl.session;
  exports io.capsuledb.scl.worker;
}
