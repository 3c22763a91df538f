package io.capsuledb.host.launch;

import io.capsuledb.host.channel.Link;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Numbers for open links. Thread-safe. */
final class Channels {

  private final AtomicLong numbers = new AtomicLong();
  private final Map<Long, Link> links = new ConcurrentHashMap<>();

  long add(Link link) {
    long number = numbers.incrementAndGet();
    links.put(number, link);
    return number;
  }

  @Nullable Link get(long number) {
    return links.get(number);
  }

  void remove(long number) {
    links.remove(number);
  }
}
