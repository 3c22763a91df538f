package io.capsuledb.engine;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.sim.FuzzTarget;
import io.capsuledb.engine.block.BlockKind;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.PackedEntries;
import io.capsuledb.engine.block.ValueBlock;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.lsm.ManifestCodec;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.Arrays;
import java.util.List;

/** The decoders of the engine. */
public final class EngineFuzzTargets {

  private EngineFuzzTargets() {}

  /** Encodes again what a batch says. */
  private static final class Again implements BatchCodec.Visitor {
    final BatchCodec batch = new BatchCodec();

    @Override
    public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      batch.put(key, type, value, expiryAtMs);
    }

    @Override
    public void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
      batch.merge(key, operator, operand, expiryAtMs);
    }

    @Override
    public void delete(byte[] key) {
      batch.delete(key);
    }

    @Override
    public void clear() {
      batch.clear();
    }
  }

  /** All of them. */
  public static List<FuzzTarget> all() {
    return List.of(
        FuzzTarget.of(
            "batch",
            FuzzTarget.golden(
                "batch.hex", "batch-kinds.hex", "batch-merge.hex", "batch-long-value.hex"),
            bytes -> {
              Again again = new Again();
              if (BatchCodec.decode(bytes.clone(), again) == null
                  && !Arrays.equals(
                      Arrays.copyOf(again.batch.encoded(), again.batch.length()), bytes)) {
                throw new AssertionError("a batch has two encodings");
              }
            }),
        FuzzTarget.of(
            "block-entries",
            FuzzTarget.golden("block-entries.hex", "block-entries-lz4.hex"),
            bytes -> {
              if (EntriesBlock.decode(bytes.clone())
                  instanceof Decoded.Accepted<EntriesBlock>(EntriesBlock block)) {
                PackedEntries.of(bytes.clone(), block);
              }
            }),
        FuzzTarget.decoder("block-index", FuzzTarget.golden("block-index.hex"), IndexBlock::decode),
        FuzzTarget.decoder(
            "block-value",
            FuzzTarget.golden("block-value.hex", "block-value-lz4.hex"),
            bytes -> ValueBlock.decode(bytes)),
        FuzzTarget.decoder("block-kind", FuzzTarget.golden("block-value.hex"), BlockKind::of),
        FuzzTarget.decoder("value-pointer", List.of(new byte[48]), ValuePointer::decode),
        FuzzTarget.codec(
            "manifest",
            FuzzTarget.golden("manifest.hex", "manifest-state-root.hex"),
            ManifestCodec::decode,
            ManifestCodec::encode));
  }
}
