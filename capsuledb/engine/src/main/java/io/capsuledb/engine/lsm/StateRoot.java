package io.capsuledb.engine.lsm;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.proof.StateCommitment;
import io.capsuledb.engine.entry.Version;
import java.util.ArrayList;
import java.util.List;

/** What commits to everything that a manifest describes; see {@link StateCommitment}. */
final class StateRoot {

  private StateRoot() {}

  static Hash32 of(Manifest manifest) {
    List<Hash32> leaves = leaves(manifest);
    Version clear = clear(manifest);
    return StateCommitment.stateRoot(
        manifest.coveredTime(),
        clear.time(),
        clear.writer(),
        clear.index(),
        manifest.runs().size(),
        leaves);
  }

  /** The newest CLEAR, or {@link Version#NONE}. */
  static Version clear(Manifest manifest) {
    List<Version> clears = manifest.clears();
    return clears.isEmpty() ? Version.NONE : clears.getLast();
  }

  /** The leaves of all tables, newest run first, in the order of their keys. */
  static List<Hash32> leaves(Manifest manifest) {
    List<Hash32> leaves = new ArrayList<>();
    List<Manifest.Run> runs = manifest.runs();
    for (int run = 0; run < runs.size(); run++) {
      for (TableDescriptor table : runs.get(run).tables()) {
        leaves.add(
            StateCommitment.tableLeaf(
                run, table.firstKey(), table.lastKey(), table.entries(), table.root()));
      }
    }
    return leaves;
  }
}
