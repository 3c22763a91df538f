package io.capsuledb.core.proof;

import org.jspecify.annotations.Nullable;

/**
 * All that shows, to somebody without a key of the capsule, which value a key has in the state that
 * a CHECKPOINT commits to, or that it has none. {@link KeyProofVerifier} says what is proven by it,
 * {@link KeyProofCodec} has its bytes. Immutable; its arrays are shared and never modified.
 */
public final class KeyProof {

  private final byte[] key;
  private final byte[] metadata;
  private final byte[] roster;
  private final byte[] checkpoint;
  private final State state;
  private final @Nullable PrunedTree<ProofTable> tables;
  private final byte @Nullable [] separateValue;

  /**
   * The fields of the state, next to its tables.
   *
   * @param coveredTime Lamport time up to which everything is in the tables
   * @param clearTime Lamport time of the newest CLEAR; 0 with the next two if there is none
   * @param clearWriter its writer
   * @param clearIndex its place in its record
   * @param runs how many runs of tables there are
   * @param tables how many tables
   */
  public record State(
      long coveredTime, long clearTime, long clearWriter, int clearIndex, int runs, int tables) {}

  /**
   * A proof. Keeps the arrays.
   *
   * @param key what it is about
   * @param metadata the capsule's signed metadata
   * @param roster the ROSTER record of the compactor that signed the checkpoint
   * @param checkpoint the CHECKPOINT record
   * @param tables those that matter, out of all; null if there are none at all
   * @param separateValue the value of the key's newest version if it is kept apart and visible
   */
  public KeyProof(
      byte[] key,
      byte[] metadata,
      byte[] roster,
      byte[] checkpoint,
      State state,
      @Nullable PrunedTree<ProofTable> tables,
      byte @Nullable [] separateValue) {
    this.key = key;
    this.metadata = metadata;
    this.roster = roster;
    this.checkpoint = checkpoint;
    this.state = state;
    this.tables = tables;
    this.separateValue = separateValue;
  }

  byte[] key() {
    return key;
  }

  byte[] metadata() {
    return metadata;
  }

  byte[] roster() {
    return roster;
  }

  byte[] checkpoint() {
    return checkpoint;
  }

  State state() {
    return state;
  }

  @Nullable PrunedTree<ProofTable> tables() {
    return tables;
  }

  byte @Nullable [] separateValue() {
    return separateValue;
  }
}
