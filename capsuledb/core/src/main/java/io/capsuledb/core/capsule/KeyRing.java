package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * What a node holds of each key generation of one capsule: the application key, or what an attested
 * worker is given in its place. Data keys and new writers follow from it. Thread-safe; owned and
 * closed by whoever made it.
 */
public final class KeyRing implements AutoCloseable {

  private final CapsuleName capsule;
  private final List<DataRoot> roots;
  private final List<ApplicationKey> byGeneration;
  private final WriterSource writers;

  /**
   * A ring over consecutive generations.
   *
   * @param byGeneration application keys of generations 0, 1, 2, …; closed with the ring
   */
  public KeyRing(CapsuleName capsule, List<ApplicationKey> byGeneration) {
    this(
        capsule,
        byGeneration.stream().map(key -> key.dataRoot(capsule.toBytes())).toList(),
        byGeneration,
        WriterSource.of(capsule, byGeneration.getLast()));
  }

  private KeyRing(
      CapsuleName capsule,
      List<DataRoot> roots,
      List<ApplicationKey> byGeneration,
      WriterSource writers) {
    for (int i = 0; i < roots.size(); i++) {
      if (roots.get(i).generation() != i) {
        throw new IllegalArgumentException("key generations must be 0, 1, 2, … without a gap");
      }
    }
    this.capsule = capsule;
    this.roots = List.copyOf(roots);
    this.byGeneration = List.copyOf(byGeneration);
    this.writers = writers;
  }

  /**
   * The ring of somebody without application keys.
   *
   * @param roots of generations 0, 1, 2, …, at least one; closed with the ring
   * @param writers whom to ask for new writers
   */
  public static KeyRing granted(CapsuleName capsule, List<DataRoot> roots, WriterSource writers) {
    if (roots.isEmpty()) {
      throw new IllegalArgumentException("a ring has one generation at least");
    }
    return new KeyRing(capsule, roots, List.of(), writers);
  }

  /** A ring over the same keys that is closed on its own; for rings without application keys. */
  public KeyRing copyOfGranted() {
    if (!byGeneration.isEmpty()) {
      throw new IllegalStateException("this ring holds application keys");
    }
    return granted(capsule, roots.stream().map(DataRoot::copy).toList(), writers);
  }

  /** The capsule whose keys these are. */
  public CapsuleName capsule() {
    return capsule;
  }

  /** The newest generation: the one new records are written in. */
  public int currentGeneration() {
    return roots.size() - 1;
  }

  /** Whether the key of a generation is here. */
  public boolean holds(int generation) {
    return generation >= 0 && generation < roots.size();
  }

  /** Whether this ring holds no application keys. */
  public boolean isGranted() {
    return byGeneration.isEmpty();
  }

  /**
   * The application key of a generation this ring holds.
   *
   * @throws IllegalStateException if this ring was {@link #granted}
   */
  public ApplicationKey application(int generation) {
    if (byGeneration.isEmpty()) {
      throw new IllegalStateException("this ring holds no application keys");
    }
    return byGeneration.get(generation);
  }

  /** A writer's data key in a generation this ring holds; to be closed by the caller. */
  public SecretBytes dataKey(int generation, long writer) {
    return roots.get(generation).dataKey(writer);
  }

  /**
   * A new writer of the current generation, see {@link WriterSource#introduce}.
   *
   * @param draw draws an index that no writer of the capsule has
   */
  public NewWriter introduce(RosterEntry.Role role, LongSupplier draw) {
    return writers.introduce(role, draw);
  }

  @Override
  public void close() {
    roots.forEach(DataRoot::close);
    byGeneration.forEach(ApplicationKey::close);
  }
}
