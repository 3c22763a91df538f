package io.capsuledb.engine.memtable;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Memory of an engine that nobody closed, as after a simulated loss of power. */
class AbandonedArenaTest {

  private static final int MOST_COLLECTIONS = 200;

  private static MemorySegment.Scope abandoned() {
    EntryArena arena = new EntryArena();
    assertThat(arena.allocate(100)).isNotZero();
    assertThat(arena.allocate(3L << 20)).isNotZero();
    return arena.scope();
  }

  @Test
  void whatNobodyClosedIsGivenBackWhenItIsCollected() {
    MemorySegment.Scope scope = abandoned();
    for (int i = 0; i < MOST_COLLECTIONS && scope.isAlive(); i++) {
      System.gc();
    }
    assertThat(scope.isAlive()).isFalse();
  }

  @Test
  void closingTwiceIsClosingOnce() {
    EntryArena arena = new EntryArena();
    assertThat(arena.allocate(8)).isNotZero();
    arena.close();
    arena.close();
    assertThat(arena.scope().isAlive()).isFalse();
  }
}
