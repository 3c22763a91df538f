package io.capsuledb.host.cli;

import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.process.EnclaveHost;
import java.io.IOException;
import java.io.InputStream;

/**
 * Watches the pipe from the host process of a pair: told to, this process ends in order; if the
 * pipe closes without a word, the host has died.
 */
final class HostWatch {

  private HostWatch() {}

  static void start(InputStream in, Runnable gone) {
    Thread.ofPlatform().daemon().name("enclave-host-watch").start(() -> watch(in, gone));
  }

  private static void watch(InputStream in, Runnable gone) {
    int word = -1;
    try {
      word = in.read();
    } catch (IOException e) {
      EventLog.warn("enclave.pipe_failed", "detail", e.toString());
    }
    if (word == EnclaveHost.ORDERLY) {
      System.exit(ExitCodes.OK);
    }
    gone.run();
  }
}
