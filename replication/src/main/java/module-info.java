import org.jspecify.annotations.NullMarked;

/** Durable record storage, and replicas; see docs/ARCHITECTURE.md. */
@NullMarked
module io.capsuledb.replication {
  requires static transitive org.jspecify;
  requires transitive io.capsuledb.core;
  requires rocksdbjni;

  exports io.capsuledb.replication.client;
  exports io.capsuledb.replication.protocol;
  exports io.capsuledb.replication.replica;
  exports io.capsuledb.replication.store;
}
