package io.capsuledb.host.replica;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.session.DropReason;
import io.capsuledb.replication.session.Messenger;
import io.capsuledb.replication.session.Network;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Asks replicas and waits for their answers, under a key that is made for the occasion: for
 * commands and tests. What a replica says is its claim; who needs more verifies it. Thread-safe.
 */
public final class ReplicaCaller implements Messenger.Events, AutoCloseable {

  private record Up(long link, PublicKey peer) {}

  private final Clock clock = new SystemClock();
  private final long timeoutNanos;
  private final LinkKey key;
  private final Messenger messenger;
  private final Map<ReplicaAddress, Long> dials = new LinkedHashMap<>();
  private final AtomicLong lastRequest = new AtomicLong();
  private final Map<Long, CompletableFuture<Message.Reply>> waiting = new ConcurrentHashMap<>();

  private final Object monitor = new Object();
  // Guarded by monitor, by dial.
  private final Map<Long, Up> links = new HashMap<>();

  private ReplicaCaller(Function<Transport.Events, Network> transport, long timeoutMs) {
    timeoutNanos = TimeUnit.MILLISECONDS.toNanos(timeoutMs);
    Entropy entropy = new SystemEntropy();
    key = LinkKey.draw(entropy);
    messenger =
        LinkNetwork.start(
            key.identity(),
            transport,
            new Messenger.Ports(clock, entropy, new ThreadScheduler(), Telemetry.NONE),
            this);
  }

  /**
   * Dials replicas and waits until each has answered or the time is over.
   *
   * @param timeoutMs for that, and for each answer later
   */
  public static ReplicaCaller open(
      List<ReplicaAddress> replicas, LinkSecurity security, long timeoutMs) {
    return open(replicas, LinkNetwork.transport(security, Telemetry.NONE), timeoutMs);
  }

  /** As {@link #open(List, LinkSecurity, long)}, over a transport of the caller's. */
  public static ReplicaCaller open(
      List<ReplicaAddress> replicas,
      Function<Transport.Events, Network> transport,
      long timeoutMs) {
    ReplicaCaller caller = new ReplicaCaller(transport, timeoutMs);
    replicas.forEach(caller::dial);
    caller.awaitUp();
    return caller;
  }

  private void dial(ReplicaAddress replica) {
    dials.put(replica, messenger.connect(replica.address().toString(), replica.key()));
  }

  private void awaitUp() {
    long deadline = clock.monotonicNanos() + timeoutNanos;
    synchronized (monitor) {
      while (!links.keySet().containsAll(dials.values())) {
        long left = deadline - clock.monotonicNanos();
        if (left <= 0) {
          return;
        }
        try {
          TimeUnit.NANOSECONDS.timedWait(monitor, left);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return;
        }
      }
    }
  }

  /** Whom it asks, in the order given. */
  public List<ReplicaAddress> replicas() {
    return List.copyOf(dials.keySet());
  }

  /** The key that a replica has proved to have; null while it cannot be reached. */
  public @Nullable PublicKey keyOf(ReplicaAddress replica) {
    Up up = up(replica);
    return up == null ? null : up.peer;
  }

  private @Nullable Up up(ReplicaAddress replica) {
    Long dial = dials.get(replica);
    synchronized (monitor) {
      return dial == null ? null : links.get(dial);
    }
  }

  /**
   * Asks one replica.
   *
   * @param request makes the request with the number given
   * @return its answer, {@link Message.Refused} perhaps; null if it gave none in time
   */
  public Message.@Nullable Reply ask(
      ReplicaAddress replica, LongFunction<? extends Message.Request> request) {
    return askAll(List.of(replica), request).get(replica);
  }

  /**
   * Asks several at once.
   *
   * @return the answers of those that gave one in time
   */
  public Map<ReplicaAddress, Message.Reply> askAll(
      List<ReplicaAddress> replicas, LongFunction<? extends Message.Request> request) {
    Map<ReplicaAddress, Long> numbers = new LinkedHashMap<>();
    Map<ReplicaAddress, CompletableFuture<Message.Reply>> answers = new LinkedHashMap<>();
    for (ReplicaAddress replica : replicas) {
      Up up = up(replica);
      if (up == null) {
        continue;
      }
      long number = lastRequest.incrementAndGet();
      CompletableFuture<Message.Reply> answer = new CompletableFuture<>();
      waiting.put(number, answer);
      if (messenger.send(up.link, request.apply(number))) {
        numbers.put(replica, number);
        answers.put(replica, answer);
      } else {
        waiting.remove(number);
      }
    }
    Map<ReplicaAddress, Message.Reply> given = new LinkedHashMap<>();
    long deadline = clock.monotonicNanos() + timeoutNanos;
    answers.forEach(
        (replica, answer) -> {
          Message.Reply reply = await(answer, deadline);
          waiting.remove(numbers.get(replica));
          if (reply != null) {
            given.put(replica, reply);
          }
        });
    return given;
  }

  private Message.@Nullable Reply await(CompletableFuture<Message.Reply> answer, long deadline) {
    try {
      return answer.get(Math.max(0, deadline - clock.monotonicNanos()), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      return null;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return null;
    } catch (ExecutionException e) {
      throw new AssertionError("answers are never failures", e);
    }
  }

  /** Why links were not made or ended, with how often; empty if none was. */
  public Map<String, Long> troubles() {
    Map<String, Long> troubles = new TreeMap<>();
    messenger
        .counters()
        .forEach(
            (name, count) -> {
              if (count > 0
                  && (name.startsWith("session.dropped.") || name.startsWith("session.refused."))) {
                troubles.put(name.substring("session.".length()), count);
              }
            });
    return troubles;
  }

  @Override
  public void up(long link, PublicKey peer, long dial) {
    synchronized (monitor) {
      links.put(dial, new Up(link, peer));
      monitor.notifyAll();
    }
  }

  @Override
  public void down(long link, DropReason reason, String detail) {
    synchronized (monitor) {
      links.values().removeIf(up -> up.link == link);
    }
  }

  @Override
  public void received(long link, Message message) {
    if (message instanceof Message.Reply reply) {
      CompletableFuture<Message.Reply> answer = waiting.get(reply.request());
      if (answer != null) {
        answer.complete(reply);
      }
    }
  }

  /** Ends all links. */
  @Override
  public void close() {
    messenger.close();
    key.close();
  }
}
