package io.capsuledb.replication.transport;

import io.capsuledb.core.port.Transport;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;

/** Remembers what a transport tells, and checks that it tells it in order. */
final class RecordingEvents implements Transport.Events {

  private final Map<Long, List<byte[]>> frames = new ConcurrentHashMap<>();
  private final List<Long> opened = new ArrayList<>();
  private final Map<Long, String> closed = new ConcurrentHashMap<>();
  private final List<String> mistakes = new ArrayList<>();
  private volatile BiConsumer<Long, byte[]> onFrame = (link, frame) -> {};

  void onFrame(BiConsumer<Long, byte[]> action) {
    onFrame = action;
  }

  @Override
  public void opened(long link) {
    synchronized (opened) {
      if (opened.contains(link) || closed.containsKey(link)) {
        mistakes.add("opened twice or after the end: " + link);
      }
      opened.add(link);
    }
    frames.put(link, new ArrayList<>());
  }

  @Override
  public void received(long link, byte[] frame) {
    List<byte[]> list = frames.get(link);
    if (list == null || closed.containsKey(link)) {
      synchronized (opened) {
        mistakes.add("a frame of a link that is not open: " + link);
      }
      return;
    }
    synchronized (list) {
      list.add(frame);
    }
    onFrame.accept(link, frame);
  }

  @Override
  public void closed(long link, String reason) {
    if (closed.put(link, reason) != null) {
      synchronized (opened) {
        mistakes.add("closed twice: " + link);
      }
    }
  }

  List<Long> opened() {
    synchronized (opened) {
      return List.copyOf(opened);
    }
  }

  Map<Long, String> closed() {
    return Map.copyOf(closed);
  }

  List<byte[]> frames(long link) {
    List<byte[]> list = frames.get(link);
    if (list == null) {
      return List.of();
    }
    synchronized (list) {
      return List.copyOf(list);
    }
  }

  List<String> mistakes() {
    synchronized (opened) {
      return List.copyOf(mistakes);
    }
  }
}
