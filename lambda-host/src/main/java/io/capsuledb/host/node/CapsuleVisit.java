package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.keys.HdKey;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsuleKeys;
import io.capsuledb.engine.CapsulePorts;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.log.EventLog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A shared capsule on replicas, opened for a moment by somebody who has its application keys and
 * writes no data: a leader that has to know its key generations, or begins one. One thread.
 */
public final class CapsuleVisit implements AutoCloseable {

  /** Everybody who begins anew retires the generation before; somebody else may be faster. */
  private static final int TRIES = 5;

  private static final int MEMTABLE_BYTES = 8 << 20;
  private static final int CACHE_BYTES = 8 << 20;

  /**
   * The key generations of the capsule.
   *
   * @param newest one more than in force if a rotation was begun and not carried out
   * @param roots up to the one in force, the caller's; empty if the key is of another
   */
  public record Generations(int inForce, int newest, List<DataRoot> roots) {
    public Generations {
      roots = List.copyOf(roots);
    }
  }

  private final ReplicatedCapsule replicated;
  private final CapsuleName name;
  private final Clock clock;
  private final Entropy entropy;

  private CapsuleVisit(
      ReplicatedCapsule replicated, CapsuleName name, Clock clock, Entropy entropy) {
    this.replicated = replicated;
    this.name = name;
    this.clock = clock;
    this.entropy = entropy;
  }

  /**
   * Fetches what replicas hold.
   *
   * @param scratch a directory of its own, emptied by the caller
   * @param replicas HOST:PORT=KEY each
   * @param links what carries links to them
   */
  public static CapsuleVisit open(
      Path scratch,
      List<String> replicas,
      LinkSecurity links,
      CapsuleName name,
      Clock clock,
      Entropy entropy) {
    ServeOptions.Builder builder = ServeOptions.builder().shared(true);
    builder.set(ServeSetting.DATA, scratch.toString(), Path.of(""));
    builder.set(ServeSetting.REPLICAS, String.join(",", replicas), Path.of(""));
    CapsuleMember.secure(builder, links);
    ServeOptions options = builder.build();
    CapsuleDirectory directory = new CapsuleDirectory(scratch);
    directory.create();
    return new CapsuleVisit(
        ReplicatedCapsule.join(
            new ReplicatedCapsule.Context(
                options, new LocalOutside(options), directory, clock, entropy, Telemetry.NONE),
            name),
        name,
        clock,
        entropy);
  }

  /**
   * Looks which generations there are.
   *
   * @param key of one of them; stays the caller's
   */
  public Generations look(ApplicationKey key) {
    Secp256k1 curve = Secp256k1.best();
    int pending = CapsuleKeys.pendingGeneration(replicated.store(), curve);
    int newest = CapsuleKeys.newestGeneration(replicated.store(), curve);
    int inForce = pending > 0 ? pending - 1 : newest;
    if (inForce != key.generation()) {
      return new Generations(inForce, newest, List.of());
    }
    try (KeyRing ring =
        CapsuleKeys.ring(replicated.store(), curve, CapsuleKeys.KeySource.only(copy(key)))) {
      List<DataRoot> roots = new ArrayList<>();
      for (int generation = 0; generation <= inForce; generation++) {
        roots.add(ring.copyOfRoot(generation));
      }
      return new Generations(inForce, newest, roots);
    }
  }

  /**
   * Begins the next generation: announces it, ends the writers of the one before and writes the
   * ROTATE, as the first worker of a new generation does.
   *
   * @param current the key in force; stays the caller's
   * @param next the one after it, with its certificate; stays the caller's
   */
  public Generations rotate(ApplicationKey current, ApplicationKey next) {
    Secp256k1 curve = Secp256k1.best();
    if (CapsuleKeys.pendingGeneration(replicated.store(), curve) != next.generation()) {
      replicated.store().announce(next, curve, entropy);
    }
    for (int tries = 1; ; tries++) {
      replicated.store().retire(next, curve, entropy, _ -> {});
      try (CapsuleDb db = begin(current, next)) {
        EventLog.info("keys.rotated", "capsule", name, "generation", db.keyGeneration());
        break;
      } catch (UnavailableException notYet) {
        if (tries == TRIES) {
          throw notYet;
        }
      }
    }
    return look(next);
  }

  private CapsuleDb begin(ApplicationKey current, ApplicationKey next) {
    return CapsuleDb.open(
        CapsuleDbOptions.builder()
            .memtableBytes(MEMTABLE_BYTES)
            .cacheBytes(CACHE_BYTES)
            .shared(true)
            .capsule(name)
            .build(),
        new CapsulePorts(replicated.store(), clock, entropy, new ThreadScheduler(), Telemetry.NONE),
        generation -> {
          if (generation == current.generation()) {
            return copy(current);
          }
          if (generation == next.generation()) {
            return copy(next);
          }
          throw new DeniedException("there is no key of generation " + generation);
        },
        _ -> {});
  }

  private static ApplicationKey copy(ApplicationKey key) {
    try (SecretBytes extended = key.extendedPrivateKey()) {
      return HdKey.deserialize(extended.expose())
          .then(copied -> ApplicationKey.of(key.application(), copied, key.certificate()))
          .orThrow();
    }
  }

  @Override
  public void close() {
    replicated.close();
  }
}
