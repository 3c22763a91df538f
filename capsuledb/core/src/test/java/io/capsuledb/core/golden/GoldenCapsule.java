package io.capsuledb.core.golden;

import io.capsuledb.core.capsule.CapsuleMetadata;
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
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import java.util.HexFormat;
import java.util.List;

/**
 * The capsule that the golden bytes are of, made anew from fixed seeds. Nothing in it is random and
 * signatures are deterministic (RFC 6979), so today's code has to make the same bytes. Its keys are
 * published: they protect nothing.
 *
 * <pre>
 * first writer:   roster (1) -- data (2)
 *                            \- fork (2): equivocation, only in the evidence
 * second writer:                data (2) -- join (1)
 * compactor:      roster (1) -- checkpoint (2)
 * </pre>
 */
public final class GoldenCapsule {

  /** The first writer's index. */
  public static final long FIRST_WRITER = 0x0123456789abcdefL;

  /** The second writer's index. */
  public static final long SECOND_WRITER = 0x3fedcba987654321L;

  /** The compactor's index. */
  public static final long COMPACTOR = 0x1111111122222222L;

  /** The batch in the DATA record: put "color" = "blue", delete "shape". */
  public static final String BATCH = "01000000020000000105636f6c6f7204626c756502057368617065";

  /** The batch in the forked DATA record: put "color" = "red". */
  private static final String FORKED_BATCH = "01000000010000000105636f6c6f7203726564";

  private static final Secp256k1 CURVE = Secp256k1.best();

  private final KeyTree owner;
  private final byte[] signedMetadata;
  private final CapsuleName name;
  private final ApplicationKey application;
  private final KeyRing keys;

  /** The capsule without any record. */
  public GoldenCapsule() {
    owner = KeyTree.fromSeed(SecretBytes.own(ascending(0x00, 64)));
    application = owner.application(0, 0);
    signedMetadata = NewCapsule.sign(owner, 0, List.of(), 0, GoldenCapsule::salt);
    name = MetadataCodec.nameOf(signedMetadata);
    keys = new KeyRing(name, List.of(application));
  }

  private static void salt(byte[] target) {
    System.arraycopy(ascending(0x80, target.length), 0, target, 0, target.length);
  }

  private static byte[] ascending(int from, int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = (byte) (from + i);
    }
    return bytes;
  }

  /** The owner's keys: seed 00 01 … 3f. */
  public KeyTree owner() {
    return owner;
  }

  /** The application key of generation 0. */
  public ApplicationKey application() {
    return application;
  }

  /** Application keys and capsule in one. */
  public KeyRing keys() {
    return keys;
  }

  /** The capsule's name. */
  public CapsuleName name() {
    return name;
  }

  /** The signed metadata: no replicas, salt 80 81 … 9f. */
  public byte[] signedMetadata() {
    return signedMetadata.clone();
  }

  /** The metadata decoded. */
  public CapsuleMetadata metadata() {
    return MetadataCodec.decode(signedMetadata, CURVE).orThrow();
  }

  /** Metadata with every field in use: three replicas, the points G, 2G and 3G, quorum 2. */
  public byte[] signedMetadataWithReplicas() {
    CapsuleMetadata base = metadata();
    CapsuleMetadata replicated =
        new CapsuleMetadata(
            base.ownerKey(),
            base.applicationKey(),
            base.applicationPath(),
            List.of(multipleOfG(1), multipleOfG(2), multipleOfG(3)),
            2,
            CapsuleMetadata.DirectoryMode.DERIVED,
            base.salt());
    return MetadataCodec.encode(replicated, owner::signAsOwner);
  }

  private static PublicKey multipleOfG(int factor) {
    byte[] scalar = new byte[Secp256k1.SCALAR_BYTES];
    scalar[scalar.length - 1] = (byte) factor;
    try (SecretBytes key = SecretBytes.own(scalar)) {
      return CURVE.publicKey(key);
    }
  }

  private RecordSealer sealer(long writer) {
    try (SecretBytes dataKey = keys.dataKey(0, writer)) {
      return new RecordSealer(
          name, 0, writer, application.writerPrivateKey(writer), dataKey, CURVE);
    }
  }

  private CapsuleRecord introduce(
      RecordSealer sealer, RosterEntry.Role role, long lamport, List<Hash32> parents) {
    long writer = sealer.writer();
    byte[] roster =
        RosterCodec.encode(
            name,
            0,
            List.of(new RosterEntry(writer, application.writerPublicKey(writer), role, 0)),
            application::sign);
    return sealer.seal(RecordType.ROSTER, 0, lamport, parents, roster, 0, roster.length);
  }

  private List<CapsuleRecord> firstChain(String batch) {
    byte[] payload = HexFormat.of().parseHex(batch);
    try (RecordSealer sealer = sealer(FIRST_WRITER)) {
      CapsuleRecord roster = introduce(sealer, RosterEntry.Role.WORKER, 1, List.of());
      return List.of(
          roster, sealer.seal(RecordType.DATA, 0, 2, List.of(), payload, 0, payload.length));
    }
  }

  /** The first record: a ROSTER at Lamport time 1 that introduces the first writer. */
  public CapsuleRecord roster() {
    return firstChain(BATCH).get(0);
  }

  /** The second record: two operations, at Lamport times 2 and 3. */
  public CapsuleRecord data() {
    return firstChain(BATCH).get(1);
  }

  /** What contradicts {@link #data}: the same writer and sequence number, another operation. */
  public CapsuleRecord fork() {
    return firstChain(FORKED_BATCH).get(1);
  }

  /** The third record: a ROSTER at time 4 that introduces the second writer and joins the first. */
  public CapsuleRecord join() {
    try (RecordSealer sealer = sealer(SECOND_WRITER)) {
      return introduce(sealer, RosterEntry.Role.WORKER, 4, List.of(data().hash()));
    }
  }

  private List<CapsuleRecord> compactorChain() {
    byte[] payload = CheckpointCodec.encode(released());
    try (RecordSealer sealer = sealer(COMPACTOR)) {
      return List.of(
          introduce(sealer, RosterEntry.Role.COMPACTOR, 5, List.of()),
          sealer.seal(RecordType.CHECKPOINT, 0, 6, List.of(), payload, 0, payload.length));
    }
  }

  /** The compactor's first record: a ROSTER at Lamport time 5. */
  public CapsuleRecord compactorRoster() {
    return compactorChain().get(0);
  }

  /** The compactor's second record: what {@link #released} says. */
  public CapsuleRecord checkpoint() {
    return compactorChain().get(1);
  }

  /**
   * A checkpoint at time 3 that releases the first writer's DATA record and the record after it.
   * Its manifest and state root, 40 41 … 5f and 60 61 … 7f, are of nothing.
   */
  public Checkpoint released() {
    return new Checkpoint(
        Hash32.of(ascending(0x40, Hash32.BYTES)),
        Hash32.of(ascending(0x60, Hash32.BYTES)),
        3,
        List.of(new Checkpoint.Range(FIRST_WRITER, 2, 3)));
  }
}
