import org.jspecify.annotations.NullMarked;

/** Configuration, command line, metrics and the wiring of a node; see docs/ARCHITECTURE.md. */
@NullMarked
module io.capsuledb.host {
  requires static transitive org.jspecify;
  requires io.capsuledb.core;
  requires HdrHistogram;
  requires com.fasterxml.jackson.core;
  requires info.picocli;
  requires java.logging;
  requires me.tongfei.progressbar;
  requires org.tomlj;

  exports io.capsuledb.host;

  // Commands are described to picocli by annotations.
  opens io.capsuledb.host.cli to
      info.picocli;
}
