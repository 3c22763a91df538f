package io.capsuledb.host.pair;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.IntFunction;

/** The links to replicas and among routers, which the other process speaks over. Thread-safe. */
final class HostNetworks implements AutoCloseable {

  /** Bits of a link's number that are the network's own. */
  static final int LINK_BITS = 48;

  /** Instead of how many links a network of routers may have: it is for replicas. */
  static final int FOR_REPLICAS = 0;

  static final int MAX_NETWORKS = (1 << 15) - 1;
  private static final int MAX_OPEN = 16;
  private static final int MAX_ADDRESS_BYTES = 1 << 10;
  private static final int MAX_REASON_CHARS = 512;

  private final PairLink link;
  private final Function<Transport.Events, Network> replicas;
  private final IntFunction<Function<Transport.Events, Network>> routers;
  private final Map<Integer, Network> networks = new ConcurrentHashMap<>();
  private final AtomicInteger numbers = new AtomicInteger();

  HostNetworks(
      PairLink link,
      Function<Transport.Events, Network> replicas,
      IntFunction<Function<Transport.Events, Network>> routers) {
    this.link = link;
    this.replicas = replicas;
    this.routers = routers;
  }

  private static long outer(int network, long inner) {
    if (inner < 0 || inner >= 1L << LINK_BITS) {
      throw new IllegalStateException("link " + inner);
    }
    return ((long) network << LINK_BITS) | inner;
  }

  private static long inner(long outer) {
    return outer & ((1L << LINK_BITS) - 1);
  }

  private Network known(PairReader question) {
    Network network = networks.get(question.u32());
    if (network == null) {
      throw new InvalidRequestException("there is no such network");
    }
    return network;
  }

  /** Answers one question about links. */
  PairWriter answer(PairOp op, PairReader question) {
    PairWriter answer = PairCalls.ok();
    return switch (op) {
      case NET_START -> {
        int routerLinks = question.count(Outside.MAX_ROUTER_LINKS);
        int number = numbers.incrementAndGet();
        if (networks.size() >= MAX_OPEN || number > MAX_NETWORKS) {
          throw new InvalidRequestException("too many networks");
        }
        networks.put(
            number,
            (routerLinks == FOR_REPLICAS ? replicas : routers.apply(routerLinks))
                .apply(new Told(number)));
        yield answer.u32(number);
      }
      case NET_LISTEN -> answer.text(known(question).listen(question.text(MAX_ADDRESS_BYTES)));
      case NET_CONNECT -> {
        int number = question.u32();
        Network network = networks.get(number);
        if (network == null) {
          throw new InvalidRequestException("there is no such network");
        }
        yield answer.u64(outer(number, network.connect(question.text(MAX_ADDRESS_BYTES))));
      }
      case NET_COUNTERS -> {
        Map<String, Long> counters = known(question).counters();
        answer.u32(counters.size());
        counters.forEach((name, value) -> answer.text(name).u64(value));
        yield answer;
      }
      case NET_CLOSE -> {
        Network closed = networks.remove(question.u32());
        if (closed != null) {
          closed.close();
        }
        yield answer;
      }
      default -> throw new InvalidRequestException("links know no " + op);
    };
  }

  /** Takes a message about links; false if it is about something else. */
  boolean received(PairKind kind, long number, byte[] body) {
    Network network = networks.get(PairedNetworks.network(number));
    switch (kind) {
      case LINK_SEND -> {
        if (network != null) {
          // Without room there it is lost; either way it is under way no more.
          var _ = network.send(inner(number), body);
          link.send(PairKind.LINK_ROOM, number, new PairWriter().u32(body.length).toBytes());
        }
      }
      case LINK_DROP -> {
        if (network != null) {
          network.drop(inner(number));
        }
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  @Override
  public void close() {
    networks.values().forEach(Network::close);
    networks.clear();
  }

  /** Tells the other process what happens on links. */
  private final class Told implements Transport.Events {
    private final int number;

    Told(int number) {
      this.number = number;
    }

    private void tell(PairKind kind, long inner, byte[] body) {
      if (!link.isOver()) {
        try {
          link.send(kind, outer(number, inner), body);
        } catch (io.capsuledb.core.error.UnavailableException e) {
          System.getLogger(HostNetworks.class.getName())
              .log(System.Logger.Level.DEBUG, "event=pair.link_over");
        }
      }
    }

    @Override
    public void opened(long inner) {
      // How long frames may be before a peer is known, the other process sees to itself.
      Network network = networks.get(number);
      if (network != null) {
        network.admit(inner);
      }
      tell(PairKind.LINK_OPENED, inner, new byte[0]);
    }

    @Override
    public void received(long inner, byte[] frame) {
      tell(PairKind.LINK_RECEIVED, inner, frame);
    }

    @Override
    public void closed(long inner, String reason) {
      String text =
          reason.length() > MAX_REASON_CHARS ? reason.substring(0, MAX_REASON_CHARS) : reason;
      tell(PairKind.LINK_CLOSED, inner, new PairWriter().text(text).toBytes());
    }
  }
}
