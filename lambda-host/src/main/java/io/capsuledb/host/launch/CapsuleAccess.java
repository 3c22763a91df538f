package io.capsuledb.host.launch;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.host.launch.LaunchMessage.Place;
import java.util.List;

/**
 * What a leader does with capsules on replicas: a port. Calls block, for a bounded time;
 * thread-safe.
 */
public interface CapsuleAccess {

  /**
   * The key generations of a capsule.
   *
   * @param inForce the one that is written in
   * @param newest one more if a rotation was begun and not carried out
   * @param roots of generations 0 to {@code inForce}, the caller's; empty if the key asked with is
   *     of another generation
   */
  record Generations(int inForce, int newest, List<DataRoot> roots) {
    public Generations {
      roots = List.copyOf(roots);
    }
  }

  /**
   * Looks which generations a capsule has.
   *
   * @param key of one of them; stays the caller's
   * @throws io.capsuledb.core.error.CapsuleException if the replicas cannot be asked, or the
   *     capsule does not open with the key of the generation in force
   */
  Generations look(CapsuleName capsule, Place place, ApplicationKey key);

  /**
   * Begins the next generation, or carries out what was begun; when this returns it is in force.
   *
   * @param current the key in force; stays the caller's
   * @param next the key after it, with its certificate; stays the caller's
   */
  Generations rotate(CapsuleName capsule, Place place, ApplicationKey current, ApplicationKey next);
}
