package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The keys a node holds of one capsule: the {@link DataRoot} of every generation so far, with which
 * it reads, and what introduces writers of the generation in force: the application key of that
 * generation, or, for an attested worker, which is <i>granted</i> the roots alone, somebody to ask.
 *
 * <p>Invariants: there is one application key at most. That of a generation is cleared when the
 * next one comes into force; nothing that signs is left of it. A granted ring stays in its
 * generation.
 *
 * <p>Thread-safe; owned and closed by whoever made it.
 */
public final class KeyRing implements AutoCloseable {

  private final CapsuleName capsule;

  private volatile Held held;

  /** Replaced as a whole. */
  private record Held(
      @Nullable ApplicationKey current, List<DataRoot> roots, WriterSource writers) {}

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
    this.held = held(capsule, byGeneration.getLast(), roots);
  }

  private KeyRing(CapsuleName capsule, Held held) {
    this.capsule = capsule;
    this.held = held;
  }

  private static Held held(CapsuleName capsule, ApplicationKey current, List<DataRoot> roots) {
    return new Held(current, List.copyOf(roots), WriterSource.of(capsule, current));
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
    return Decoded.accept(new KeyRing(capsule, held(capsule, current, roots)));
  }

  /**
   * The ring of somebody without an application key.
   *
   * @param roots of generations 0, 1, 2, …, at least one; closed with the ring
   * @param writers whom to ask for writers of the newest of them
   */
  public static KeyRing granted(CapsuleName capsule, List<DataRoot> roots, WriterSource writers) {
    if (roots.isEmpty()) {
      throw new IllegalArgumentException("a ring has one generation at least");
    }
    for (int i = 0; i < roots.size(); i++) {
      if (roots.get(i).generation() != i) {
        throw new IllegalArgumentException("key generations must be 0, 1, 2, … without a gap");
      }
    }
    return new KeyRing(capsule, new Held(null, List.copyOf(roots), writers));
  }

  /** A ring over the same keys that is closed on its own; for granted rings. */
  public KeyRing copyOfGranted() {
    Held now = held;
    if (now.current != null) {
      throw new IllegalStateException("this ring holds an application key");
    }
    return granted(capsule, now.roots.stream().map(DataRoot::copy).toList(), now.writers);
  }

  /** The capsule whose keys these are. */
  public CapsuleName capsule() {
    return capsule;
  }

  /** The newest generation: the one new records are written in. */
  public int currentGeneration() {
    return held.roots.size() - 1;
  }

  /** Whether the data keys of a generation are here. */
  public boolean holds(int generation) {
    return generation >= 0 && generation < held.roots.size();
  }

  /** Whether this ring holds no application key. */
  public boolean isGranted() {
    return held.current == null;
  }

  /**
   * The application key of the generation in force.
   *
   * @throws IllegalStateException if this ring was {@link #granted}
   */
  public ApplicationKey application() {
    return application(held);
  }

  private static ApplicationKey application(Held held) {
    ApplicationKey current = held.current;
    if (current == null) {
      throw new IllegalStateException("this ring holds no application key");
    }
    return current;
  }

  /**
   * The application key of a generation.
   *
   * @throws IllegalArgumentException if it is not the one in force: others are not kept
   * @throws IllegalStateException if this ring was {@link #granted}
   */
  public ApplicationKey application(int generation) {
    ApplicationKey current = application();
    if (generation != current.generation()) {
      throw new IllegalArgumentException(
          "generation " + generation + " is not " + current.generation() + ", which is in force");
    }
    return current;
  }

  /** A writer's data key in a generation this ring holds; to be closed by the caller. */
  public SecretBytes dataKey(int generation, long writer) {
    return held.roots.get(generation).dataKey(writer);
  }

  /** What reads a generation this ring holds; to be closed by the caller. */
  public DataRoot copyOfRoot(int generation) {
    return held.roots.get(generation).copy();
  }

  /**
   * A new writer of the current generation, see {@link WriterSource#introduce}.
   *
   * @param draw draws an index that no writer of the capsule has
   */
  public NewWriter introduce(RosterEntry.Role role, LongSupplier draw) {
    return held.writers.introduce(role, draw);
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
   * @throws IllegalStateException if this ring was {@link #granted}
   */
  public synchronized void advance(ApplicationKey next) {
    Held before = held;
    ApplicationKey retired = application(before);
    if (next.generation() != before.roots.size()) {
      throw new IllegalArgumentException(
          "generation " + next.generation() + " does not follow " + currentGeneration());
    }
    List<DataRoot> roots = new ArrayList<>(before.roots);
    roots.add(next.dataRoot(capsule.toBytes()));
    held = held(capsule, next, roots);
    retired.close();
  }

  @Override
  public synchronized void close() {
    ApplicationKey current = held.current;
    if (current != null) {
      current.close();
    }
    held.roots.forEach(DataRoot::close);
  }
}
