package io.capsuledb.host.process;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.channel.Link;
import io.capsuledb.host.channel.LinkServer;
import io.capsuledb.host.launch.LaunchCodec;
import io.capsuledb.host.launch.LaunchMessage;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A scheduler that swaps, changes, replays and invents programs before it offers the right one, and
 * then offers that to everybody, again and again. Thread-safe.
 */
final class HostileScheduler implements AutoCloseable {

  private final LinkServer server;
  private final List<LaunchMessage.Submit> submitted = new ArrayList<>();
  private int lies;

  HostileScheduler() {
    server =
        LinkServer.start(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
            null,
            new SystemEntropy(),
            Conversation::new);
  }

  String address() {
    return "127.0.0.1:" + server.port();
  }

  synchronized int lies() {
    return lies;
  }

  private synchronized @Nullable LaunchMessage answer(LaunchMessage message) {
    return switch (message) {
      case LaunchMessage.Submit submit -> {
        submitted.add(submit);
        lies = 0;
        yield new LaunchMessage.Done();
      }
      case LaunchMessage.Withdraw _ -> new LaunchMessage.Done();
      case LaunchMessage.AskScheduler _ -> new LaunchMessage.SchedulerReport(1, 1, 1, 1);
      case LaunchMessage.Idle _ -> submitted.isEmpty() ? null : offer();
      default -> null;
    };
  }

  private LaunchMessage offer() {
    LaunchMessage.Submit now = submitted.getLast();
    LaunchMessage.Submit before = submitted.getFirst();
    byte[] changed = now.program().toArray();
    changed[changed.length / 2] ^= 1;
    return switch (lies++) {
      case 0 -> new LaunchMessage.Offer(now.job(), Octets.own(changed));
      case 1 -> new LaunchMessage.Offer(now.job(), before.program());
      case 2 -> new LaunchMessage.Offer(before.job(), before.program());
      case 3 -> new LaunchMessage.Offer(before.job(), now.program());
      case 4 ->
          new LaunchMessage.Offer(Octets.own(new byte[LaunchMessage.JOB_BYTES]), now.program());
      case 5 -> new LaunchMessage.Offer(now.job(), now.program().slice(0, 1));
      default -> new LaunchMessage.Offer(now.job(), now.program());
    };
  }

  private final class Conversation implements Link.Events {
    private @Nullable Link link;

    @Override
    public void opened(Link opened) {
      link = opened;
    }

    @Override
    public void message(byte[] bytes) {
      Link known = link;
      if (known != null
          && LaunchCodec.decode(bytes)
              instanceof Decoded.Accepted<LaunchMessage>(LaunchMessage message)) {
        LaunchMessage answer = answer(message);
        if (answer != null) {
          known.send(LaunchCodec.encode(answer));
        }
      }
    }

    @Override
    public void closed(String reason) {
      link = null;
    }
  }

  @Override
  public void close() {
    server.close();
  }
}
