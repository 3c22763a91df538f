import org.jspecify.annotations.NullMarked;

/**
 * The consistency testbed: workloads, faults, histories and their checkers. It knows nothing of the
 * product but its command line, and tests any server that speaks the Redis protocol.
 */
@NullMarked
module io.capsuledb.jepsen {
  requires static transitive org.jspecify;
  requires com.fasterxml.jackson.core;
  requires info.picocli;

  exports io.capsuledb.jepsen.check;
  exports io.capsuledb.jepsen.history;

  // Commands are described to picocli by annotations.
  opens io.capsuledb.jepsen.cli to
      info.picocli;
}
