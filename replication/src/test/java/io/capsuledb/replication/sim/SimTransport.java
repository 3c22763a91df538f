package io.capsuledb.replication.sim;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A node of a {@link SimNetwork}. */
public final class SimTransport implements Network {

  /** Most bytes on their way over one link in one direction. */
  public static final long LINK_QUEUE_BYTES = 64L << 20;

  private static final Pattern ADDRESS = Pattern.compile("sim://([a-zA-Z0-9._-]+)");

  /** One end of a link. Guarded by its node. */
  private static final class End {
    final SimTransport node;
    final long id;
    final AtomicLong travelling = new AtomicLong();
    End other;
    boolean admitted;
    boolean gone;
    long lastArrival;

    End(SimTransport node, long id) {
      this.node = node;
      this.id = id;
    }
  }

  private final SimNetwork network;
  private final String name;
  private final Transport.Events events;
  private final Map<Long, End> ends = new HashMap<>();
  private boolean closed;
  private long malformed;

  SimTransport(SimNetwork network, String name, Transport.Events events) {
    this.network = network;
    this.name = name;
    this.events = events;
  }

  @Override
  public String listen(String address) {
    String own = parse(address);
    if (!own.equals(name) || !network.listen(name, this)) {
      throw new InvalidRequestException(
          "cannot listen on " + address + " as " + name + ", or somebody does already");
    }
    return address;
  }

  @Override
  public long connect(String address) {
    String to = parse(address);
    End end = new End(this, network.newLink());
    synchronized (this) {
      ends.put(end.id, end);
    }
    network.later(
        () -> {
          SimTransport peer = network.listener(name, to);
          boolean dead;
          synchronized (this) {
            dead = end.gone || closed;
          }
          if (dead) {
            return;
          }
          if (peer == null) {
            finish(end, "cannot connect");
            return;
          }
          End theirs = new End(peer, network.newLink());
          theirs.other = end;
          end.other = theirs;
          synchronized (peer) {
            peer.ends.put(theirs.id, theirs);
          }
          peer.events.opened(theirs.id);
          events.opened(end.id);
        });
    return end.id;
  }

  @Override
  public boolean send(long link, byte[] frame) {
    if (frame.length == 0 || frame.length > MAX_FRAME_BYTES) {
      throw new IllegalArgumentException("a frame of " + frame.length + " bytes");
    }
    End end;
    synchronized (this) {
      end = ends.get(link);
    }
    if (end == null || end.other == null || end.gone) {
      return false;
    }
    if (end.travelling.addAndGet(frame.length) > LINK_QUEUE_BYTES) {
      end.travelling.addAndGet(-frame.length);
      return false;
    }
    End to = end.other;
    Runnable lost = () -> end.travelling.addAndGet(-frame.length);
    boolean[] first = {true};
    end.lastArrival =
        network.travel(
            name,
            to.node.name,
            frame,
            end.lastArrival,
            lost,
            () -> {
              if (first[0]) {
                first[0] = false;
                lost.run();
              }
              to.node.arrive(to, frame);
            });
    return true;
  }

  private void arrive(End end, byte[] frame) {
    boolean fits;
    synchronized (this) {
      if (end.gone || closed) {
        return;
      }
      fits = end.admitted || frame.length <= MAX_NEW_LINK_FRAME_BYTES;
      malformed += fits ? 0 : 1;
    }
    if (fits) {
      // Each arrival has its own array, as on a real network.
      events.received(end.id, frame.clone());
    } else {
      drop(end.id);
    }
  }

  @Override
  public synchronized void admit(long link) {
    End end = ends.get(link);
    if (end != null) {
      end.admitted = true;
    }
  }

  @Override
  public void drop(long link) {
    End end;
    synchronized (this) {
      end = ends.get(link);
      if (end == null || end.gone) {
        return;
      }
      end.gone = true;
    }
    network.later(() -> finish(end, "dropped here"));
    End other = end.other;
    if (other != null) {
      network.later(() -> other.node.finish(other, "disconnected"));
    }
  }

  private void finish(End end, String reason) {
    synchronized (this) {
      end.gone = true;
      if (ends.remove(end.id) == null) {
        return;
      }
    }
    events.closed(end.id, reason);
  }

  @Override
  public synchronized Map<String, Long> counters() {
    return Map.of("sim.links", (long) ends.size(), "sim.dropped.malformed", malformed);
  }

  /** Like the end of a process: the other ends hear of it. */
  @Override
  public void close() {
    ArrayList<End> all;
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
      all = new ArrayList<>(ends.values());
    }
    network.stopListening(this);
    for (End end : all) {
      End other = end.other;
      if (other != null) {
        network.later(() -> other.node.finish(other, "disconnected"));
      }
      finish(end, "closing");
    }
  }

  private static String parse(String address) {
    Matcher matcher = ADDRESS.matcher(address);
    if (!matcher.matches()) {
      throw new InvalidRequestException("the address is '" + address + "'; allowed is sim://name");
    }
    return matcher.group(1);
  }
}
