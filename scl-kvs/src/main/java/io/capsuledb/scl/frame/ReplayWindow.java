package io.capsuledb.scl.frame;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which counters of which sender were seen: each passes once.
 *
 * <p>Invariants: a counter that passed never passes again; of each sender the newest {@link #WIDTH}
 * counters below its largest may come in any order, older ones are refused; at most {@link
 * #MAX_SENDERS} senders are known, those heard of longest ago are forgotten first. (A forgotten
 * sender's old frames could be replayed: messages bear that, see {@link SclMessage}.)
 *
 * <p>One thread at a time.
 */
public final class ReplayWindow {

  /** How far frames of a sender may overtake one another. */
  public static final int WIDTH = 1024;

  /** Most senders that are remembered. */
  public static final int MAX_SENDERS = 16_384;

  private static final class Seen {
    long largest;
    final long[] bits = new long[WIDTH / Long.SIZE];
  }

  private final Map<Long, Seen> senders =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Seen> eldest) {
          return size() > MAX_SENDERS;
        }
      };

  /** A window that has seen nothing. */
  public ReplayWindow() {}

  /**
   * Whether a frame may pass: to be asked once for each frame, after it was authenticated.
   *
   * @param counter from 1
   */
  public boolean pass(long sender, long counter) {
    Seen seen = senders.computeIfAbsent(sender, s -> new Seen());
    if (counter > seen.largest) {
      long step = counter - seen.largest;
      if (step >= WIDTH) {
        java.util.Arrays.fill(seen.bits, 0);
      } else {
        for (long c = seen.largest + 1; c <= counter; c++) {
          clear(seen.bits, c);
        }
      }
      seen.largest = counter;
      set(seen.bits, counter);
      return true;
    }
    if (counter <= seen.largest - WIDTH || isSet(seen.bits, counter)) {
      return false;
    }
    set(seen.bits, counter);
    return true;
  }

  private static boolean isSet(long[] bits, long counter) {
    return (bits[slot(counter)] & bit(counter)) != 0;
  }

  private static void set(long[] bits, long counter) {
    bits[slot(counter)] |= bit(counter);
  }

  private static void clear(long[] bits, long counter) {
    bits[slot(counter)] &= ~bit(counter);
  }

  private static int slot(long counter) {
    return (int) (counter % WIDTH) / Long.SIZE;
  }

  private static long bit(long counter) {
    return 1L << (counter % Long.SIZE);
  }
}
