package io.capsuledb.replication.router;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.RouterMessage;
import io.capsuledb.replication.protocol.RouterMessageCodec;
import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.SequencedSet;
import java.util.function.Consumer;

/**
 * Gets one link to a router above, and keeps it: tries the routers of an ordered list, goes where a
 * full one says, and after the end of a link tries those after it in the list, the router above the
 * one that is gone, and at last that one again. A step function; one thread.
 *
 * <p>Invariants: at most one dial is under way, named by {@code token}; whatever belongs to an
 * older token is ignored; each dial ends by joining or at its deadline; at most {@link
 * #MAX_REDIRECTS} detours are made for one walk through the list.
 */
final class Uplink {

  /** Detours for one walk through the list of routers. */
  static final int MAX_REDIRECTS = 32;

  private static final int MAX_DOUBLINGS = 4;

  /** How far it is. */
  enum State {
    IDLE,
    DIALLING,
    JOINING,
    JOINED
  }

  private final List<String> routers;
  private final Blob join;
  private final RouterOptions options;
  private final Random random;
  private final Consumer<RouterOutput> out;

  private State state = State.IDLE;
  private long token;
  private long link;
  private String address = "";
  private Hash32 peer = Hash32.ZERO;
  private List<RouterMessage.Hop> path = List.of();
  private final ArrayDeque<String> candidates = new ArrayDeque<>();
  private int redirects;
  private int failures;
  private long due;
  private long lastHeard;
  private long nextBeat;

  private long joined;
  private long lost;
  private long turned;

  Uplink(
      List<String> routers,
      RouterMessage.Join join,
      RouterOptions options,
      Random random,
      long now,
      Consumer<RouterOutput> out) {
    this.routers = List.copyOf(routers);
    this.join = Blob.of(RouterMessageCodec.encode(join));
    this.options = options;
    this.random = random;
    this.out = out;
    due = now;
  }

  State state() {
    return state;
  }

  boolean isJoined() {
    return state == State.JOINED;
  }

  /** Whether a link is, or may become, the one upwards. */
  boolean owns(long number) {
    return (state == State.JOINING || state == State.JOINED) && number == link;
  }

  long link() {
    return link;
  }

  /** Whether this router is at the other end. */
  boolean leadsTo(Hash32 router) {
    return (state == State.JOINING || state == State.JOINED) && router.equals(peer);
  }

  /** From the root to the router above; empty if there is none. */
  List<RouterMessage.Hop> path() {
    return path;
  }

  long joins() {
    return joined;
  }

  long losses() {
    return lost;
  }

  long turnedAway() {
    return turned;
  }

  // ------------------------------------------------------------------ inputs

  /** A dialled link is there. */
  void up(long now, long number, PublicKey key, long dialled) {
    if (state != State.DIALLING || dialled != token) {
      return;
    }
    state = State.JOINING;
    link = number;
    peer = RouterMessageCodec.id(key);
    due = now + options.joinNanos();
    out.accept(new RouterOutput.Send(number, join));
  }

  /** A link that {@link #owns} is gone. */
  void down(long now) {
    if (state == State.JOINED) {
      leave(now);
    } else {
      fail(now);
    }
  }

  /** Anything arrived over the link. */
  void heard(long now) {
    lastHeard = now;
  }

  /**
   * The router above takes this one as its child, or says that it still does; {@link #path} is what
   * it says.
   */
  void welcome(long now, RouterMessage.Welcome welcome) {
    lastHeard = now;
    if (state == State.JOINING) {
      state = State.JOINED;
      joined++;
      failures = 0;
      candidates.clear();
      nextBeat = now;
    }
    path = welcome.path();
  }

  /** The router above does not take this one. */
  void turned(long now, RouterMessage.Turned answer) {
    turned++;
    if (state == State.JOINED) {
      leave(now);
      return;
    }
    List<String> instead = answer.instead();
    for (int i = instead.size() - 1; i >= 0 && redirects < MAX_REDIRECTS; i--) {
      redirects++;
      candidates.addFirst(instead.get(i));
    }
    fail(now);
  }

  /** Gives the link up, and looks for another one. */
  void leave(long now) {
    lost++;
    SequencedSet<String> next = new LinkedHashSet<>();
    int at = routers.indexOf(address);
    for (int i = 1; i < routers.size() + (at < 0 ? 1 : 0); i++) {
      next.add(routers.get((Math.max(at, -1) + i + routers.size()) % routers.size()));
    }
    if (path.size() >= 2 && !path.get(path.size() - 2).address().isEmpty()) {
      next.add(path.get(path.size() - 2).address());
    }
    next.remove(address);
    next.add(address);
    hangUp();
    candidates.clear();
    candidates.addAll(next);
    redirects = 0;
    // Many lose one router together: they should not knock at the next one together.
    due = now + (long) (options.retryNanos() * random.nextDouble());
  }

  void tick(long now) {
    switch (state) {
      case IDLE -> {
        if (now - due >= 0) {
          next(now);
        }
      }
      case DIALLING, JOINING -> {
        if (now - due >= 0) {
          fail(now);
        }
      }
      case JOINED -> {
        if (now - lastHeard > options.silenceNanos()) {
          leave(now);
        } else if (now - nextBeat >= 0) {
          nextBeat = now + options.heartbeatNanos();
          out.accept(
              new RouterOutput.Send(
                  link, Blob.of(RouterMessageCodec.encode(new RouterMessage.Beat()))));
        }
      }
    }
  }

  // ------------------------------------------------------------------ inside

  private void next(long now) {
    if (candidates.isEmpty()) {
      candidates.addAll(routers);
      redirects = 0;
    }
    String candidate = candidates.poll();
    if (candidate == null) {
      due = now + TIMELESS;
      return;
    }
    address = candidate;
    token++;
    state = State.DIALLING;
    due = now + options.joinNanos();
    out.accept(new RouterOutput.Dial(token, candidate));
  }

  /** A century: nobody to look for. */
  private static final long TIMELESS = 3_000_000_000_000_000_000L;

  private void fail(long now) {
    hangUp();
    if (!candidates.isEmpty()) {
      due = now;
      next(now);
      return;
    }
    long wait = options.retryNanos() << Math.min(failures, MAX_DOUBLINGS);
    failures++;
    due = now + (long) (wait * (0.5 + 0.5 * random.nextDouble()));
  }

  private void hangUp() {
    out.accept(new RouterOutput.HangUp(token));
    state = State.IDLE;
    peer = Hash32.ZERO;
    path = List.of();
  }
}
