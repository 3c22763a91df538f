package io.capsuledb.core.proof;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SimEntropy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * A small signed state, the same each time, of which proofs can show whatever a test wants.
 *
 * <pre>
 * run 0  table 0  block 0: b@9 "new", d@8 deleted      block 1: f@7
 * run 1  table 1  block 0: a@2, b@5 "old"              block 1: b@4 "older", c@3
 *        table 2  block 0: m@1                         block 1: p@1
 * </pre>
 */
final class SampleState {

  static final Secp256k1 CURVE = Secp256k1.best();

  private static final long WRITER = 0x1111111122222222L;
  private static final int[] RUNS = {0, 1, 1};

  private final List<List<List<ProofEntry>>> tables =
      List.of(
          List.of(List.of(entry("b", 9, "new"), deleted("d", 8)), List.of(entry("f", 7, "f"))),
          List.of(
              List.of(entry("a", 2, "a"), entry("b", 5, "old")),
              List.of(entry("b", 4, "older"), entry("c", 3, "c"))),
          List.of(List.of(entry("m", 1, "m")), List.of(entry("p", 1, "p"))));

  final PublicKey owner;
  final byte[] metadata;
  final CapsuleName name;
  private final byte[] roster;
  private final byte[] checkpoint;

  SampleState() {
    this(RosterEntry.Role.COMPACTOR, WRITER);
  }

  /**
   * A state.
   *
   * @param role of the writer that signs it
   * @param introduced the writer in the roster
   */
  SampleState(RosterEntry.Role role, long introduced) {
    byte[] seed = new byte[64];
    new SimEntropy(1).fill(seed);
    KeyTree keys = KeyTree.fromSeed(SecretBytes.own(seed));
    metadata = NewCapsule.sign(keys, 0, List.of(), 0, new SimEntropy(2));
    name = MetadataCodec.nameOf(metadata);
    owner = MetadataCodec.decode(metadata, CURVE).orThrow().ownerKey();
    try (KeyRing ring = new KeyRing(name, List.of(keys.application(0, 0)))) {
      ApplicationKey application = ring.application(0);
      PublicKey key;
      try (SecretBytes signing = application.writerPrivateKey(introduced)) {
        key = CURVE.publicKey(signing);
      }
      byte[] entries =
          RosterCodec.encode(
              name, 0, List.of(new RosterEntry(introduced, key, role, 0)), application::sign);
      byte[] commitment =
          CheckpointCodec.encode(new Checkpoint(Hash32.copyOf(seed, 0), root(2, 3), 10, List.of()));
      try (RecordSealer first = sealer(ring, introduced);
          RecordSealer second = sealer(ring, WRITER)) {
        roster =
            first.seal(RecordType.ROSTER, 0, 11, List.of(), entries, 0, entries.length).bytes();
        second.seal(RecordType.ROSTER, 0, 11, List.of(), entries, 0, entries.length);
        checkpoint =
            second
                .seal(RecordType.CHECKPOINT, 0, 12, List.of(), commitment, 0, commitment.length)
                .bytes();
      }
    }
  }

  private RecordSealer sealer(KeyRing ring, long writer) {
    try (SecretBytes dataKey = ring.dataKey(0, writer)) {
      return new RecordSealer(
          name, 0, writer, ring.application(0).writerPrivateKey(writer), dataKey, CURVE);
    }
  }

  private static ProofEntry entry(String key, long time, String value) {
    byte[] bytes = bytes(value);
    return new ProofEntry(
        salt(time), StateCommitment.VALUE, 0, time, 3, 0, 0, bytes(key), bytes.length, bytes);
  }

  private static ProofEntry deleted(String key, long time) {
    return new ProofEntry(
        salt(time), StateCommitment.TOMBSTONE, 0, time, 3, 0, 0, bytes(key), 0, new byte[0]);
  }

  private static byte[] salt(long time) {
    byte[] salt = new byte[StateCommitment.SALT_BYTES];
    for (int i = 0; i < salt.length; i++) {
      salt[i] = (byte) (16 * time + i);
    }
    return salt;
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private Hash32 root(int runs, int count) {
    return StateCommitment.stateRoot(10, 0, 0, 0, runs, count, tableTree().root());
  }

  private MerkleTree tableTree() {
    List<Hash32> leaves = new ArrayList<>();
    for (int i = 0; i < tables.size(); i++) {
      leaves.add(table(i, Map.of()).leaf());
    }
    return MerkleTree.of(leaves);
  }

  private static MerkleTree blockTree(List<List<ProofEntry>> blocks) {
    return MerkleTree.of(blocks.stream().map(b -> block(b, Set.of()).leaf()).toList());
  }

  private static ProofBlock block(List<ProofEntry> entries, Set<Integer> shown) {
    MerkleTree tree = MerkleTree.of(entries.stream().map(ProofEntry::leaf).toList());
    TreeMap<Integer, ProofEntry> contents = new TreeMap<>();
    shown.forEach(i -> contents.put(i, entries.get(i)));
    return new ProofBlock(
        entries.getFirst().key(),
        entries.getLast().key(),
        entries.size(),
        tree.root(),
        contents.isEmpty() ? null : PrunedTree.of(tree, contents));
  }

  private ProofTable table(int number, Map<Integer, Set<Integer>> shown) {
    List<List<ProofEntry>> blocks = tables.get(number);
    MerkleTree tree = blockTree(blocks);
    TreeMap<Integer, ProofBlock> contents = new TreeMap<>();
    shown.forEach((i, entries) -> contents.put(i, block(blocks.get(i), entries)));
    return new ProofTable(
        RUNS[number],
        blocks.getFirst().getFirst().key(),
        blocks.getLast().getLast().key(),
        blocks.stream().mapToInt(List::size).sum(),
        tree.root(),
        contents.isEmpty() ? null : PrunedTree.of(tree, contents));
  }

  /**
   * A proof.
   *
   * @param shown tables by number, in each blocks by number, in each the numbers of entries
   */
  KeyProof proof(String key, int runs, Map<Integer, Map<Integer, Set<Integer>>> shown) {
    TreeMap<Integer, ProofTable> contents = new TreeMap<>();
    shown.forEach((i, blocks) -> contents.put(i, table(i, blocks)));
    return new KeyProof(
        bytes(key),
        metadata,
        roster,
        checkpoint,
        new KeyProof.State(10, 0, 0, 0, runs, 3),
        PrunedTree.of(tableTree(), contents),
        null);
  }
}
