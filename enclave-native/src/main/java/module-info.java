import org.jspecify.annotations.NullMarked;

/**
 * What a process with keys in its memory asks of the operating system, and the script engine that
 * runs procedures in it.
 */
@NullMarked
module io.capsuledb.enclave {
  requires static transitive org.jspecify;
  requires transitive io.capsuledb.core;

  exports io.capsuledb.enclave;
  exports io.capsuledb.enclave.ring;
  exports io.capsuledb.enclave.script;
}
