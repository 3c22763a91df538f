package io.capsuledb.replication.protocol;

import io.capsuledb.core.record.EquivocationProof;

/** A checked proof that somebody lied: the payload of an EVIDENCE record. */
public sealed interface Evidence {

  /** The kinds of proofs; the numbers are part of the format. */
  enum Kind {
    /** A writer signed two records with one sequence number. */
    EQUIVOCATION(EvidenceLayout.KIND_EQUIVOCATION),
    /** A replica signed two statements that contradict each other. */
    CONTRADICTION(EvidenceLayout.KIND_CONTRADICTION);

    private final int number;

    Kind(int number) {
      this.number = number;
    }

    /** The number in the format. */
    public int number() {
      return number;
    }
  }

  /** Which kind of proof it is. */
  Kind kind();

  /**
   * Against a writer.
   *
   * @param proof the two headers
   */
  record Equivocation(EquivocationProof proof) implements Evidence {
    @Override
    public Kind kind() {
      return Kind.EQUIVOCATION;
    }
  }

  /**
   * Against a replica.
   *
   * @param proof the two statements
   */
  record Contradiction(ContradictionProof proof) implements Evidence {
    @Override
    public Kind kind() {
      return Kind.CONTRADICTION;
    }
  }
}
