package io.capsuledb.engine.lsm;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.Checkpoint;
import java.util.ArrayList;
import java.util.List;

/**
 * Records that no manifest needs any more, but perhaps a reader: their payloads may be released
 * when the views that refer to them are gone.
 */
final class Doomed {

  /** No view made later refers to them. */
  final ReadView lastView;

  final List<Checkpoint.Range> ranges = new ArrayList<>();

  /** Values kept apart, by the hash of their record. */
  final List<Hash32> values = new ArrayList<>();

  Doomed(ReadView lastView) {
    this.lastView = lastView;
  }
}
