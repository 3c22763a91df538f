package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import java.util.ArrayList;
import java.util.List;

/**
 * The keys a node holds of one capsule: the application key of the generation in force, with which
 * it writes, and the {@link DataRoot} of every generation so far, with which it reads.
 *
 * <p>Invariant: there is one application key. That of a generation is cleared when the next one
 * comes into force; nothing that signs is left of it.
 *
 * <p>Thread-safe; owned and closed by whoever made it.
 */
public final class KeyRing implements AutoCloseable {

  private final CapsuleName capsule;

  private volatile Held held;

  /** Replaced as a whole. */
  private record Held(ApplicationKey current, List<DataRoot> roots) {}

  /**
   * A ring over consecutive generations.
   *
   * @param byGeneration application keys of generations 0, 1, 2, …; the ring's from here on, all
   *     but the last cleared at once
   */
  public KeyRing(CapsuleName capsule, List<ApplicationKey> byGeneration) {
    List<DataRoot> roots = new ArrayList<>();
    for (int i = 0; i < byGeneration.size(); i++) {
      if (byGeneration.get(i).generation() != i) {
        throw new IllegalArgumentException("key generations must be 0, 1, 2, … without a gap");
      }
      roots.add(byGeneration.get(i).dataRoot(capsule.toBytes()));
    }
    byGeneration.subList(0, byGeneration.size() - 1).forEach(ApplicationKey::close);
    this.capsule = capsule;
    this.held = new Held(byGeneration.getLast(), List.copyOf(roots));
  }

  private KeyRing(CapsuleName capsule, Held held) {
    this.capsule = capsule;
    this.held = held;
  }

  /**
   * A ring of the key in force and of what the capsule keeps of those before it.
   *
   * @param current the ring's from here on; closed if it is rejected
   * @param wrapped by generation, from 0, its root as the next generation's ROTATE wraps it ({@link
   *     DataRoot#wrap}): as many as there are generations before the current one
   * @return DECRYPTION if one of them is not wrapped under the key of the next
   */
  public static Decoded<KeyRing> open(
      CapsuleName capsule, ApplicationKey current, List<byte[]> wrapped) {
    int generation = current.generation();
    if (wrapped.size() != generation) {
      throw new IllegalArgumentException(
          wrapped.size() + " wrapped keys below generation " + generation);
    }
    List<DataRoot> roots = new ArrayList<>();
    roots.add(current.dataRoot(capsule.toBytes()));
    for (int older = generation - 1; older >= 0; older--) {
      switch (roots.getFirst().unwrap(wrapped.get(older))) {
        case Decoded.Accepted<DataRoot>(DataRoot root) -> roots.addFirst(root);
        case Decoded.Rejected<DataRoot>(var rejection) -> {
          roots.forEach(DataRoot::close);
          current.close();
          return new Decoded.Rejected<>(rejection);
        }
      }
    }
    return Decoded.accept(new KeyRing(capsule, new Held(current, List.copyOf(roots))));
  }

  /** The newest generation: the one new records are written in. */
  public int currentGeneration() {
    return held.roots.size() - 1;
  }

  /** Whether the data keys of a generation are here. */
  public boolean holds(int generation) {
    return generation >= 0 && generation < held.roots.size();
  }

  /** The application key of the generation in force. */
  public ApplicationKey application() {
    return held.current;
  }

  /**
   * The application key of a generation.
   *
   * @throws IllegalArgumentException if it is not the one in force: others are not kept
   */
  public ApplicationKey application(int generation) {
    Held now = held;
    if (generation != now.current.generation()) {
      throw new IllegalArgumentException(
          "generation "
              + generation
              + " is not "
              + now.current.generation()
              + ", which is in force");
    }
    return now.current;
  }

  /** A writer's data key in a generation this ring holds; to be closed by the caller. */
  public SecretBytes dataKey(int generation, long writer) {
    return held.roots.get(generation).dataKey(writer);
  }

  /**
   * The root of the generation in force as the next generation's ROTATE keeps it.
   *
   * @param next the key of the next generation; stays the caller's
   */
  public byte[] wrapUnder(ApplicationKey next) {
    try (DataRoot root = next.dataRoot(capsule.toBytes())) {
      return root.wrap(held.roots.getLast());
    }
  }

  /**
   * Brings the next generation into force, and clears the application key of the one before.
   *
   * @param next the ring's from here on
   * @throws IllegalArgumentException if it is not of the next generation
   */
  public synchronized void advance(ApplicationKey next) {
    Held before = held;
    if (next.generation() != before.roots.size()) {
      throw new IllegalArgumentException(
          "generation " + next.generation() + " does not follow " + currentGeneration());
    }
    List<DataRoot> roots = new ArrayList<>(before.roots);
    roots.add(next.dataRoot(capsule.toBytes()));
    held = new Held(next, List.copyOf(roots));
    before.current.close();
  }

  @Override
  public synchronized void close() {
    held.current.close();
    held.roots.forEach(DataRoot::close);
  }
}
