/**
 * A replica: what it holds, what it promises, how it heals. The cores are step functions; {@link
 * io.capsuledb.replication.replica.ReplicaLog} is their port to the disk.
 */
package io.capsuledb.replication.replica;
