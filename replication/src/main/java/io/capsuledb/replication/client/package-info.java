/**
 * Who writes to replicas and reads from them: counts what they sign, believes nothing else. {@link
 * io.capsuledb.replication.client.QuorumClientCore} is a step function, {@link
 * io.capsuledb.replication.client.QuorumClient} its shell, {@link
 * io.capsuledb.replication.client.ReplicatedStore} the record store the engine opens.
 */
package io.capsuledb.replication.client;
