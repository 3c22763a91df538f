package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.util.List;

/**
 * What is between nodes. Directions are apart: what one node sends to another may be cut while
 * answers get through. Used by one thread at a time.
 */
interface Network extends AutoCloseable {

  /** What a command has to begin with to run at a node. */
  List<String> launcher(String node);

  /** Where a node listens, {@code HOST:PORT}. */
  String listen(String node);

  /** Where one node reaches another, {@code HOST:PORT}. */
  String address(String from, String to) throws IOException;

  /** Where clients reach what listens on a node's loopback, {@code HOST:PORT}. */
  String expose(String node, int port) throws IOException;

  /** Whether links leave loopback, so that they have to be secured. */
  boolean leavesLoopback();

  /** Lets nothing through that one node sends to another. */
  void cut(String from, String to) throws IOException;

  /** Delays what one node sends to another. */
  void delay(String from, String to, int delayMs, int jitterMs) throws IOException;

  /** Limits what one node sends to another. */
  void limit(String from, String to, int bytesPerSecond) throws IOException;

  /** Loses a part of the packets that one node sends to another. */
  void lose(String from, String to, int percent) throws IOException;

  /** Puts everything right. */
  void heal() throws IOException;

  @Override
  void close() throws IOException;
}
