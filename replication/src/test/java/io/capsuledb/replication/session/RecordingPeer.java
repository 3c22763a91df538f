package io.capsuledb.replication.session;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.replication.protocol.Message;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/** Remembers what a messenger tells, and checks its order. */
final class RecordingPeer implements Messenger.Events {

  record Up(PublicKey peer, long dial) {}

  private final Map<Long, Up> up = new LinkedHashMap<>();
  private final Map<Long, DropReason> down = new LinkedHashMap<>();
  private final List<Message> messages = new ArrayList<>();
  private final List<String> mistakes = new ArrayList<>();
  private volatile BiConsumer<Long, Message> onMessage = (link, message) -> {};

  void onMessage(BiConsumer<Long, Message> action) {
    onMessage = action;
  }

  @Override
  public synchronized void up(long link, PublicKey peer, long dial) {
    if (up.put(link, new Up(peer, dial)) != null) {
      mistakes.add("up twice: " + link);
    }
  }

  @Override
  public void received(long link, Message message) {
    synchronized (this) {
      if (!up.containsKey(link) || down.containsKey(link)) {
        mistakes.add("a message of a link that is not up: " + link);
      }
      messages.add(message);
    }
    onMessage.accept(link, message);
  }

  @Override
  public synchronized void down(long link, DropReason reason, String detail) {
    if (!up.containsKey(link) || down.put(link, reason) != null) {
      mistakes.add("down twice or without up: " + link);
    }
  }

  synchronized List<Long> live() {
    return up.keySet().stream().filter(link -> !down.containsKey(link)).toList();
  }

  synchronized Map<Long, Up> ups() {
    return Map.copyOf(up);
  }

  synchronized Map<Long, DropReason> downs() {
    return Map.copyOf(down);
  }

  synchronized List<Message> messages() {
    return List.copyOf(messages);
  }

  synchronized List<String> mistakes() {
    return List.copyOf(mistakes);
  }
}
