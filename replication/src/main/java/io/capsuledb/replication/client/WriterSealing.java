package io.capsuledb.replication.client;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Seals single writers for a coordinator, whose chain says the orders: PREPARE, then FINAL at the
 * head that follows from what a quorum promised. Replicas that claim what nobody can show do not
 * count. Thread-safe; several writers may be sealed at a time.
 */
public final class WriterSealing {

  /** How it came out. */
  public sealed interface Outcome {}

  /** A quorum has accepted this final head in this ballot. */
  public record Sealed(ChainHead last) implements Outcome {}

  /** A higher ballot was met: it can only end in one above this term. */
  public record Overruled(long term) implements Outcome {}

  private final CapsuleMetadata metadata;
  private final Secp256k1 curve;
  private final QuorumClient client;
  private final Entropy entropy;

  public WriterSealing(
      CapsuleMetadata metadata, Secp256k1 curve, QuorumClient client, Entropy entropy) {
    this.metadata = metadata;
    this.curve = curve;
    this.client = client;
    this.entropy = entropy;
  }

  /**
   * Seals a writer. Waits for a quorum for as long as it takes.
   *
   * @param sealer writer of the coordinator's chain
   * @param writer who is sealed
   * @param term of the ballot
   * @param append has the coordinator's chain say an order, soon
   * @return null if the coordinator's own chain is being sealed
   * @throws io.capsuledb.core.error.OutcomeUnknownException if the client is closed meanwhile
   */
  public @Nullable Outcome seal(long sealer, long writer, long term, Consumer<SealOrder> append) {
    try (Fencing fencing = Fencing.of(metadata, curve, client, entropy, sealer)) {
      return fencing.seal(writer, term, append);
    }
  }
}
