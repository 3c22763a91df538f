import org.jspecify.annotations.NullMarked;

/** Configuration, command line, metrics and the wiring of a node; see docs/ARCHITECTURE.md. */
@NullMarked
module io.capsuledb.host {
  requires static transitive org.jspecify;
  requires io.capsuledb.core;
  requires io.capsuledb.enclave;
  requires io.capsuledb.engine;
  requires io.capsuledb.replication;
  requires io.capsuledb.scl;
  requires com.fasterxml.jackson.core;
  requires HdrHistogram;
  requires info.picocli;
  requires io.grpc;
  requires io.grpc.netty;
  requires io.netty.handler;
  requires io.prometheus.metrics.core;
  requires io.prometheus.metrics.instrumentation.jvm;
  requires io.prometheus.metrics.model;
  requires io.prometheus.writer.text;
  requires java.net.http;
  requires java.logging;
  requires java.management;
  requires jdk.httpserver;
  requires jdk.management;
  requires me.tongfei.progressbar;
  requires org.tomlj;
  requires rocksdbjni;

  exports io.capsuledb.host;

  // Commands are described to picocli by annotations.
  opens io.capsuledb.host.cli to
      info.picocli;
}
