/** The embedded engine measured beside RocksDB itself. */
package io.capsuledb.host.bench.engine;
