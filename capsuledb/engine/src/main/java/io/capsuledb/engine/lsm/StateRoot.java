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
    List<Hash32> leaves = new ArrayList<>();
    List<Manifest.Run> runs = manifest.runs();
    for (int run = 0; run < runs.size(); run++) {
      for (TableDescriptor table : runs.get(run).tables()) {
        leaves.add(
            StateCommitment.tableLeaf(
                run, table.firstKey(), table.lastKey(), table.entries(), table.root()));
      }
    }
    List<Version> clears = manifest.clears();
    Version clear = clears.isEmpty() ? Version.NONE : clears.getLast();
    return StateCommitment.stateRoot(
        manifest.coveredTime(), clear.time(), clear.writer(), clear.index(), runs.size(), leaves);
  }
}
