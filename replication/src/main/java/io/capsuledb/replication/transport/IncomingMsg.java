package io.capsuledb.replication.transport;

import zmq.Msg;
import zmq.msg.MsgAllocator;

/**
 * A message that JeroMQ is reading, without two of its weaknesses. It cannot announce more parts:
 * JeroMQ collects the parts of a message until the last one has come, without any bound, and shows
 * nothing of it meanwhile. And its length is checked here once more: JeroMQ compares an announced
 * length of 2⁶³ or more as a negative number, finds it small enough, and allocates what its lower
 * 32 bits say. Such a message becomes an empty one, which is malformed for whoever gets it.
 */
final class IncomingMsg extends Msg {

  static final MsgAllocator ALLOCATOR =
      length -> new IncomingMsg(length < 0 || length > ZmqLink.MAX_MESSAGE_BYTES ? 0 : length);

  private IncomingMsg(int length) {
    super(length);
  }

  @Override
  public void setFlags(int flags) {
    super.setFlags(flags & ~MORE);
  }
}
