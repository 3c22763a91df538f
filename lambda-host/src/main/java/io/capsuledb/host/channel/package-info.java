/** Attested channels: messages over gRPC on TLS 1.3 between parties that judge each other. */
package io.capsuledb.host.channel;
