package io.capsuledb.host.log;

import java.util.logging.LogManager;

/**
 * Keeps the log open while the JVM shuts down. The JDK's own manager closes all handlers in a
 * shutdown hook of its own, beside the one that stops the node, whose last words would be lost. The
 * JVM makes it by its name, so it is public.
 */
public final class PersistentLogManager extends LogManager {

  /** Made by the JVM. */
  public PersistentLogManager() {}

  /** Does nothing: handlers flush each record and need no closing. */
  @Override
  public void reset() {}
}
