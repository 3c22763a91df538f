package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.ApplicationKey;
import java.util.List;

/**
 * The application keys a node holds, one per key generation, and what follows from them for one
 * capsule: writers' signing keys and data keys. Thread-safe; owned and closed by whoever made it.
 */
public final class KeyRing implements AutoCloseable {

  private final CapsuleName capsule;
  private final List<ApplicationKey> byGeneration;

  /**
   * A ring over consecutive generations.
   *
   * @param byGeneration application keys of generations 0, 1, 2, …; closed with the ring
   */
  public KeyRing(CapsuleName capsule, List<ApplicationKey> byGeneration) {
    for (int i = 0; i < byGeneration.size(); i++) {
      if (byGeneration.get(i).generation() != i) {
        throw new IllegalArgumentException("key generations must be 0, 1, 2, … without a gap");
      }
    }
    this.capsule = capsule;
    this.byGeneration = List.copyOf(byGeneration);
  }

  /** The newest generation: the one new records are written in. */
  public int currentGeneration() {
    return byGeneration.size() - 1;
  }

  /** Whether the key of a generation is here. */
  public boolean holds(int generation) {
    return generation >= 0 && generation < byGeneration.size();
  }

  /** The application key of a generation this ring holds. */
  public ApplicationKey application(int generation) {
    return byGeneration.get(generation);
  }

  /** A writer's data key in a generation this ring holds; to be closed by the caller. */
  public SecretBytes dataKey(int generation, long writer) {
    return byGeneration.get(generation).dataKey(capsule.toBytes(), writer);
  }

  @Override
  public void close() {
    for (ApplicationKey key : byGeneration) {
      key.close();
    }
  }
}
