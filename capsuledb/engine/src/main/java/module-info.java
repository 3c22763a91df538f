import org.jspecify.annotations.NullMarked;

/** The storage engine inside a capsule; see docs/ARCHITECTURE.md. */
@NullMarked
module io.capsuledb.engine {
  requires static transitive org.jspecify;
  requires transitive io.capsuledb.core;
  requires com.github.benmanes.caffeine;
  requires org.lz4.java;

  exports io.capsuledb.engine;
  exports io.capsuledb.engine.merge;
}
