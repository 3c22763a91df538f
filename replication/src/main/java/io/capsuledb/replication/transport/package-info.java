/**
 * Links between processes: {@link io.capsuledb.replication.transport.TcpTransport} over TCP as it
 * is, {@link io.capsuledb.replication.transport.ZmqTransport} over JeroMQ, {@link
 * io.capsuledb.replication.transport.TlsTransport} over TLS 1.3.
 */
@NullMarked
package io.capsuledb.replication.transport;

import org.jspecify.annotations.NullMarked;
