package io.capsuledb.host.bench;

import io.capsuledb.core.port.Clock;
import io.capsuledb.host.client.ReplyErrors;
import io.capsuledb.host.client.RespClient;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Sends one command over and over on several connections, from one thread: every connection always
 * has a batch under way, and gets the next when all of it was answered.
 */
public final class FcallLoad {

  private final List<RespClient> clients;
  private final byte[][] command;
  private final int pipeline;

  /**
   * A load.
   *
   * @param clients connections, the caller's
   * @param command what each of them sends
   * @param pipeline how often it sends it before it waits
   */
  public FcallLoad(List<RespClient> clients, byte[][] command, int pipeline) {
    this.clients = List.copyOf(clients);
    this.command = command.clone();
    this.pipeline = pipeline;
  }

  /**
   * Measures.
   *
   * @param eachMs for how long, in milliseconds; as long before, to warm up
   * @return replies per second
   * @throws io.capsuledb.core.error.CapsuleException what the server answered, if it was an error
   */
  public double perSecond(long eachMs, Clock clock) {
    run(eachMs, clock);
    return run(eachMs, clock);
  }

  /** Runs without measuring: code that has only begun to run is not what is to be measured. */
  public void warmUp(long durationMs, Clock clock) {
    run(durationMs, clock);
  }

  private double run(long durationMs, Clock clock) {
    long begin = clock.monotonicNanos();
    long end = begin + TimeUnit.MILLISECONDS.toNanos(durationMs);
    clients.forEach(this::send);
    long replies = 0;
    while (clock.monotonicNanos() - end < 0) {
      for (RespClient client : clients) {
        replies += receive(client);
        send(client);
      }
    }
    for (RespClient client : clients) {
      replies += receive(client);
    }
    return replies * 1e9 / (clock.monotonicNanos() - begin);
  }

  private void send(RespClient client) {
    for (int i = 0; i < pipeline; i++) {
      client.send(command);
    }
    client.flush();
  }

  private int receive(RespClient client) {
    for (int i = 0; i < pipeline; i++) {
      ReplyErrors.orThrow(client.receive());
    }
    return pipeline;
  }
}
