package io.capsuledb.replication.router;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.RouterMessage;
import io.capsuledb.replication.protocol.RouterMessage.Role;
import io.capsuledb.replication.protocol.RouterMessageCodec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A leaf of the multicast tree, as a step function: keeps a link to one of several routers, sends
 * frames to everybody else, and gives each frame of others out once. One thread.
 *
 * <p>Frames may be lost, above all while it changes from one router to another, doubled by nobody,
 * and overtake one another.
 */
public final class MulticastCore {

  private final Uplink uplink;
  private final SeenFrames seen;
  private final Hash32 origin;
  private List<RouterOutput> outputs = new ArrayList<>();
  private long counter;
  private long sent;
  private long noRouter;
  private long received;
  private long doubled;

  /**
   * A client without a link.
   *
   * @param self the key its links prove to have
   * @param routers where it may join, the best first
   * @param seed of what is left to chance
   */
  public MulticastCore(
      RouterOptions options, PublicKey self, List<String> routers, long seed, long now) {
    Random random = new Random(seed);
    long salt = random.nextLong();
    origin = RouterMessageCodec.origin(self, salt);
    seen = new SeenFrames(options.maxOrigins());
    uplink =
        new Uplink(
            routers,
            new RouterMessage.Join(Role.CLIENT, salt, ""),
            options,
            random,
            now,
            output -> outputs.add(output));
  }

  /** A link is there; {@code token} is that of the dial that asked for it. */
  public void up(long now, long link, PublicKey peer, long token) {
    uplink.up(now, link, peer, token);
  }

  /** A link is gone. */
  public void down(long now, long link) {
    if (uplink.owns(link)) {
      uplink.down(now);
    }
  }

  /**
   * Something arrived.
   *
   * @return why it is none of a router's words, which ends the link; else null
   */
  public @Nullable Rejection received(long now, long link, Blob body) {
    if (!uplink.owns(link)) {
      return null;
    }
    return switch (RouterMessageCodec.decode(body.bytes())) {
      case Decoded.Rejected<RouterMessage>(Rejection rejection) -> rejection;
      case Decoded.Accepted<RouterMessage>(RouterMessage message) -> {
        uplink.heard(now);
        switch (message) {
          case RouterMessage.Welcome welcome -> uplink.welcome(now, welcome);
          case RouterMessage.Turned turned -> uplink.turned(now, turned);
          case RouterMessage.Multicast multicast -> deliver(multicast);
          case RouterMessage.Beat _, RouterMessage.Join _ -> doubled++;
        }
        yield null;
      }
    };
  }

  private void deliver(RouterMessage.Multicast multicast) {
    if (multicast.origin().equals(origin)
        || !seen.accept(multicast.origin(), multicast.counter())) {
      doubled++;
      return;
    }
    received++;
    outputs.add(new RouterOutput.Deliver(multicast.payload()));
  }

  /**
   * Sends to everybody else.
   *
   * @param payload at most {@link RouterMessage#MAX_PAYLOAD_BYTES}
   * @return false if there is no router
   */
  public boolean send(Blob payload) {
    if (!uplink.isJoined()) {
      noRouter++;
      return false;
    }
    sent++;
    counter++;
    outputs.add(
        new RouterOutput.Send(
            uplink.link(),
            Blob.of(
                RouterMessageCodec.encode(
                    new RouterMessage.Multicast(origin, counter, 0, payload)))));
    return true;
  }

  /** Time passed. */
  public void tick(long now) {
    uplink.tick(now);
  }

  /** Whether a router passes frames on at present. */
  public boolean isJoined() {
    return uplink.isJoined();
  }

  /** What is to be done since the last time this was asked. */
  public List<RouterOutput> take() {
    List<RouterOutput> taken = outputs;
    outputs = new ArrayList<>();
    return taken;
  }

  /** Everything counted so far, by stable names. */
  public Map<String, Long> counters() {
    Map<String, Long> counters = new TreeMap<>();
    counters.put("multicast.sent", sent);
    counters.put("multicast.without_router", noRouter);
    counters.put("multicast.received", received);
    counters.put("multicast.doubled", doubled);
    counters.put("multicast.joins", uplink.joins());
    counters.put("multicast.losses", uplink.losses());
    counters.put("multicast.turned_away", uplink.turnedAway());
    return counters;
  }
}
