package io.capsuledb.replication.sim;

import io.capsuledb.core.port.Transport;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.Set;

/**
 * Links between named nodes under virtual time. A node listens at {@code sim://} and its name.
 * Thread-safe, but deterministic only if one thread uses it: what happens is a function of the seed
 * and of the calls.
 *
 * <p>Events are told from inside {@link #advance} only, one at a time, so a node may call anything
 * while it is told one.
 */
public final class SimNetwork {

  /** Decides what becomes of a frame beside the faults; also where tests watch. */
  @FunctionalInterface
  public interface Filter {
    /**
     * A frame sets out.
     *
     * @param frame the bytes that will arrive; may be altered in place
     * @return false to lose it
     */
    boolean pass(String from, String to, byte[] frame);
  }

  private record Due(long at, long sequence, Runnable event) {}

  private final Random random;
  private final PriorityQueue<Due> queue =
      new PriorityQueue<>(Comparator.comparingLong(Due::at).thenComparingLong(Due::sequence));
  private final Map<String, SimTransport> listening = new HashMap<>();
  private final Set<String> cutOff = new HashSet<>();
  private Faults faults = Faults.NONE;
  private Filter filter = (from, to, frame) -> true;
  private long now;
  private long sequence;
  private long lastLink;

  public SimNetwork(long seed) {
    random = new Random(seed);
  }

  /** A new node, or the same one after a restart. */
  public SimTransport node(String name, Transport.Events events) {
    return new SimTransport(this, name, events);
  }

  /** From now on this happens to frames. */
  public synchronized void faults(Faults faults) {
    this.faults = faults;
  }

  /** From now on this decides about frames, before the faults do. */
  public synchronized void filter(Filter filter) {
    this.filter = filter;
  }

  /** Frames between these nodes and all others get lost, until {@link #heal}; links stay. */
  public synchronized void partition(Set<String> nodes) {
    cutOff.clear();
    cutOff.addAll(nodes);
  }

  /** Ends a partition. */
  public synchronized void heal() {
    cutOff.clear();
  }

  /**
   * Time passes: tells everything that is due.
   *
   * @param now not earlier than before
   * @return whether anything was due
   */
  public boolean advance(long now) {
    boolean any = false;
    while (true) {
      Due due;
      synchronized (this) {
        this.now = Math.max(this.now, now);
        due = queue.peek();
        if (due == null || due.at > now) {
          return any;
        }
        queue.remove();
      }
      due.event.run();
      any = true;
    }
  }

  /** When the next thing is due; empty if nothing is on its way. */
  public synchronized OptionalLong next() {
    Due due = queue.peek();
    return due == null ? OptionalLong.empty() : OptionalLong.of(due.at);
  }

  // ------------------------------------------------------------------ for nodes

  synchronized long newLink() {
    return ++lastLink;
  }

  synchronized boolean listen(String name, SimTransport node) {
    return listening.putIfAbsent(name, node) == null;
  }

  synchronized void stopListening(SimTransport node) {
    listening.values().removeIf(other -> other.equals(node));
  }

  synchronized SimTransport listener(String from, String to) {
    return severed(from, to) ? null : listening.get(to);
  }

  /** Something that is not lost, but takes its time. */
  synchronized void later(Runnable event) {
    queue.add(new Due(now + delay(), ++sequence, event));
  }

  /**
   * A frame sets out.
   *
   * @param notBefore of frames before it on the same link; faults may ignore it
   * @return when it arrives the first time
   */
  synchronized long travel(
      String from, String to, byte[] frame, long notBefore, Runnable lost, Runnable arrival) {
    boolean passes = filter.pass(from, to, frame);
    if (!passes || severed(from, to) || random.nextDouble() < faults.loss()) {
      later(lost);
      return notBefore;
    }
    long at = now + delay();
    if (!faults.reorder()) {
      at = Math.max(at, notBefore);
    }
    queue.add(new Due(at, ++sequence, arrival));
    if (random.nextDouble() < faults.duplicate()) {
      queue.add(new Due(at + delay(), ++sequence, arrival));
    }
    return Math.max(at, notBefore);
  }

  private boolean severed(String from, String to) {
    return cutOff.contains(from) != cutOff.contains(to);
  }

  private long delay() {
    long span = faults.maxDelayNanos() - faults.minDelayNanos();
    return faults.minDelayNanos() + (span <= 0 ? 0 : random.nextLong(span + 1));
  }

  /** The names that listen, for tests. */
  public synchronized List<String> nodes() {
    return new ArrayList<>(listening.keySet());
  }
}
