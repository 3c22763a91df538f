package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.router.TokenBucket;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
 *   <li>what one link has relayed in a second, for how many capsules it listens, and who listens
 *       altogether are bounded: one link takes nobody's place, and one frame makes at most {@link
 *       #MAX_LISTENERS} others.
 * </ul>
 *
 * <p>One thread at a time.
 */
final class FrameRelay {

  /** Links that listen to one capsule. */
  static final int MAX_LISTENERS = 256;

  /** Capsules whose frames one link hears: a node listens for each capsule that it has open. */
  static final int MAX_CAPSULES_OF_LINK = 16;

  /** Links that listen, altogether. */
  static final int MAX_ALL_LISTENERS = 4096;

  /** How long a link hears frames after it has said that it listens. */
  static final long LISTEN_NANOS = TimeUnit.SECONDS.toNanos(5);

  private static final long FRAMES_PER_SECOND = 4096;
  private static final long BYTES_PER_SECOND = 8L << 20;

  private record Listener(long request, boolean needy, long until) {}

  /** What a link has left to relay, and what it listens to. */
  private static final class Link {
    final TokenBucket frames;
    final TokenBucket bytes;
    final Set<CapsuleName> capsules = new HashSet<>();

    Link(long now) {
      frames = new TokenBucket(FRAMES_PER_SECOND, 1, now);
      bytes = new TokenBucket(BYTES_PER_SECOND, Message.MAX_RELAYED_BYTES, now);
    }
  }

  private final ReplicaOutbox out;

  /** By capsule; none is empty. */
  private final Map<CapsuleName, Map<Long, Listener>> listeners = new HashMap<>();

  /** As many as links that have listened or relayed, which who owns the sockets bounds. */
  private final Map<Long, Link> links = new HashMap<>();

  /** Of all capsules. */
  private int listening;

  FrameRelay(ReplicaOutbox out) {
    this.out = out;
  }

  private Link link(long now, long link) {
    return links.computeIfAbsent(link, l -> new Link(now));
  }

  /** A link listens from now on, or goes on; false if there are too many. */
  boolean listen(long now, long link, Message.Listen listen) {
    CapsuleName capsule = listen.capsule();
    Set<CapsuleName> heard = link(now, link).capsules;
    drop(now, capsule);
    if (!heard.contains(capsule)) {
      if (heard.size() >= MAX_CAPSULES_OF_LINK || listening >= MAX_ALL_LISTENERS) {
        // Some of them may have been silent for long.
        List.copyOf(heard.size() >= MAX_CAPSULES_OF_LINK ? heard : listeners.keySet())
            .forEach(other -> drop(now, other));
      }
      Map<Long, Listener> others = listeners.get(capsule);
      if (heard.size() >= MAX_CAPSULES_OF_LINK
          || listening >= MAX_ALL_LISTENERS
          || (others != null && others.size() >= MAX_LISTENERS)) {
        return false;
      }
      heard.add(capsule);
      listening++;
    }
    Map<Long, Listener> others = listeners.computeIfAbsent(capsule, c -> new LinkedHashMap<>());
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
    Link from = link(now, link);
    long bytes = relay.frame().length();
    if (!from.frames.has(now, 1) || !from.bytes.has(now, bytes)) {
      return false;
    }
    from.frames.take(1);
    from.bytes.take(bytes);
    drop(now, relay.capsule());
    listeners
        .getOrDefault(relay.capsule(), Map.of())
        .forEach(
            (to, listener) -> {
              if (to != link) {
                out.send(to, new Message.Relayed(listener.request, relay.frame()));
              }
            });
    return true;
  }

  /** Forgets who has not said for long that it listens to a capsule. */
  private void drop(long now, CapsuleName capsule) {
    Map<Long, Listener> among = listeners.get(capsule);
    if (among == null) {
      return;
    }
    among
        .entrySet()
        .removeIf(
            listener -> {
              boolean silent = now - listener.getValue().until >= 0;
              if (silent) {
                forget(listener.getKey(), capsule);
              }
              return silent;
            });
    if (among.isEmpty()) {
      listeners.remove(capsule);
    }
  }

  private void forget(long link, CapsuleName capsule) {
    Link of = links.get(link);
    if (of == null || !of.capsules.remove(capsule)) {
      throw new IllegalStateException("a link listens to what it was not counted for");
    }
    listening--;
  }

  /** A link is gone. */
  void down(long link) {
    Link gone = links.get(link);
    if (gone == null) {
      return;
    }
    for (CapsuleName capsule : List.copyOf(gone.capsules)) {
      forget(link, capsule);
      Map<Long, Listener> others = listeners.get(capsule);
      if (others == null || others.remove(link) == null) {
        throw new IllegalStateException("a link was counted for what it does not listen to");
      }
      if (others.isEmpty()) {
        listeners.remove(capsule);
      }
    }
    links.remove(link);
  }

  /** How many listen, each counted for each capsule. */
  int listening() {
    return listening;
  }
}
