package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.engine.entry.Entry;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Looks up keys in the tables of a manifest. Reads the store only. One thread. */
public final class TreeReader implements AutoCloseable {

  private static final long CACHE_BYTES = 16 << 20;

  private final BlockStore blocks;
  private final List<TableRun> runs = new ArrayList<>();

  /** A reader of one state. */
  public TreeReader(CapsuleName name, KeyRing keys, RecordStore store, Manifest manifest) {
    this.blocks = new BlockStore(name, keys, store, CACHE_BYTES, Telemetry.NONE);
    for (Manifest.Run run : manifest.runs()) {
      List<Table> tables = new ArrayList<>();
      for (TableDescriptor table : run.tables()) {
        tables.add(new Table(table, blocks));
      }
      runs.add(new TableRun(run.level(), tables));
    }
  }

  /**
   * The newest version of a key in any table, or null.
   *
   * @throws io.capsuledb.core.error.IntegrityException if a block is damaged or missing
   */
  public @Nullable Entry newest(byte[] key) {
    Entry newest = null;
    for (TableRun run : runs) {
      Entry found = run.find(key, Long.MAX_VALUE, 0);
      if (found != null && (newest == null || Entry.compareVersions(found, newest) > 0)) {
        newest = found;
      }
    }
    return newest;
  }

  @Override
  public void close() {
    blocks.close();
  }
}
