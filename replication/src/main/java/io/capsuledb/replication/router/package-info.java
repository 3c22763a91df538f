/**
 * The multicast tree: routers that pass frames on that they cannot read, and clients of it. {@link
 * io.capsuledb.replication.router.RouterCore} is the step function, {@link
 * io.capsuledb.replication.router.RouterServer} its shell, {@link
 * io.capsuledb.replication.router.MulticastClient} the other side.
 */
package io.capsuledb.replication.router;
