package io.capsuledb.replication.router;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.RouterMessage;
import io.capsuledb.replication.protocol.RouterMessage.Reason;
import io.capsuledb.replication.protocol.RouterMessage.Role;
import io.capsuledb.replication.protocol.RouterMessageCodec;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A router of the multicast tree, as a step function: what links tell goes in, {@link #take} gives
 * what is to be done. It passes every frame on to every link but the one it came from. It has no
 * key of any capsule and understands nothing of what it passes on. One thread.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Links are a tree: at most one goes up. A router refuses to take in a router that is above
 *       it, and leaves the one above as soon as it finds itself on the way from there to the root:
 *       both ends of a link tell each other that way at every heartbeat. A cycle is therefore left
 *       after a few heartbeats, and until then carries no frame twice:
 *   <li>A frame, which is an origin and a counter, is passed on once; and over {@link
 *       RouterMessage#MAX_HOPS} links at most.
 *   <li>The origin of a client's frames is made from the key that its link has proved to have.
 *   <li>A link costs its bucket and its places only: links that have not joined end at a deadline,
 *       children are at most {@code fanOut} and {@code maxClients}, origins {@code maxOrigins}.
 * </ul>
 */
public final class RouterCore {

  /** How many clients' worth of frames a router may send. */
  private static final int ROUTER_SHARE = 16;

  /** A link that is up and has not joined. */
  private record Visitor(PublicKey key, long deadline) {}

  /** A link that others below this router use. */
  private static final class Child {
    final Role role;
    final Hash32 id;
    final Hash32 origin;
    final String address;
    final TokenBucket frames;
    final TokenBucket bytes;
    long lastHeard;
    long nextBeat;

    Child(Role role, Hash32 id, Hash32 origin, String address, RouterOptions options, long now) {
      this.role = role;
      this.id = id;
      this.origin = origin;
      this.address = address;
      int share = role == Role.ROUTER ? ROUTER_SHARE : 1;
      frames = frames(options, share, now);
      bytes = bytes(options, share, now);
      lastHeard = now;
      nextBeat = now + options.heartbeatNanos();
    }
  }

  private static TokenBucket frames(RouterOptions options, int share, long now) {
    return new TokenBucket(share * options.framesPerSecond(), 1, now);
  }

  private static TokenBucket bytes(RouterOptions options, int share, long now) {
    return new TokenBucket(
        share * options.bytesPerSecond(), RouterMessage.MAX_PAYLOAD_BYTES + (1L << 10), now);
  }

  private final RouterOptions options;
  private final Hash32 id;
  private final String address;
  private final Random random;
  private final Uplink uplink;
  private final SeenFrames seen;
  private final Map<Long, Visitor> visitors = new LinkedHashMap<>();
  private final Map<Long, Child> children = new LinkedHashMap<>();
  private final TokenBucket framesFromAbove;
  private final TokenBucket bytesFromAbove;
  private final Map<String, Long> counts = new HashMap<>();
  private List<RouterOutput> outputs = new ArrayList<>();
  private Blob greeting;

  /**
   * A router without links.
   *
   * @param self the key its links prove to have
   * @param address where others reach it, which it tells; may be empty
   * @param parents routers above it, the best first; none: it is the root
   * @param seed of what is left to chance: delays
   */
  public RouterCore(
      RouterOptions options,
      PublicKey self,
      String address,
      List<String> parents,
      long seed,
      long now) {
    this.options = options;
    this.address = address;
    id = RouterMessageCodec.id(self);
    random = new Random(seed);
    seen = new SeenFrames(options.maxOrigins());
    framesFromAbove = frames(options, ROUTER_SHARE, now);
    bytesFromAbove = bytes(options, ROUTER_SHARE, now);
    uplink =
        new Uplink(
            parents,
            new RouterMessage.Join(Role.ROUTER, 0, address),
            options,
            random,
            now,
            output -> outputs.add(output));
    greeting = greet();
  }

  // ------------------------------------------------------------------ inputs

  /**
   * A link is there.
   *
   * @param token of the {@link RouterOutput.Dial} that asked for it; 0: a peer made it
   */
  public void up(long now, long link, PublicKey peer, long token) {
    if (token == 0) {
      visitors.put(link, new Visitor(peer, now + options.joinNanos()));
    } else {
      uplink.up(now, link, peer, token);
    }
  }

  /** A link is gone. */
  public void down(long now, long link) {
    visitors.remove(link);
    children.remove(link);
    if (uplink.owns(link)) {
      uplink.down(now);
      pathChanged(now);
    }
  }

  /**
   * Something arrived.
   *
   * @return why it is none of these words, which ends the link; else null
   */
  public @Nullable Rejection received(long now, long link, Blob body) {
    return switch (RouterMessageCodec.decode(body.bytes())) {
      case Decoded.Rejected<RouterMessage>(Rejection rejection) -> rejection;
      case Decoded.Accepted<RouterMessage>(RouterMessage message) -> {
        if (uplink.owns(link)) {
          fromAbove(now, link, message, body);
        } else {
          fromBelow(now, link, message, body);
        }
        yield null;
      }
    };
  }

  /** A {@link RouterOutput.Send} found no room. */
  public void notSent() {
    count("not_sent", 1);
  }

  /** Time passed. */
  public void tick(long now) {
    for (Map.Entry<Long, Visitor> visitor : List.copyOf(visitors.entrySet())) {
      if (now - visitor.getValue().deadline() >= 0) {
        drop(visitor.getKey(), "did not join");
      }
    }
    for (Map.Entry<Long, Child> entry : List.copyOf(children.entrySet())) {
      Child child = entry.getValue();
      if (now - child.lastHeard > options.silenceNanos()) {
        count("silent", 1);
        drop(entry.getKey(), "silent");
      } else if (now - child.nextBeat >= 0) {
        child.nextBeat = now + options.heartbeatNanos();
        send(entry.getKey(), greeting);
      }
    }
    boolean was = uplink.isJoined();
    uplink.tick(now);
    if (was && !uplink.isJoined()) {
      pathChanged(now);
    }
  }

  /** What is to be done since the last time this was asked. */
  public List<RouterOutput> take() {
    List<RouterOutput> taken = outputs;
    outputs = new ArrayList<>();
    return taken;
  }

  // ------------------------------------------------------------------ for people

  /** Whether there is a router above, or none is wanted. */
  public boolean isJoined() {
    return uplink.isJoined();
  }

  /** Routers from the root to the one above; empty for the root of its tree. */
  public List<RouterMessage.Hop> path() {
    return uplink.path();
  }

  /** Everything counted so far, by stable names. */
  public Map<String, Long> counters() {
    Map<String, Long> counters = new TreeMap<>(counts);
    long routers = children.values().stream().filter(c -> c.role == Role.ROUTER).count();
    counters.put("children.routers", routers);
    counters.put("children.clients", children.size() - routers);
    counters.put("visitors", (long) visitors.size());
    counters.put("origins", (long) seen.origins());
    counters.put("depth", (long) uplink.path().size());
    counters.put("parent.joins", uplink.joins());
    counters.put("parent.losses", uplink.losses());
    counters.put("parent.turned_away", uplink.turnedAway());
    return counters;
  }

  /** Whether a counter may also fall. */
  public static boolean isGauge(String counter) {
    return counter.startsWith("children.")
        || counter.equals("visitors")
        || counter.equals("origins")
        || counter.equals("depth");
  }

  // ------------------------------------------------------------------ from above

  private void fromAbove(long now, long link, RouterMessage message, Blob body) {
    uplink.heard(now);
    switch (message) {
      case RouterMessage.Welcome welcome -> {
        List<RouterMessage.Hop> before = uplink.path();
        uplink.welcome(now, welcome);
        if (!before.equals(uplink.path())) {
          pathChanged(now);
        }
      }
      case RouterMessage.Turned turned -> {
        uplink.turned(now, turned);
        pathChanged(now);
      }
      case RouterMessage.Multicast multicast -> {
        if (uplink.isJoined() && fits(now, framesFromAbove, bytesFromAbove, body)) {
          spread(link, multicast, body);
        }
      }
      case RouterMessage.Beat _ -> count("misplaced", 1);
      case RouterMessage.Join _ -> count("misplaced", 1);
    }
  }

  private void pathChanged(long now) {
    List<RouterMessage.Hop> path = uplink.path();
    boolean loop = path.stream().anyMatch(hop -> hop.id().equals(id));
    if (loop || path.size() >= RouterMessage.MAX_DEPTH) {
      count(loop ? "loops" : "too_deep", 1);
      uplink.leave(now);
    }
    greeting = greet();
    // Routers below hear of it at once, so that a cycle is found in a moment.
    children.forEach(
        (link, child) -> {
          if (child.role == Role.ROUTER) {
            child.nextBeat = now + options.heartbeatNanos();
            send(link, greeting);
          }
        });
  }

  private Blob greet() {
    List<RouterMessage.Hop> path = new ArrayList<>(uplink.path());
    path.add(new RouterMessage.Hop(id, address));
    return Blob.of(RouterMessageCodec.encode(new RouterMessage.Welcome(path)));
  }

  // ------------------------------------------------------------------ from below

  private void fromBelow(long now, long link, RouterMessage message, Blob body) {
    Child child = children.get(link);
    Visitor visitor = visitors.get(link);
    if (child != null) {
      child.lastHeard = now;
      switch (message) {
        case RouterMessage.Multicast multicast -> fromChild(now, link, child, multicast, body);
        case RouterMessage.Beat _ -> {}
        case RouterMessage.Join _, RouterMessage.Welcome _, RouterMessage.Turned _ ->
            drop(link, "a word that a child does not say");
      }
    } else if (visitor != null) {
      if (message instanceof RouterMessage.Join join) {
        visitors.remove(link);
        admit(now, link, visitor.key(), join);
      } else {
        drop(link, "did not join first");
      }
    }
    // Else it is on a link that was given up already.
  }

  private void fromChild(
      long now, long link, Child child, RouterMessage.Multicast multicast, Blob body) {
    if (!fits(now, child.frames, child.bytes, body)) {
      return;
    }
    if (child.role == Role.CLIENT && !child.origin.equals(multicast.origin())) {
      count("dropped.origin", 1);
      drop(link, "sends in another's name");
      return;
    }
    spread(link, multicast, body);
  }

  private boolean fits(long now, TokenBucket frames, TokenBucket bytes, Blob body) {
    if (!frames.has(now, 1) || !bytes.has(now, body.length())) {
      count("dropped.rate", 1);
      return false;
    }
    frames.take(1);
    bytes.take(body.length());
    return true;
  }

  private void spread(long from, RouterMessage.Multicast multicast, Blob body) {
    if (multicast.hops() >= RouterMessage.MAX_HOPS) {
      count("dropped.hops", 1);
      return;
    }
    if (!seen.accept(multicast.origin(), multicast.counter())) {
      count("dropped.seen", 1);
      return;
    }
    count("frames", 1);
    count("bytes", body.length());
    Blob onwards = RouterMessageCodec.passedOn(body);
    for (long link : children.keySet()) {
      if (link != from) {
        send(link, onwards);
      }
    }
    if (uplink.isJoined() && uplink.link() != from) {
      send(uplink.link(), onwards);
    }
  }

  private void admit(long now, long link, PublicKey key, RouterMessage.Join join) {
    Hash32 peer = RouterMessageCodec.id(key);
    Reason refusal = refusal(peer, key, join.role());
    if (refusal == null) {
      Hash32 origin = RouterMessageCodec.origin(key, join.salt());
      // A peer that lost its link and comes again before this side noticed.
      for (Map.Entry<Long, Child> entry : List.copyOf(children.entrySet())) {
        Child old = entry.getValue();
        if (old.role == join.role()
            && (old.role == Role.ROUTER ? old.id.equals(peer) : old.origin.equals(origin))) {
          drop(entry.getKey(), "came again");
        }
      }
      if (placesTaken(join.role())
          < (join.role() == Role.ROUTER ? options.fanOut() : options.maxClients())) {
        children.put(link, new Child(join.role(), peer, origin, join.address(), options, now));
        count("joined", 1);
        send(link, greeting);
        return;
      }
      refusal = Reason.FULL;
    }
    count("refused." + refusal.name().toLowerCase(java.util.Locale.ROOT), 1);
    List<String> instead = refusal == Reason.FULL ? instead(peer) : List.of();
    send(link, Blob.of(RouterMessageCodec.encode(new RouterMessage.Turned(refusal, instead))));
    // It hangs up itself; else the deadline of visitors does.
    visitors.put(link, new Visitor(key, now + options.heartbeatNanos()));
  }

  private @Nullable Reason refusal(Hash32 peer, PublicKey key, Role role) {
    if (!options.allowed().isEmpty() && !options.allowed().contains(key)) {
      return Reason.DENIED;
    }
    if (role == Role.CLIENT) {
      return null;
    }
    if (peer.equals(id) || uplink.path().stream().anyMatch(hop -> hop.id().equals(peer))) {
      return Reason.LOOP;
    }
    // Two that ask each other at once: one of them has to be below.
    if (uplink.leadsTo(peer) && (uplink.isJoined() || id.compareTo(peer) < 0)) {
      return Reason.LOOP;
    }
    return uplink.path().size() + 2 > RouterMessage.MAX_DEPTH ? Reason.DEPTH : null;
  }

  private long placesTaken(Role role) {
    return children.values().stream().filter(child -> child.role == role).count();
  }

  private List<String> instead(Hash32 peer) {
    List<String> addresses = new ArrayList<>();
    for (Child child : children.values()) {
      if (child.role == Role.ROUTER && !child.address.isEmpty() && !child.id.equals(peer)) {
        addresses.add(child.address);
      }
    }
    Collections.shuffle(addresses, random);
    return addresses.subList(0, Math.min(addresses.size(), RouterMessage.MAX_ADDRESSES));
  }

  private void send(long link, Blob body) {
    outputs.add(new RouterOutput.Send(link, body));
  }

  private void drop(long link, String reason) {
    visitors.remove(link);
    children.remove(link);
    outputs.add(new RouterOutput.Drop(link, reason));
  }

  private void count(String name, long amount) {
    counts.merge(name, amount, Long::sum);
  }
}
