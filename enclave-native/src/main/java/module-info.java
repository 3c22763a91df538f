import org.jspecify.annotations.NullMarked;

/** What a process with keys in its memory asks of the operating system. */
@NullMarked
module io.capsuledb.enclave {
  requires static transitive org.jspecify;

  exports io.capsuledb.enclave;
}
