package io.capsuledb.host.job;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.files.DirectoryTree;
import io.capsuledb.host.launch.CapsuleAccess;
import io.capsuledb.host.launch.LaunchMessage.Place;
import io.capsuledb.host.node.CapsuleVisit;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/** A leader's way to the replicas: each visit has a directory of its own, removed after it. */
public final class ReplicatedCapsules implements CapsuleAccess {

  private final Path scratch;
  private final LinkSecurity links;
  private final Clock clock;
  private final Entropy entropy;
  private final AtomicInteger visits = new AtomicInteger();

  /**
   * A leader's way.
   *
   * @param scratch for the directories
   * @param links what carries links to replicas
   */
  public ReplicatedCapsules(Path scratch, LinkSecurity links, Clock clock, Entropy entropy) {
    this.scratch = scratch;
    this.links = links;
    this.clock = clock;
    this.entropy = entropy;
  }

  @Override
  public Generations look(CapsuleName capsule, Place place, ApplicationKey key) {
    return visit(capsule, place, visit -> visit.look(key));
  }

  @Override
  public Generations rotate(
      CapsuleName capsule, Place place, ApplicationKey current, ApplicationKey next) {
    return visit(capsule, place, visit -> visit.rotate(current, next));
  }

  private Generations visit(
      CapsuleName capsule, Place place, Function<CapsuleVisit, CapsuleVisit.Generations> task) {
    Path directory = scratch.resolve("visit-" + visits.incrementAndGet());
    DirectoryTree.remove(directory);
    try (CapsuleVisit visit =
        CapsuleVisit.open(directory, place.replicas(), links, capsule, clock, entropy)) {
      CapsuleVisit.Generations found = task.apply(visit);
      return new Generations(found.inForce(), found.newest(), found.roots());
    } finally {
      DirectoryTree.remove(directory);
    }
  }
}
