/** Replication measured: durable writes on replicas beside Redis and etcd, and a rebuild. */
@NullMarked
package io.capsuledb.host.bench.replication;

import org.jspecify.annotations.NullMarked;
