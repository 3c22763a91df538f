package io.capsuledb.replication.router;

import io.capsuledb.core.crypto.Hash32;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which frames were seen: of each origin a window of the newest counters. A frame is accepted once;
 * one that is older than the window, never. The origin that was silent longest is forgotten when
 * there are too many. One thread.
 */
final class SeenFrames {

  /** Counters that a window holds: frames may overtake one another by so many. */
  static final int WINDOW = 1024;

  private static final class Window {
    private final long[] bits = new long[WINDOW / Long.SIZE];
    private long newest;

    boolean accept(long counter) {
      if (counter > newest) {
        long gap = counter - newest;
        if (gap >= WINDOW) {
          java.util.Arrays.fill(bits, 0);
        } else {
          for (long at = newest + 1; at < counter; at++) {
            bits[word(at)] &= ~bit(at);
          }
        }
        newest = counter;
        bits[word(counter)] |= bit(counter);
        return true;
      }
      if (newest - counter >= WINDOW || (bits[word(counter)] & bit(counter)) != 0) {
        return false;
      }
      bits[word(counter)] |= bit(counter);
      return true;
    }

    private static int word(long counter) {
      return (int) (counter % WINDOW) / Long.SIZE;
    }

    private static long bit(long counter) {
      return 1L << (counter % Long.SIZE);
    }
  }

  private final int maxOrigins;
  private final LinkedHashMap<Hash32, Window> windows = new LinkedHashMap<>(16, 0.75f, true);

  SeenFrames(int maxOrigins) {
    this.maxOrigins = maxOrigins;
  }

  /** Whether a frame is new; from then on it is not. Counters are positive. */
  boolean accept(Hash32 origin, long counter) {
    Window window = windows.get(origin);
    if (window == null) {
      window = new Window();
      windows.put(origin, window);
      if (windows.size() > maxOrigins) {
        Map.Entry<Hash32, Window> oldest = windows.firstEntry();
        windows.remove(oldest.getKey());
      }
    }
    return window.accept(counter);
  }

  int origins() {
    return windows.size();
  }
}
