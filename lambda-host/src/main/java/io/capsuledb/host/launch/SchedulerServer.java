package io.capsuledb.host.launch;

import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.channel.Link;
import io.capsuledb.host.channel.LinkServer;
import io.capsuledb.host.log.EventLog;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** The shell of a {@link SchedulerCore}: one thread that steps it. Thread-safe. */
public final class SchedulerServer implements AutoCloseable {

  private static final long TICK_MS = 100;

  private final SchedulerCore core = new SchedulerCore();
  private final Channels channels = new Channels();
  private final Clock clock;
  private final ScheduledExecutorService agent =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("capsule-scheduler").factory());
  private final LinkServer server;
  private final Future<?> ticking;

  private SchedulerServer(InetSocketAddress address, Clock clock, Entropy entropy) {
    this.clock = clock;
    this.server = LinkServer.start(address, null, entropy, Conversation::new);
    ticking =
        agent.scheduleAtFixedRate(
            () -> perform(core.tick(clock.monotonicNanos())),
            TICK_MS,
            TICK_MS,
            TimeUnit.MILLISECONDS);
  }

  /**
   * Starts a scheduler.
   *
   * @throws io.capsuledb.core.error.UnavailableException if the address is taken
   */
  public static SchedulerServer start(InetSocketAddress address, Clock clock, Entropy entropy) {
    return new SchedulerServer(address, clock, entropy);
  }

  private final class Conversation implements Link.Events {
    private long channel;

    @Override
    public void opened(Link link) {
      channel = channels.add(link);
    }

    @Override
    public void message(byte[] message) {
      var decoded = LaunchCodec.decode(message);
      agent.execute(() -> perform(core.said(clock.monotonicNanos(), channel, decoded)));
    }

    @Override
    public void closed(String reason) {
      channels.remove(channel);
      if (!agent.isShutdown()) {
        agent.execute(() -> perform(core.closed(clock.monotonicNanos(), channel)));
      }
    }
  }

  private void perform(List<SchedulerCore.Output> outputs) {
    for (SchedulerCore.Output output : outputs) {
      switch (output) {
        case SchedulerCore.Output.Say(long channel, LaunchMessage message) -> {
          Link link = channels.get(channel);
          if (link != null) {
            if (message instanceof LaunchMessage.Offer offer) {
              EventLog.info(
                  "scheduler.offer",
                  "job",
                  offer.job().hex(),
                  "bytes",
                  offer.program().length(),
                  "worker",
                  link.remote());
            }
            link.send(LaunchCodec.encode(message));
          }
        }
        case SchedulerCore.Output.Close(long channel, String reason) -> {
          Link link = channels.get(channel);
          if (link != null) {
            EventLog.warn("scheduler.closes", "remote", link.remote(), "reason", reason);
            link.close(reason);
          }
        }
      }
    }
  }

  /** The port it listens on. */
  public int port() {
    return server.port();
  }

  @Override
  public void close() {
    server.close();
    ticking.cancel(false);
    agent.shutdownNow();
  }
}
