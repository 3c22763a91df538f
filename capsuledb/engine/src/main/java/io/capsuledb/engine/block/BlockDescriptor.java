package io.capsuledb.engine.block;

import io.capsuledb.core.crypto.Hash32;

/**
 * Where an entries block is, and what is in it.
 *
 * @param record hash of the record that holds it
 * @param storedBytes what it takes in the store; whoever writes the index says what that includes
 * @param summary what is in it
 */
public record BlockDescriptor(Hash32 record, int storedBytes, BlockSummary summary) {

  /** Checks the size. */
  public BlockDescriptor {
    if (storedBytes < 1) {
      throw new IllegalArgumentException("a block of " + storedBytes + " bytes");
    }
  }
}
