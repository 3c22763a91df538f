package io.capsuledb.engine.block;

/** An entries block ready to be sealed, and what its table's index will say of it. */
public final class EncodedBlock {

  private final byte[] payload;
  private final BlockSummary summary;

  EncodedBlock(byte[] payload, BlockSummary summary) {
    this.payload = payload;
    this.summary = summary;
  }

  /** The payload of the BLOCK record, not a copy. */
  public byte[] payload() {
    return payload;
  }

  /** What is in it. */
  public BlockSummary summary() {
    return summary;
  }
}
