package io.capsuledb.jepsen.fuzz;

import io.capsuledb.core.record.CoreFuzzTargets;
import io.capsuledb.core.sim.FuzzTarget;
import io.capsuledb.engine.EngineFuzzTargets;
import io.capsuledb.replication.protocol.ProtocolFuzzTargets;
import io.capsuledb.scl.frame.FrameFuzzTargets;
import io.capsuledb.scl.resp.RespFuzzTargets;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** All decoders of all modules. */
final class FuzzTargets {

  private FuzzTargets() {}

  private static Stream<Supplier<List<FuzzTarget>>> modules() {
    return Stream.of(
        CoreFuzzTargets::all,
        EngineFuzzTargets::all,
        ProtocolFuzzTargets::all,
        FrameFuzzTargets::all,
        RespFuzzTargets::all,
        HostFuzzTargets::all);
  }

  static List<FuzzTarget> all() {
    return modules().flatMap(module -> module.get().stream()).toList();
  }

  static FuzzTarget of(String name) {
    // Only as far as needed: each class that is loaded costs the fuzzer time to instrument.
    return Stream.concat(Stream.of(BrokenFuzzTargets::all), modules())
        .flatMap(module -> module.get().stream())
        .filter(target -> target.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no decoder " + name + ": --list tells"));
  }
}
