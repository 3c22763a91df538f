package io.capsuledb.replication.transport;

import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;

class ZmqTransportTest extends TransportContract {

  @Override
  Network start(Transport.Events events) {
    return ZmqTransport.start(ZmqOptions.DEFAULT, Telemetry.NONE, events);
  }

  @Override
  String anyAddress() {
    return "127.0.0.1:0";
  }

  @Override
  String deadAddress() {
    return "tcp://127.0.0.1:1";
  }
}
