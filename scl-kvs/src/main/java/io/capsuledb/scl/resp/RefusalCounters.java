package io.capsuledb.scl.resp;

import io.capsuledb.core.port.Clock;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Counts and logs why connections were refused or closed by the server. At most one line a second
 * is logged for each reason, and says how many it stands for: a flood of connections must not
 * become a flood of log.
 *
 * <p>Thread-safe.
 */
final class RefusalCounters {

  /** Why a connection was refused or closed. Names are stable: they label metrics. */
  enum Cause {
    MAX_CLIENTS,
    /** All clients' unfinished commands together are too much. */
    INPUT_BUDGET,
    /** This client does not read its replies. */
    OUTPUT_LIMIT,
    /** All clients' unread replies together are too much. */
    OUTPUT_BUDGET,
    /** Not RESP. */
    PROTOCOL,
    /** HTTP sent to this port: somebody's browser was made to. */
    CROSS_PROTOCOL,
    IDLE,
    /** Connected, and did not authenticate in time. */
    NOT_AUTHENTICATED,
    /** Too many wrong passwords. */
    WRONG_PASSWORDS,
    TLS_HANDSHAKE,
    /** The engine stopped while replies waited for it. */
    ENGINE_FAILURE,
    /** A reply waited for durability for too long: an error went in its place. */
    REPLY_TIMEOUT
  }

  private static final System.Logger LOG = System.getLogger(RefusalCounters.class.getName());
  private static final long LOG_EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final class Tally {
    private final AtomicLong count = new AtomicLong();
    private final AtomicLong logged = new AtomicLong();
    private final AtomicLong nextLogNanos = new AtomicLong();
  }

  private final Clock clock;
  private final Map<Cause, Tally> tallies = new EnumMap<>(Cause.class);

  RefusalCounters(Clock clock) {
    this.clock = clock;
    long now = clock.monotonicNanos();
    for (Cause cause : Cause.values()) {
      Tally tally = new Tally();
      tally.nextLogNanos.set(now);
      tallies.put(cause, tally);
    }
  }

  void count(Cause cause) {
    Tally tally = java.util.Objects.requireNonNull(tallies.get(cause));
    long total = tally.count.incrementAndGet();
    long now = clock.monotonicNanos();
    long next = tally.nextLogNanos.get();
    if (now - next >= 0 && tally.nextLogNanos.compareAndSet(next, now + LOG_EVERY_NANOS)) {
      long before = tally.logged.getAndSet(total);
      LOG.log(
          System.Logger.Level.INFO,
          "event=client.refused reason=" + label(cause) + " count=" + (total - before));
    }
  }

  long of(Cause cause) {
    return java.util.Objects.requireNonNull(tallies.get(cause)).count.get();
  }

  /** Every cause's count, by its label. */
  Map<String, Long> snapshot() {
    Map<String, Long> counts = new LinkedHashMap<>();
    tallies.forEach((cause, tally) -> counts.put(label(cause), tally.count.get()));
    return counts;
  }

  private static String label(Cause cause) {
    return cause.name().toLowerCase(Locale.ROOT);
  }
}
