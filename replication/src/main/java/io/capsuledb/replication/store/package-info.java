/**
 * Durable record storage on RocksDB: one directory, any number of capsules; see
 * docs/format/store.md.
 */
package io.capsuledb.replication.store;
