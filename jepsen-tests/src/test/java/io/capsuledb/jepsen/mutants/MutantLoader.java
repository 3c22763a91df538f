package io.capsuledb.jepsen.mutants;

import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/**
 * Loads the product and its tests once more, with one method changed, beside the classes that run
 * this. Libraries are shared.
 */
final class MutantLoader extends ClassLoader {

  private static final String OURS = "io.capsuledb.";

  /** A native library belongs to the loader of whoever loaded it, and so do its declarations. */
  private static final String NATIVE = "fr.acinq.";

  /** What runs the mutants. */
  private static final String SELF = "io.capsuledb.jepsen.";

  /** What runs simulations knows it as well. */
  private static final String SIMULATION = "io.capsuledb.core.sim.Simulation";

  private static final String VIOLATION = "io.capsuledb.core.sim.Violation";

  private final @Nullable Mutation mutation;

  static {
    registerAsParallelCapable();
  }

  /**
   * A loader.
   *
   * @param mutation the change, or null for the code as it is
   */
  MutantLoader(@Nullable Mutation mutation) {
    super("mutant", MutantLoader.class.getClassLoader());
    this.mutation = mutation;
  }

  /** Applies the mutation to its class without running anything. */
  void check() {
    Mutation change = mutation;
    if (change != null) {
      try {
        loadClass(change.className());
      } catch (ClassNotFoundException e) {
        throw new PatchPointGoneException("there is no class " + change.className());
      }
    }
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    if (name.startsWith(SELF)
        || name.startsWith(SIMULATION)
        || name.equals(VIOLATION)
        || !(name.startsWith(OURS) || name.startsWith(NATIVE))) {
      return super.loadClass(name, resolve);
    }
    synchronized (getClassLoadingLock(name)) {
      Class<?> known = findLoadedClass(name);
      return known != null ? known : define(name);
    }
  }

  private Class<?> define(String name) throws ClassNotFoundException {
    byte[] bytes;
    try (InputStream in = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
      if (in == null) {
        throw new ClassNotFoundException(name);
      }
      bytes = in.readAllBytes();
    } catch (IOException e) {
      throw new ClassNotFoundException(name, e);
    }
    Mutation change = mutation;
    if (change != null && change.className().equals(name)) {
      bytes = change.apply(bytes, this);
    }
    return defineClass(name, bytes, 0, bytes.length);
  }
}
