package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.session.DropReason;
import io.capsuledb.replication.session.Messenger;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Links of a {@link Messenger}, by the keys that peers have proved to have. Give it to the
 * messenger as its events, then {@link #attach} both ends.
 *
 * <p>A replica with several links is up while it has one; messages go over the oldest. Thread-safe.
 */
public final class MessengerLinks implements ReplicaLinks, Messenger.Events {

  private final Map<Long, PublicKey> peers = new HashMap<>();
  private final Map<PublicKey, ArrayDeque<Long>> links = new HashMap<>();
  private volatile @Nullable Messenger messenger;
  private volatile ReplicaLinks.@Nullable Events events;

  /** No links yet. */
  public MessengerLinks() {}

  /** Says whose links these are and who is to hear of them; of those that are up already, too. */
  public void attach(Messenger owner, ReplicaLinks.Events hears) {
    messenger = owner;
    synchronized (this) {
      events = hears;
      links.keySet().forEach(hears::up);
    }
  }

  @Override
  public boolean send(PublicKey replica, Message message) {
    Messenger owner = messenger;
    Long link;
    synchronized (this) {
      ArrayDeque<Long> known = links.get(replica);
      link = known == null ? null : known.peek();
    }
    return owner != null && link != null && owner.send(link, message);
  }

  // The events are told under the monitor, so that up and down of one replica keep their order;
  // they only enqueue.

  @Override
  public synchronized void up(long link, PublicKey peer, long dial) {
    peers.put(link, peer);
    ArrayDeque<Long> known = links.computeIfAbsent(peer, k -> new ArrayDeque<>());
    known.add(link);
    ReplicaLinks.Events hears = events;
    if (known.size() == 1 && hears != null) {
      hears.up(peer);
    }
  }

  @Override
  public void received(long link, Message message) {
    PublicKey peer;
    synchronized (this) {
      peer = peers.get(link);
    }
    ReplicaLinks.Events hears = events;
    if (peer != null && hears != null) {
      hears.received(peer, message);
    }
  }

  @Override
  public synchronized void down(long link, DropReason reason, String detail) {
    PublicKey peer = peers.remove(link);
    ArrayDeque<Long> known = peer == null ? null : links.get(peer);
    if (peer == null || known == null) {
      return;
    }
    boolean used = Long.valueOf(link).equals(known.peek());
    known.remove(link);
    ReplicaLinks.Events hears = events;
    if (hears != null && used) {
      // What was under way on it is lost, though another link takes over.
      hears.down(peer);
      if (!known.isEmpty()) {
        hears.up(peer);
      }
    }
    if (known.isEmpty()) {
      links.remove(peer);
    }
  }
}
