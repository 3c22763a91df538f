package io.capsuledb.engine;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.port.Entropy;
import java.util.HashSet;
import java.util.Set;

/** Draws indexes for new writers: at random, and never one that the capsule has seen. */
final class WriterIndexes {

  /** That two of 62 random bits collide is not expected in a lifetime. */
  private static final int MAX_DRAWS = 64;

  private final Entropy entropy;
  private final Set<Long> known = new HashSet<>();

  WriterIndexes(Entropy entropy) {
    this.entropy = entropy;
  }

  synchronized void add(long writer) {
    known.add(writer);
  }

  synchronized long draw() {
    byte[] draw = new byte[Long.BYTES];
    for (int i = 0; i < MAX_DRAWS; i++) {
      entropy.fill(draw);
      long writer = LittleEndian.getLong(draw, 0) & RosterEntry.MAX_WRITER;
      if (writer != 0 && known.add(writer)) {
        return writer;
      }
    }
    throw new IllegalStateException("the entropy source draws the same writers again and again");
  }
}
