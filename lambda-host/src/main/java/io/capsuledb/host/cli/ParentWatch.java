package io.capsuledb.host.cli;

import io.capsuledb.host.log.EventLog;
import java.io.IOException;
import java.io.InputStream;

/**
 * Ends this process in order when the standard input ends: whoever started it holds the other end
 * of that pipe, which the system closes however that process dies. So no process of a cluster
 * outlives the one that began it.
 */
final class ParentWatch {

  /** The flag that asks for it. */
  static final String FLAG = "--until-input-ends";

  private ParentWatch() {}

  static void start(InputStream in) {
    Thread.ofPlatform().daemon().name("capsule-parent-watch").start(() -> watch(in));
  }

  private static void watch(InputStream in) {
    try {
      while (in.read() >= 0) {
        // Nothing that comes means anything.
      }
    } catch (IOException e) {
      EventLog.warn("parent.lost", "detail", e.toString());
    }
    EventLog.info("parent.ended");
    System.exit(ExitCodes.OK);
  }
}
