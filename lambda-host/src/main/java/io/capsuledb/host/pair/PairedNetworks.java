package io.capsuledb.host.pair;

import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Links to replicas that the other process has. A frame that finds no room there or here is lost,
 * as it may be on the way. Links are numbered there; to tell links of different networks apart,
 * each number is that of the network, 16 bits, and its own.
 *
 * <p>What happens on links is told on a thread of each network's own: who is told may be waiting
 * for an answer that comes over the same ring. Thread-safe.
 */
final class PairedNetworks {

  private static final int MAX_COUNTERS = 1 << 10;
  private static final int MAX_NAME_BYTES = 256;
  private static final int MAX_REASON_BYTES = 4 << 10;

  /** Of one link, in the host or on the way there. */
  private static final int MAX_LINK_BYTES = 64 << 20;

  /** Of one network, from links and not told yet. */
  private static final long MAX_WAITING_BYTES = 128L << 20;

  private static final int FRAME_COST = 256;
  private static final int MAX_LINKS = 1 << 12;
  private static final byte[] NOTHING = {};

  private final PairLink link;
  private final PairCalls calls;
  private final Map<Integer, Paired> networks = new ConcurrentHashMap<>();

  PairedNetworks(PairLink link, PairCalls calls) {
    this.link = link;
    this.calls = calls;
  }

  static int network(long number) {
    return (int) (number >>> HostNetworks.LINK_BITS);
  }

  /**
   * A network of its own.
   *
   * @param routerLinks of a network of routers, how many at once; or {@link
   *     HostNetworks#FOR_REPLICAS}
   */
  Network start(int routerLinks, Transport.Events events) {
    PairReader answer = calls.call(PairOp.NET_START, new PairWriter().u32(routerLinks));
    int number = answer.count(HostNetworks.MAX_NETWORKS);
    answer.end();
    Paired network = new Paired(number, events);
    if (networks.putIfAbsent(number, network) != null) {
      throw PairReader.rejected(Rejection.Reason.MISPLACED, "network " + number + " twice");
    }
    return network;
  }

  /** Takes a message about links; false if it is about something else. */
  boolean received(PairKind kind, long number, byte[] body) {
    return switch (kind) {
      case LINK_OPENED, LINK_RECEIVED, LINK_CLOSED, LINK_ROOM -> {
        Paired network = networks.get(network(number));
        if (network != null) {
          network.received(kind, number, body);
        }
        yield true;
      }
      default -> false;
    };
  }

  /** The other process is gone, and every link with it. */
  void lost() {
    networks.values().forEach(Paired::lost);
  }

  /** A link. */
  private static final class Link {
    /** Bytes that the host has not passed on yet. */
    private final AtomicLong underWay = new AtomicLong();

    /** Whether the peer has proved who it is. */
    private volatile boolean admitted;
  }

  private final class Paired implements Network {
    private final int number;
    private final Events events;
    private final Map<Long, Link> links = new ConcurrentHashMap<>();
    private final Set<Long> asked = ConcurrentHashMap.newKeySet();
    private final AtomicLong waiting = new AtomicLong();
    private final ExecutorService telling;

    Paired(int number, Events events) {
      this.number = number;
      this.events = events;
      this.telling =
          Executors.newSingleThreadExecutor(
              Thread.ofPlatform().daemon().name("enclave-links-" + number).factory());
    }

    private void tell(long bytes, Runnable task) {
      waiting.addAndGet(bytes);
      try {
        telling.execute(
            () -> {
              waiting.addAndGet(-bytes);
              task.run();
            });
      } catch (RejectedExecutionException e) {
        // It was closed: nobody wants to know.
        waiting.addAndGet(-bytes);
      }
    }

    void received(PairKind kind, long about, byte[] body) {
      switch (kind) {
        case LINK_OPENED -> {
          if (links.size() >= MAX_LINKS) {
            throw PairReader.rejected(Rejection.Reason.TOO_LARGE, "links");
          }
          asked.remove(about);
          links.putIfAbsent(about, new Link());
          tell(0, () -> events.opened(about));
        }
        case LINK_RECEIVED -> {
          if (body.length > MAX_FRAME_BYTES) {
            throw PairReader.rejected(Rejection.Reason.TOO_LARGE, "frame of a link");
          }
          if (links.containsKey(about) && waiting.get() + body.length <= MAX_WAITING_BYTES) {
            tell(body.length + FRAME_COST, () -> received(about, body));
          }
        }
        case LINK_CLOSED -> {
          String reason = new PairReader(body).text(MAX_REASON_BYTES);
          // Also of one that was asked for and never opened.
          links.remove(about);
          asked.remove(about);
          tell(0, () -> events.closed(about, reason));
        }
        case LINK_ROOM -> {
          Link known = links.get(about);
          if (known != null) {
            int passed = new PairReader(body).u32();
            known.underWay.updateAndGet(before -> Math.max(0, before - Math.max(0, passed)));
          }
        }
        default -> throw new IllegalStateException("not about links: " + kind);
      }
    }

    private void received(long about, byte[] frame) {
      Link known = links.get(about);
      if (known == null) {
        return;
      }
      if (!known.admitted && frame.length > MAX_NEW_LINK_FRAME_BYTES) {
        drop(about);
      } else {
        events.received(about, frame);
      }
    }

    void lost() {
      Set<Long> all = new TreeSet<>(asked);
      all.addAll(links.keySet());
      links.clear();
      asked.clear();
      all.forEach(about -> tell(0, () -> events.closed(about, "the host process is gone")));
    }

    @Override
    public String listen(String address) {
      PairReader answer = calls.call(PairOp.NET_LISTEN, new PairWriter().u32(number).text(address));
      String bound = answer.text(MAX_REASON_BYTES);
      answer.end();
      return bound;
    }

    @Override
    public long connect(String address) {
      PairReader answer =
          calls.call(PairOp.NET_CONNECT, new PairWriter().u32(number).text(address));
      long about = answer.u64();
      answer.end();
      if (network(about) != number) {
        throw PairReader.rejected(Rejection.Reason.MISPLACED, "link " + Long.toHexString(about));
      }
      if (!links.containsKey(about)) {
        asked.add(about);
      }
      return about;
    }

    @Override
    public boolean send(long about, byte[] frame) {
      Link known = links.get(about);
      if (known == null || link.isOver()) {
        return false;
      }
      if (known.underWay.addAndGet(frame.length) > MAX_LINK_BYTES) {
        known.underWay.addAndGet(-frame.length);
        return false;
      }
      link.send(PairKind.LINK_SEND, about, frame);
      return true;
    }

    @Override
    public void admit(long about) {
      // Here, and not there: an admission that comes after the next frame would be of no use.
      Link known = links.get(about);
      if (known != null) {
        known.admitted = true;
      }
    }

    @Override
    public void drop(long about) {
      if (!link.isOver()) {
        link.send(PairKind.LINK_DROP, about, NOTHING);
      }
    }

    @Override
    public Map<String, Long> counters() {
      PairReader answer = calls.call(PairOp.NET_COUNTERS, new PairWriter().u32(number));
      int count = answer.count(MAX_COUNTERS);
      Map<String, Long> counters = new LinkedHashMap<>();
      for (int i = 0; i < count; i++) {
        counters.put(answer.text(MAX_NAME_BYTES), answer.u64());
      }
      answer.end();
      return counters;
    }

    @Override
    public void close() {
      networks.remove(number);
      if (!link.isOver()) {
        calls.call(PairOp.NET_CLOSE, new PairWriter().u32(number)).end();
      }
      telling.shutdown();
    }
  }
}
