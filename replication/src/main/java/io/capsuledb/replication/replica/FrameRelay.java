package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.router.TokenBucket;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Passes frames on between those who use a capsule and have no router, or have lost theirs.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a frame goes at once to every other link that listens to its capsule, or is lost: nothing
 *       is kept, and nothing of it is understood here;
 *   <li>who does not say every few seconds that it listens, hears nothing more;
 *   <li>what one link has relayed in a second, and those who listen, are bounded: one frame makes
 *       at most {@link #MAX_LISTENERS} others.
 * </ul>
 *
 * <p>One thread at a time.
 */
final class FrameRelay {

  /** Links that listen to one capsule. */
  static final int MAX_LISTENERS = 256;

  /** Links that listen, altogether. */
  static final int MAX_ALL_LISTENERS = 4096;

  /** How long a link hears frames after it has said that it listens. */
  static final long LISTEN_NANOS = TimeUnit.SECONDS.toNanos(5);

  private static final long FRAMES_PER_SECOND = 4096;
  private static final long BYTES_PER_SECOND = 8L << 20;

  private record Listener(long request, boolean needy, long until) {}

  private record Rate(TokenBucket frames, TokenBucket bytes) {}

  private final ReplicaOutbox out;
  private final Map<CapsuleName, Map<Long, Listener>> listeners = new HashMap<>();

  /** Of links that have relayed something; as many as links, which who owns the sockets bounds. */
  private final Map<Long, Rate> rates = new HashMap<>();

  FrameRelay(ReplicaOutbox out) {
    this.out = out;
  }

  /** A link listens from now on, or goes on; false if there are too many. */
  boolean listen(long now, long link, Message.Listen listen) {
    Map<Long, Listener> others =
        listeners.computeIfAbsent(listen.capsule(), capsule -> new LinkedHashMap<>());
    drop(now, others);
    if (!others.containsKey(link)
        && (others.size() >= MAX_LISTENERS
            || listeners.values().stream().mapToInt(Map::size).sum() >= MAX_ALL_LISTENERS)) {
      return false;
    }
    others.put(link, new Listener(listen.request(), listen.needy(), now + LISTEN_NANOS));
    int needy = 0;
    for (Map.Entry<Long, Listener> other : others.entrySet()) {
      needy += other.getKey() != link && other.getValue().needy ? 1 : 0;
    }
    out.send(link, new Message.Listening(listen.request(), needy));
    return true;
  }

  /** Passes a frame on; false if the link has had its share. */
  boolean relay(long now, long link, Message.Relay relay) {
    Rate rate =
        rates.computeIfAbsent(
            link,
            l ->
                new Rate(
                    new TokenBucket(FRAMES_PER_SECOND, 1, now),
                    new TokenBucket(BYTES_PER_SECOND, Message.MAX_RELAYED_BYTES, now)));
    long bytes = relay.frame().length();
    if (!rate.frames.has(now, 1) || !rate.bytes.has(now, bytes)) {
      return false;
    }
    rate.frames.take(1);
    rate.bytes.take(bytes);
    Map<Long, Listener> others = listeners.get(relay.capsule());
    if (others != null) {
      drop(now, others);
      others.forEach(
          (to, listener) -> {
            if (to != link) {
              out.send(to, new Message.Relayed(listener.request, relay.frame()));
            }
          });
    }
    return true;
  }

  private static void drop(long now, Map<Long, Listener> among) {
    among.values().removeIf(listener -> now - listener.until >= 0);
  }

  /** A link is gone. */
  void down(long link) {
    rates.remove(link);
    listeners.values().forEach(others -> others.remove(link));
    listeners.values().removeIf(Map::isEmpty);
  }
}
