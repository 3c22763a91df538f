package io.capsuledb.jepsen.mutants;

import static io.capsuledb.jepsen.mutants.Mutation.alwaysBranch;
import static io.capsuledb.jepsen.mutants.Mutation.constant;
import static io.capsuledb.jepsen.mutants.Mutation.firstArgument;
import static io.capsuledb.jepsen.mutants.Mutation.narrow;
import static io.capsuledb.jepsen.mutants.Mutation.neverBranch;
import static io.capsuledb.jepsen.mutants.Mutation.readAs;
import static io.capsuledb.jepsen.mutants.Mutation.readInstead;
import static io.capsuledb.jepsen.mutants.Mutation.returns;
import static io.capsuledb.jepsen.mutants.Mutation.skipAssignment;
import static io.capsuledb.jepsen.mutants.Mutation.skipCall;

import java.util.List;

/** All seeded bugs. */
public final class Mutants {

  private static final String CORE = "io.capsuledb.core.";
  private static final String ENGINE = "io.capsuledb.engine.";
  private static final String REPLICATION = "io.capsuledb.replication.";
  private static final String SCL = "io.capsuledb.scl.";
  private static final String RING = "io.capsuledb.enclave.ring.";
  private static final String LAUNCH = "io.capsuledb.host.launch.";

  // ------------------------------------------------------------------ properties

  private static final Property REPLICAS =
      new Property("replica simulation", REPLICATION + "replica.ReplicaSimTest", "run");
  private static final Property STORM =
      new Property(
          "quorum client storm", REPLICATION + "client.QuorumClientCorePropertyTest", "storm");
  private static final Property DURABILITY =
      new Property(
          "durability under seals",
          REPLICATION + "protocol.DurabilityPropertyTest",
          "nothingDurableIsBeyondTheFinalHead");
  private static final Property JOINT =
      new Property(
          "a joint membership takes a quorum of each set",
          REPLICATION + "protocol.DurabilityPropertyTest",
          "aJointMembershipTakesAQuorumOfEachSet");
  private static final Property CERTIFICATE_BYTES =
      new Property(
          "no byte of a certificate may change",
          REPLICATION + "protocol.CertificateTest",
          "noByteMayChange");
  private static final Property WORKERS =
      new Property("SCL simulation", SCL + "sim.SclSimTest", "run");
  private static final Property ENGINE_MODEL =
      new Property(
          "engine against a map, with crashes",
          ENGINE + "EngineModelPropertyTest",
          "behavesAsAMapThatSurvivesCrashes");
  private static final Property READS_MEANWHILE =
      new Property(
          "a snapshot stays as it was",
          ENGINE + "ReadsMeanwhilePropertyTest",
          "aSnapshotStaysAsItWas");
  private static final Property SHARED_MODEL =
      new Property(
          "engines of one capsule against versions",
          ENGINE + "SharedModelPropertyTest",
          "enginesAgreeWithTheModel");
  private static final Property KEYSTREAM =
      new Property(
          "no two records share a keystream",
          CORE + "record.KeystreamPropertyTest",
          "noTwoRecordsShareAKeystream");
  private static final Property BIT_FLIPS =
      new Property(
          "every bit of a record counts",
          CORE + "record.RecordPropertyTest",
          "everySingleBitFlipIsRejectedWithTheReasonThatNamesWhatFailed");
  private static final Property EQUIVOCATION =
      new Property(
          "equivocation is detected",
          CORE + "record.RecordPropertyTest",
          "equivocationIsDetectedAndProvable");
  private static final Property LAUNCHES =
      new Property("leader simulation", LAUNCH + "LeaderSimTest", "oneSeed");
  private static final Property RING_QUEUE =
      new Property("a ring is a bounded queue", RING + "RingTest", "anyUseIsThatOfABoundedQueue");

  // ------------------------------------------------------------------ classes

  private static final String HELD_CAPSULE = REPLICATION + "replica.HeldCapsule";
  private static final String REPLICA_CORE = REPLICATION + "replica.ReplicaCore";
  private static final String WORKER_CORE = SCL + "worker.WorkerCore";
  private static final String COORDINATOR = SCL + "epoch.CoordinatorCore";
  private static final String MERGE_CORE = SCL + "merge.MergeCore";
  private static final String LOCK_CACHE = SCL + "lock.LockCache";
  private static final String TREE = ENGINE + "lsm.Tree";
  private static final String LEADER = LAUNCH + "LeaderCore";

  private Mutants() {}

  /** What they are called. */
  public static List<String> names() {
    return all().stream().map(Mutant::name).toList();
  }

  /** Loads the product with one of the bugs in it. */
  public static ClassLoader loader(String name) {
    return new MutantLoader(
        all().stream()
            .filter(mutant -> mutant.name().equals(name))
            .findFirst()
            .orElseThrow()
            .mutation());
  }

  static List<Mutant> all() {
    return List.of(
        // Replicas.
        new Mutant(
            "acknowledge before fsync",
            "a replica states what it has accepted, not what is durable",
            new Mutation(HELD_CAPSULE, "held", readInstead("HeldChain", "durable", "accepted"))
                .times(2),
            REPLICAS,
            20),
        new Mutant(
            "commit not awaited",
            "a group whose commit failed is finished as if it were durable",
            new Mutation(REPLICA_CORE, "committed", neverBranch(1, 2)),
            REPLICAS,
            20),
        new Mutant(
            "ignore seal",
            "records beyond what was promised to a sealer are taken",
            new Mutation(HELD_CAPSULE, "takeNew", skipCall("SealState", "limit", Long.MAX_VALUE)),
            REPLICAS,
            20),
        new Mutant(
            "promise forgotten after restart",
            "what was promised to a sealer is not written to the log",
            new Mutation(HELD_CAPSULE, "change", skipCall("ReplicaLog$Batch", "add", null)),
            REPLICAS,
            20),
        new Mutant(
            "final head of a lower ballot accepted",
            "an acceptor accepts a final head of a ballot below its promise",
            new Mutation(HELD_CAPSULE, "obey", neverBranch(4, 7)),
            REPLICAS,
            50),
        new Mutant(
            "sealed chain not truncated",
            "records beyond the accepted final head are kept",
            new Mutation(HELD_CAPSULE, "obey", skipCall("HeldCapsule", "truncate", null)),
            REPLICAS,
            50),
        new Mutant(
            "lost disk speaks at once",
            "a replica that lost its disk does not join anew before it speaks",
            new Mutation(HELD_CAPSULE, "beginJoining", skipAssignment("HeldCapsule", "joining")),
            REPLICAS,
            50),
        new Mutant(
            "statement numbers from a restarted counter",
            "reserved statement numbers are not written to the log",
            new Mutation(REPLICA_CORE, "reserveNumbers", skipCall("ReplicaLog$Batch", "add", null)),
            REPLICAS,
            50),
        new Mutant(
            "apply unverified record",
            "a replica takes records whose signature it did not check",
            new Mutation(
                HELD_CAPSULE, "takeNew", skipCall("ChainVerifier", "verifySignature", null)),
            REPLICAS,
            20),
        new Mutant(
            "release without checkpoint",
            "payloads are dropped though no CHECKPOINT releases them",
            new Mutation(REPLICA_CORE, "wrongRelease", returns(null)),
            REPLICAS,
            50),
        // Clients of replicas.
        new Mutant(
            "count a replica twice",
            "one replica's word counts as that of two",
            new Mutation(
                REPLICATION + "protocol.Membership$ReplicaSet", "isQuorum", constant(1, 2, 0)),
            STORM,
            20),
        new Mutant(
            "part of a final chain counts",
            "what is held of another branch than the final one counts for the final one",
            new Mutation(REPLICATION + "protocol.Durability", "isWhole", returns(true)),
            REPLICAS,
            500),
        new Mutant(
            "mixed ballots count",
            "statements that accepted different final heads make a quorum together",
            new Mutation(
                REPLICATION + "protocol.Durability",
                "lambda$isDurable$",
                skipCall("Ballot", "equals", true)),
            DURABILITY,
            20_000),
        new Mutant(
            "membership without joint quorum",
            "while members change a quorum of the new ones is enough",
            new Mutation(
                REPLICATION + "protocol.Membership",
                "isQuorum",
                skipCall("Membership", "isJoint", false)),
            JOINT,
            500),
        new Mutant(
            "skip signature check of statements",
            "a durability certificate counts statements that nobody signed",
            new Mutation(
                REPLICATION + "protocol.CertificateVerifier$Examination",
                "count",
                skipCall("StatementCodec", "verify", true)),
            CERTIFICATE_BYTES,
            1),
        // Records.
        new Mutant(
            "skip signature check",
            "a record's signature is taken for good",
            new Mutation(
                CORE + "record.ChainVerifier",
                "verifySignature",
                skipCall("SignedHeader", "isSignedBy", true)),
            BIT_FLIPS,
            1),
        new Mutant(
            "nonce from a restarted counter",
            "the counter in a writer's nonces starts again after eight records",
            new Mutation(
                CORE + "record.RecordCodec", "nonce", narrow("LittleEndian", "putLong", 7)),
            KEYSTREAM,
            5),
        new Mutant(
            "equivocation taken for a gap",
            "two records at one place of a chain are not noticed",
            new Mutation(
                    CORE + "record.ChainVerifier", "follow", skipCall("Hash32", "equals", true))
                .times(2),
            EQUIVOCATION,
            1),
        // The engine.
        new Mutant(
            "reuse writer index",
            "an engine that is opened again takes the first index again",
            new Mutation(ENGINE + "WriterIndexes", "draw", returns(77L)),
            ENGINE_MODEL,
            20),
        new Mutant(
            "tombstone dropped above the bottom level",
            "a merge drops a deletion though older values lie below",
            new Mutation(ENGINE + "lsm.EntrySieve", "judge", skipCall("Predicate", "test", false)),
            ENGINE_MODEL,
            20),
        new Mutant(
            "memtable freed while it is read",
            "a flushed memtable is used again though a snapshot holds it",
            new Mutation(TREE, "lambda$afterRelease$", skipCall("List", "contains", false)),
            READS_MEANWHILE,
            20),
        new Mutant(
            "memtable freed before flush durable",
            "what a flush writes is shown and acted on, and never stored",
            new Mutation(
                ENGINE + "lsm.TreeChain$Appender",
                "flush",
                skipCall("RecordStore", "append", null)),
            ENGINE_MODEL,
            20),
        new Mutant(
            "dirty read of staged transaction",
            "what a transaction staged and gave up is seen by the next, and committed",
            new Mutation(
                ENGINE + "Transaction", "close", skipCall("Transaction$Staged", "reset", null)),
            ENGINE_MODEL,
            20),
        new Mutant(
            "equal-timestamp tie decided by arrival",
            "of two operations of one Lamport time the one that comes later wins",
            new Mutation(
                ENGINE + "entry.Entry", "compareVersions", skipCall("Long", "compareUnsigned", 1)),
            SHARED_MODEL,
            20),
        new Mutant(
            "clock not moved by what is merged",
            "a worker writes at Lamport times before what it has seen",
            new Mutation(
                ENGINE + "SharedChains", "settle", skipCall("LamportClock", "advance", null)),
            SHARED_MODEL,
            20),
        new Mutant(
            "others' writes vouch for own ones",
            "own operations count as durable when later ones of others are",
            new Mutation(ENGINE + "WritePath", "advance", skipCall("ArrayDeque", "peek", null)),
            SHARED_MODEL,
            20),
        // Workers and their coordinator.
        new Mutant(
            "merged before durable",
            "records are applied that no quorum holds yet",
            new Mutation(MERGE_CORE + "$Chain", "limit", returns(Long.MAX_VALUE)),
            WORKERS,
            20),
        new Mutant(
            "forged record merged",
            "records from a replica are applied without a look at their signatures",
            new Mutation(MERGE_CORE, "verify", skipCall("RecordChecks", "verify", null)).times(2),
            WORKERS,
            50),
        new Mutant(
            "parents not awaited",
            "a record is merged before what its writer had seen",
            new Mutation(MERGE_CORE, "missingParent", returns(null)),
            WORKERS,
            20),
        new Mutant(
            "stale lease",
            "a worker believes in its lease for long after it is over",
            new Mutation(
                WORKER_CORE, "heard", skipCall("WorkerOptions", "leaseNanos", 10_000_000_000L)),
            WORKERS,
            1_000),
        new Mutant(
            "coordinator's worker with a whole lease",
            "a worker keeps its lease as long as any, though its coordinator's successor does not"
                + " count on it",
            new Mutation(
                WORKER_CORE,
                "heard",
                skipCall("WorkerOptions", "coordinatorLeaseNanos", 600_000_000L)),
            WORKERS,
            1_000),
        new Mutant(
            "locks freed before the lease is over",
            "who is given up for dead loses its locks while it may still use them",
            new Mutation(COORDINATOR, "watch", readAs("CoordinatorCore$Member", "leaving", true)),
            WORKERS,
            1_000),
        new Mutant(
            "lock granted without frontier hand-over",
            "a lock is used before what was written under it is merged",
            new Mutation(LOCK_CACHE, "isMet", returns(true)),
            WORKERS,
            50),
        new Mutant(
            "lock released before durable",
            "a lock is given up before what was written under it is durable",
            new Mutation(LOCK_CACHE, "serve", readAs("LockCache", "durable", Long.MAX_VALUE)),
            WORKERS,
            100),
        new Mutant(
            "locks granted before old holders joined",
            "a new coordinator grants locks that others hold from the one before",
            new Mutation(COORDINATOR, "watch", skipCall("Stream", "allMatch", true)),
            WORKERS,
            100),
        new Mutant(
            "SYNC before its cut is merged",
            "the cut of a sealed worker is its final head, which nobody has merged yet",
            new Mutation(COORDINATOR, "cutOf", alwaysBranch(6, 8)),
            WORKERS,
            100),
        new Mutant(
            "EOE missing ignored",
            "a SYNC is made without the end of epoch of some workers",
            new Mutation(COORDINATOR, "countMembers", skipCall("Set", "add", true)).times(2),
            WORKERS,
            100),
        new Mutant(
            "terms do not grow",
            "a term is claimed that is not above all that was merged",
            new Mutation(COORDINATOR, "proclaim", firstArgument("Math", "max")),
            WORKERS,
            500),
        new Mutant(
            "token check skipped",
            "a session's token is taken for reached at once",
            new Mutation(WORKER_CORE, "lambda$unmet$", returns(false)),
            WORKERS,
            50),
        // The leader.
        new Mutant(
            "keys for any enclave",
            "an application's policy is not asked about a worker's evidence",
            new Mutation(LEADER, "unfit", returns(null)),
            LAUNCHES,
            20),
        new Mutant(
            "swapped program accepted",
            "a worker gets a share for a program that is not the job's",
            new Mutation(LEADER, "take", skipCall("Octets", "equals", true)),
            LAUNCHES,
            50),
        new Mutant(
            "members join while keys rotate",
            "a rotation that is under way keeps nobody out",
            new Mutation(LEADER + "$Application", "serves", returns(true)),
            LAUNCHES,
            50),
        new Mutant(
            "RESET tells nobody",
            "an application is forgotten, and its workers keep what they have",
            new Mutation(LEADER, "reset", skipCall("LeaderCore", "say", null)),
            LAUNCHES,
            50),
        new Mutant(
            "what is under way outlives a RESET",
            "a rotation or an opening that was asked for before a RESET has an effect after it",
            new Mutation(LEADER, "reset", skipCall("Collection", "removeIf", false)).times(2),
            LAUNCHES,
            200),
        // Between processes.
        new Mutant(
            "drop on full ring",
            "a message that finds the ring full is dropped and said to be sent",
            new Mutation(RING + "RingWriter", "offer", constant(0, 1)),
            RING_QUEUE,
            1));
  }
}
