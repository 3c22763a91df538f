package io.capsuledb.jepsen.sim;

import io.capsuledb.core.sim.Simulation;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/** The simulations that there are. */
enum SimulationKind {
  SCL(
      "workers, coordinators, clocks and their network over a model of replicas",
      "io.capsuledb.scl.sim.SclSimulation",
      ""),
  REPLICAS(
      "replicas with their disks and network, writers, sealers, forgers",
      "io.capsuledb.replication.replica.ReplicaSimulation",
      ""),
  CLIENT(
      "a client of replicas of which some lie",
      "io.capsuledb.replication.client.QuorumClientCorePropertyTest",
      "storm"),
  ROUTERS(
      "routers and their links, which die",
      "io.capsuledb.replication.router.RouterSimTest",
      "afterDeathsTheTreeHealsAndNothingComesTwice"),
  LINKS(
      "sessions between processes over a network that loses, delays and repeats",
      "io.capsuledb.replication.session.MessengerSimTest",
      "whatArrivesWasSentHoweverRoughTheNetworkIs"),
  ENGINE(
      "one engine with crashes and a host that rolls its disk back",
      "io.capsuledb.engine.EngineModelPropertyTest",
      "behavesAsAMapThatSurvivesCrashes"),
  ENGINES(
      "several engines of one capsule, which die, flush and merge",
      "io.capsuledb.engine.SharedModelPropertyTest",
      "enginesAgreeWithTheModel"),
  LEADER(
      "a leader with owners, workers, coordinators and a scheduler that lies",
      "io.capsuledb.host.launch.LeaderSimulation",
      "");

  private final String what;
  private final String className;
  private final String method;

  SimulationKind(String what, String className, String method) {
    this.what = what;
    this.className = className;
    this.method = method;
  }

  /** As the command line names it. */
  String label() {
    return name().toLowerCase(java.util.Locale.ROOT);
  }

  String what() {
    return what;
  }

  /** Whether it says what its runs were, so that two of them can be compared. */
  boolean hasTrace() {
    return method.isEmpty();
  }

  /** It, with its classes loaded by a loader. */
  Simulation load(ClassLoader loader) {
    try {
      Class<?> type = Class.forName(className, true, loader);
      if (hasTrace()) {
        return (Simulation) type.getConstructor().newInstance();
      }
      return new OfProperty(type, method);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(this + " cannot be loaded", e);
    }
  }

  /** A property over a seed as a simulation without knobs. */
  private static final class OfProperty implements Simulation {
    private final Constructor<?> constructor;
    private final MethodHandles.Lookup lookup;
    private final MethodHandle handle;
    private final boolean isStatic;

    OfProperty(Class<?> type, String method) throws ReflectiveOperationException {
      Method target =
          Arrays.stream(type.getDeclaredMethods())
              .filter(m -> m.getName().equals(method))
              .findFirst()
              .orElseThrow(() -> new NoSuchMethodException(type + "." + method));
      lookup = MethodHandles.privateLookupIn(type, MethodHandles.lookup());
      handle = lookup.unreflect(target);
      isStatic = java.lang.reflect.Modifier.isStatic(target.getModifiers());
      constructor = type.getDeclaredConstructor();
    }

    @Override
    public SortedMap<String, String> draw(long seed) {
      return new TreeMap<>();
    }

    @Override
    public Outcome run(long seed, Map<String, String> given) {
      try {
        if (isStatic) {
          handle.invokeWithArguments(seed);
        } else {
          handle
              .bindTo(lookup.unreflectConstructor(constructor).invoke())
              .invokeWithArguments(seed);
        }
      } catch (RuntimeException | Error failure) {
        throw failure;
      } catch (Throwable failure) {
        throw new AssertionError(failure);
      }
      return new Outcome(0, Collections.emptySortedMap());
    }

    @Override
    public Set<String> reachable() {
      return Set.of();
    }
  }
}
