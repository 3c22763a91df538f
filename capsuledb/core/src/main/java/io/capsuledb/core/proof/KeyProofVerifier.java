package io.capsuledb.core.proof;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Checks a proof of what a key holds, with nothing but the owner's public key. Takes any bytes from
 * anybody.
 *
 * <p><b>What is proven:</b> the owner of the capsule signed for an application key, this for a
 * compactor, and the compactor for a state of the tree, namely the one after every operation up to
 * {@link KeyVerdict#coveredTime}; and in that state the key's newest version is the one shown, or
 * there is none. Nobody without the compactor's key can make a proof that says otherwise: every
 * byte is under a hash or a signature, each run of tables is accounted for because their number is
 * signed, and neighbours are neighbours because nothing can be between them in the Merkle tree.
 *
 * <p><b>What is not:</b>
 *
 * <ul>
 *   <li>Freshness. Later states may exist; whoever holds an old proof can show it again. Compare
 *       {@link KeyVerdict#coveredTime} with what is known from elsewhere.
 *   <li>That the compactor worked correctly: that tables are sorted, a run's do not overlap, and
 *       the newest versions were put there. It is an enclave of the application, trusted for its
 *       code; {@code capsule verify} checks its work with the data key.
 *   <li>That the compactor was not sealed or exposed before it signed. A proof holds the roster
 *       that introduced it, not what came after.
 *   <li>Anything about expiry but by the clock that the caller gives.
 *   <li>Who wrote the value. The version names the writer; its signature is on the DATA record,
 *       whose payload may have been released.
 * </ul>
 *
 * <p>Immutable and thread-safe.
 */
public final class KeyProofVerifier {

  private static final byte[] NOTHING = {};

  private final PublicKey owner;
  private final Secp256k1 curve;

  /**
   * A verifier that believes one owner.
   *
   * @param owner who has to have signed the capsule's metadata
   */
  public KeyProofVerifier(PublicKey owner, Secp256k1 curve) {
    this.owner = owner;
    this.curve = curve;
  }

  /**
   * Checks a proof.
   *
   * @param proof any bytes
   * @param key the key it has to be about, or null to take the one it names
   * @param capsule the capsule it has to be of, or null to take any of the owner's
   * @param nowMs wall clock by which expiry is judged, in milliseconds since 1970
   * @return what is proven, or the first defect
   */
  public Decoded<KeyVerdict> verify(
      byte[] proof, byte @Nullable [] key, @Nullable CapsuleName capsule, long nowMs) {
    return KeyProofCodec.decode(proof)
        .then(decoded -> new Examination(decoded).verdict(key, capsule, nowMs));
  }

  /** One proof under examination. */
  private final class Examination {

    private final KeyProof proof;
    private final byte[] key;
    private final List<KeyVerdict.Check> checks = new ArrayList<>();

    /** The newest version of the key over the runs looked at so far. */
    private @Nullable ProofEntry newest;

    Examination(KeyProof proof) {
      this.proof = proof;
      this.key = proof.key();
    }

    private void held(String name, String detail) {
      checks.add(new KeyVerdict.Check(name, detail));
    }

    Decoded<KeyVerdict> verdict(
        byte @Nullable [] wanted, @Nullable CapsuleName capsule, long nowMs) {
      if (wanted != null && !Arrays.equals(wanted, key)) {
        return Decoded.reject(Reason.MISPLACED, "the proof is about another key");
      }
      return MetadataCodec.decode(proof.metadata(), curve)
          .then(
              metadata -> {
                CapsuleName name = MetadataCodec.nameOf(proof.metadata());
                Rejection rejection = source(metadata, name, capsule);
                rejection = rejection == null ? signed(metadata, name) : rejection;
                rejection = rejection == null ? runs() : rejection;
                return rejection == null
                    ? conclude(name, nowMs)
                    : new Decoded.Rejected<KeyVerdict>(rejection);
              });
    }

    private @Nullable Rejection source(
        CapsuleMetadata metadata, CapsuleName name, @Nullable CapsuleName wanted) {
      if (!metadata.ownerKey().equals(owner)) {
        return Rejection.of(
            Reason.MISPLACED,
            "capsule " + name + " belongs to owner " + metadata.ownerKey() + ", not to " + owner);
      }
      held("metadata", "signed by owner " + owner);
      if (wanted != null && !wanted.equals(name)) {
        return Rejection.of(
            Reason.MISPLACED, "the proof is of capsule " + name + ", not of " + wanted);
      }
      held("capsule", name.toString());
      held("application", "the owner names application key " + metadata.applicationKey());
      return null;
    }

    /** From the application key to the root of the state. */
    private @Nullable Rejection signed(CapsuleMetadata metadata, CapsuleName name) {
      return switch (compactor(metadata, name)) {
        case Decoded.Rejected<RosterEntry>(Rejection rejection) ->
            Rejection.of(rejection.reason(), "compactor: " + rejection.detail());
        case Decoded.Accepted<RosterEntry>(RosterEntry compactor) ->
            switch (checkpoint(name, compactor)) {
              case Decoded.Rejected<Checkpoint>(Rejection rejection) ->
                  Rejection.of(rejection.reason(), "checkpoint: " + rejection.detail());
              case Decoded.Accepted<Checkpoint>(Checkpoint checkpoint) -> state(checkpoint);
            };
      };
    }

    private Decoded<RosterEntry> compactor(CapsuleMetadata metadata, CapsuleName name) {
      return RecordCodec.decode(name, proof.roster())
          .then(
              record -> {
                if (record.header().type() != RecordType.ROSTER) {
                  return Decoded.reject(Reason.UNKNOWN_TYPE, record + " is no ROSTER");
                }
                return RosterCodec.decode(name, record.payload(), metadata, curve)
                    .then(entries -> introduced(record, entries));
              });
    }

    private Decoded<RosterEntry> introduced(CapsuleRecord record, List<RosterEntry> entries) {
      RosterEntry own = null;
      for (RosterEntry entry : entries) {
        own = entry.writer() == record.header().writer() ? entry : own;
      }
      if (own == null) {
        return Decoded.reject(Reason.UNKNOWN_WRITER, record + " does not name its writer");
      }
      if (own.role() != RosterEntry.Role.COMPACTOR) {
        return Decoded.reject(Reason.ROLE, record + " is of a " + own.role() + ", no compactor");
      }
      if (own.generation() != record.header().generation()) {
        return Decoded.reject(Reason.KEY_GENERATION, record + " is not of its writer's generation");
      }
      if (!record.isSignedBy(own.key(), curve)) {
        return Decoded.reject(Reason.SIGNATURE, record + " is not signed by its writer's key");
      }
      held("roster", record + ", signed by the application key");
      held("compactor", "writer " + Long.toHexString(own.writer()) + " has the role COMPACTOR");
      return Decoded.accept(own);
    }

    private Decoded<Checkpoint> checkpoint(CapsuleName name, RosterEntry compactor) {
      return RecordCodec.decode(name, proof.checkpoint())
          .then(
              record -> {
                if (record.header().type() != RecordType.CHECKPOINT) {
                  return Decoded.reject(Reason.UNKNOWN_TYPE, record + " is no CHECKPOINT");
                }
                if (record.header().writer() != compactor.writer()) {
                  return Decoded.reject(
                      Reason.UNKNOWN_WRITER, record + " is not of the writer in the roster");
                }
                if (record.header().generation() != compactor.generation()) {
                  return Decoded.reject(
                      Reason.KEY_GENERATION, record + " is not of its writer's generation");
                }
                if (!record.isSignedBy(compactor.key(), curve)) {
                  return Decoded.reject(
                      Reason.SIGNATURE, record + " is not signed by its writer's key");
                }
                held("checkpoint", record + ", signed by that writer");
                return CheckpointCodec.decode(record.payload());
              });
    }

    private @Nullable Rejection state(Checkpoint checkpoint) {
      KeyProof.State state = proof.state();
      if (checkpoint.manifest().isZero()) {
        return Rejection.of(Reason.PROOF, "the checkpoint commits to no state");
      }
      if (checkpoint.coveredLamport() != state.coveredTime()) {
        return Rejection.of(
            Reason.PROOF,
            "the state covers Lamport time "
                + state.coveredTime()
                + ", the checkpoint "
                + checkpoint.coveredLamport());
      }
      PrunedTree<ProofTable> tables = proof.tables();
      Hash32 root =
          StateCommitment.stateRoot(
              state.coveredTime(),
              state.clearTime(),
              state.clearWriter(),
              state.clearIndex(),
              state.runs(),
              state.tables(),
              tables == null ? MerkleTree.root(List.of()) : tables.root(ProofTable::leaf));
      if (!root.equals(checkpoint.stateRoot())) {
        return Rejection.of(
            Reason.PROOF,
            "state and tables lead to root "
                + root
                + ", the checkpoint has "
                + checkpoint.stateRoot());
      }
      held(
          "state",
          state.runs()
              + " runs of "
              + state.tables()
              + " tables, covered Lamport time "
              + state.coveredTime()
              + ", root "
              + root);
      return null;
    }

    // ---------------------------------------------------------------- runs

    private @Nullable Rejection runs() {
      PrunedTree<ProofTable> tables = proof.tables();
      int at = 0;
      for (int run = 0; run < proof.state().runs(); run++) {
        if (tables == null || at == tables.size() || tables.get(at).run() != run) {
          return refused(run, "no table of it is shown");
        }
        int from = at;
        while (at < tables.size() && tables.get(at).run() == run) {
          at++;
        }
        Rejection rejection = run(tables, run, from, at);
        if (rejection != null) {
          return rejection;
        }
      }
      return tables != null && at < tables.size()
          ? Rejection.of(Reason.PROOF, "a table of run " + tables.get(at).run() + " out of order")
          : null;
    }

    private Rejection refused(int run, String detail) {
      return Rejection.of(Reason.PROOF, "run " + run + ": " + detail);
    }

    /** A run, whose shown tables are those from {@code from} to before {@code to}. */
    private @Nullable Rejection run(PrunedTree<ProofTable> tables, int run, int from, int to) {
      ProofTable covering = null;
      for (int i = from; i < to; i++) {
        ProofTable table = tables.get(i);
        if (table.covers(key)) {
          if (covering != null) {
            return refused(run, "two tables that cover the key");
          }
          covering = table;
        } else if (table.blocks() != null) {
          return refused(run, "a table is opened that does not cover the key");
        }
      }
      if (covering != null) {
        return table(run, covering);
      }
      // Nothing may be hidden where a table that covers the key would be.
      int border = from;
      while (border < to && Arrays.compareUnsigned(tables.get(border).lastKey(), key) < 0) {
        border++;
      }
      if (!tables.isJoined(border)) {
        return refused(run, "something is hidden where a table with the key would be");
      }
      held("run " + run, "no table of it covers the key: its neighbours are adjacent");
      return null;
    }

    private @Nullable Rejection table(int run, ProofTable table) {
      PrunedTree<ProofBlock> blocks = table.blocks();
      if (blocks == null) {
        return refused(run, "the table that covers the key is not opened");
      }
      if (!blocks.root(ProofBlock::leaf).equals(table.root())) {
        return refused(run, "the blocks do not lead to the table's root");
      }
      int border = 0;
      while (border < blocks.size()
          && Arrays.compareUnsigned(blocks.get(border).lastKey(), key) < 0) {
        border++;
      }
      ProofBlock block = border < blocks.size() ? blocks.get(border) : null;
      for (int i = 0; i < blocks.size(); i++) {
        if (blocks.get(i).content() != null && !(i == border && blocks.get(i).covers(key))) {
          return refused(run, "a block is opened where the key's newest version cannot be");
        }
      }
      if (block != null && block.covers(key)) {
        // A block that begins before the key has whatever begins with it; one that begins with the
        // key may go on with what the block before has.
        if (Arrays.equals(block.firstKey(), key) && !blocks.isJoined(border)) {
          return refused(run, "something is hidden before the block with the key");
        }
        return block(run, block);
      }
      if (!blocks.isJoined(border)) {
        return refused(run, "something is hidden where a block with the key would be");
      }
      held("run " + run, "no block of the table covers the key: its neighbours are adjacent");
      return null;
    }

    private @Nullable Rejection block(int run, ProofBlock block) {
      PrunedTree<ProofEntry> entries = block.content();
      if (entries == null) {
        return refused(run, "the block that covers the key is not opened");
      }
      if (!entries.root(ProofEntry::leaf).equals(block.contentRoot())) {
        return refused(run, "the entries do not lead to the block's root");
      }
      int border = 0;
      while (border < entries.size()
          && Arrays.compareUnsigned(entries.get(border).key(), key) < 0) {
        border++;
      }
      // The entry before is smaller, or there is none: so this is the newest version of its key.
      if (!entries.isJoined(border)) {
        return refused(run, "something is hidden where the key's newest version would be");
      }
      ProofEntry entry = border < entries.size() ? entries.get(border) : null;
      if (entry == null || !Arrays.equals(entry.key(), key)) {
        held("run " + run, "no entry has the key: its neighbours are adjacent");
        return null;
      }
      if (entry.time() > proof.state().coveredTime()) {
        return refused(run, "an entry is later than what the state covers");
      }
      ProofEntry known = newest;
      if (known == null || entry.compareVersion(known.time(), known.writer(), known.index()) > 0) {
        newest = entry;
      }
      held(
          "run " + run,
          "its newest version of the key is "
              + entry.time()
              + "/"
              + Long.toHexString(entry.writer())
              + "/"
              + entry.index());
      return null;
    }

    // ---------------------------------------------------------------- conclusion

    private Decoded<KeyVerdict> conclude(CapsuleName name, long nowMs) {
      KeyProof.State state = proof.state();
      ProofEntry entry = newest;
      byte[] separate = proof.separateValue();
      boolean cleared =
          entry != null
              && entry.compareVersion(state.clearTime(), state.clearWriter(), state.clearIndex())
                  < 0;
      boolean apart = entry != null && entry.kind() == StateCommitment.POINTER && !cleared;
      if (apart != (separate != null)) {
        return Decoded.reject(
            Reason.PROOF,
            apart ? "the value that is kept apart is missing" : "a value that nothing points to");
      }
      if (entry == null) {
        held("newest", "no run has a version of the key");
        return decided(name, KeyVerdict.Outcome.ABSENT_NO_VERSION, null, NOTHING);
      }
      byte[] value = entry.shown();
      if (separate != null) {
        if (separate.length != entry.valueLength()
            || !Arrays.equals(Hashes.sha256(separate).toBytes(), entry.shown())) {
          return Decoded.reject(
              Reason.PROOF, "the value that is kept apart is not the one the entry points to");
        }
        held("value", "kept apart, has the SHA-256 in the entry");
        value = separate;
      }
      held(
          "newest",
          "version " + entry.time() + "/" + Long.toHexString(entry.writer()) + "/" + entry.index());
      KeyVerdict.Outcome outcome =
          cleared
              ? KeyVerdict.Outcome.ABSENT_CLEARED
              : entry.kind() == StateCommitment.TOMBSTONE
                  ? KeyVerdict.Outcome.ABSENT_DELETED
                  : entry.expiryAtMs() != 0 && entry.expiryAtMs() <= nowMs
                      ? KeyVerdict.Outcome.ABSENT_EXPIRED
                      : KeyVerdict.Outcome.PRESENT;
      return decided(name, outcome, entry, outcome == KeyVerdict.Outcome.PRESENT ? value : NOTHING);
    }

    private Decoded<KeyVerdict> decided(
        CapsuleName name, KeyVerdict.Outcome outcome, @Nullable ProofEntry entry, byte[] value) {
      return Decoded.accept(
          new KeyVerdict(
              name,
              key,
              outcome,
              entry == null
                  ? null
                  : new KeyVerdict.Version(entry.time(), entry.writer(), entry.index()),
              value,
              outcome == KeyVerdict.Outcome.PRESENT && entry != null ? entry.type() : 0,
              entry == null ? 0 : entry.expiryAtMs(),
              proof.state().coveredTime(),
              checks));
    }
  }
}
