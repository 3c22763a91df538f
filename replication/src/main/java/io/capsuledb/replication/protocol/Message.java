package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.Checkpoint;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What travels between a replica and whoever uses it: clients, and other replicas that heal from
 * it. A request has a number of the asker's choice that its reply repeats; replies may come in any
 * order. Every list and length is bounded by the constants here.
 */
public sealed interface Message {

  /** Most records in one message. */
  int MAX_RECORDS = 1024;

  /** Most bytes of all records in one message; one record may have 32 MiB. */
  int MAX_RECORD_BYTES = 33 << 20;

  /** Most capsule names in one reply. */
  int MAX_NAMES = 1024;

  /** Most ranges in one {@link Release}. */
  int MAX_RANGES = 1024;

  /** Most memberships in one {@link Described}. */
  int MAX_MEMBERSHIPS = 1024;

  /** Most counters in a {@link Status}. */
  int MAX_COUNTERS = 256;

  /** Most pieces of evidence in one message. */
  int MAX_EVIDENCE = 64;

  /** Most bytes of one frame that is relayed. */
  int MAX_RELAYED_BYTES = 1 << 20;

  /** Longest text. */
  int MAX_TEXT_BYTES = 1024;

  /** A message that asks for a reply. */
  sealed interface Request extends Message {
    /** The asker's number for it. */
    long request();

    /** The capsule it is about, or null. */
    @Nullable CapsuleName capsule();
  }

  /** A message that answers a request. */
  sealed interface Reply extends Message {
    /** The number of the request. */
    long request();
  }

  // ------------------------------------------------------------------ requests

  /** Make this capsule yours to hold: its signed metadata. Answered {@link Done}. */
  record Found(long request, CapsuleName capsule, Blob metadata) implements Request {}

  /**
   * Hold these records. Records of a writer are in the order of its chain. Answered by {@link Held}
   * when durable (also if they were before), SEAL records by {@link Sealed} too; else by {@link
   * Refused}.
   */
  record Append(long request, CapsuleName capsule, List<Blob> records) implements Request {
    public Append {
      records = List.copyOf(records);
    }
  }

  /**
   * Give me the records of a writer from one sequence number to another, as far as {@code maxBytes}
   * reaches; one at least if there is one. Answered by {@link Records}.
   */
  record ReadRange(
      long request,
      CapsuleName capsule,
      long writer,
      long fromSequence,
      long toSequence,
      int maxBytes)
      implements Request {}

  /** Give me the record with this hash. Answered by {@link Records}: one or none. */
  record ReadHash(long request, CapsuleName capsule, Hash32 hash) implements Request {}

  /** What do you hold? Answered by {@link Frontier}. */
  record AskFrontier(long request, CapsuleName capsule, Hash32 nonce) implements Request {}

  /** What do you know of this capsule? Answered by {@link Described}. */
  record Describe(long request, CapsuleName capsule) implements Request {}

  /** Which capsules do you hold, after this name? Answered by {@link Capsules}. */
  record AskCapsules(long request, Hash32 after) implements Request {
    @Override
    public @Nullable CapsuleName capsule() {
      return null;
    }
  }

  /** Here is a newer membership. Answered {@link Done}. */
  record Install(long request, CapsuleName capsule, Blob membership) implements Request {}

  /**
   * These payloads may go: the CHECKPOINT at {@code writer}, {@code sequence} says so. Answered
   * {@link Done}.
   */
  record Release(
      long request, CapsuleName capsule, long writer, long sequence, List<Checkpoint.Range> ranges)
      implements Request {
    public Release {
      ranges = List.copyOf(ranges);
    }
  }

  /** How are you? Answered by {@link Status}. */
  record AskStatus(long request) implements Request {
    @Override
    public @Nullable CapsuleName capsule() {
      return null;
    }
  }

  /** What do you know against writers and replicas? Answered by {@link Evidence}. */
  record AskEvidence(long request, CapsuleName capsule) implements Request {}

  /** Keep this proof; answered {@link Done}. */
  record Accuse(long request, CapsuleName capsule, Blob evidence) implements Request {}

  /**
   * Relay to me what others who use this capsule say from now on, for a while: to be repeated.
   * Answered by {@link Listening}, and by {@link Relayed} for each frame.
   *
   * @param needy whether the asker hears the others nowhere else
   */
  record Listen(long request, CapsuleName capsule, boolean needy) implements Request {}

  /**
   * Relay this to those who listen; not answered unless it is refused. A replica neither keeps nor
   * understands it, and promises nothing.
   *
   * @param frame at most {@link #MAX_RELAYED_BYTES}
   */
  record Relay(long request, CapsuleName capsule, Blob frame) implements Request {}

  // ------------------------------------------------------------------ replies

  /** It is done, durably. */
  record Done(long request) implements Reply {}

  /** It is not done. */
  record Refused(long request, Refusal code, long writer, long sequence, String detail)
      implements Reply {}

  /** Everything up to the statement's heads is held durably. */
  record Held(long request, SignedStatement statement) implements Reply {}

  /** What is promised about a writer, durably. */
  record Sealed(long request, SignedStatement statement) implements Reply {}

  /** The records asked for, in their order; in whichever form they are stored. */
  record Records(long request, List<Blob> records) implements Reply {
    public Records {
      records = List.copyOf(records);
    }
  }

  /** All chains of a capsule. */
  record Frontier(long request, SignedStatement statement) implements Reply {}

  /** Signed metadata, and the signed memberships from version 1 on. */
  record Described(long request, Blob metadata, List<Blob> memberships) implements Reply {
    public Described {
      memberships = List.copyOf(memberships);
    }
  }

  /** Names in ascending order. */
  record Capsules(long request, List<CapsuleName> names) implements Reply {
    public Capsules {
      names = List.copyOf(names);
    }
  }

  /** Counters by name, for people; not signed. */
  record Status(long request, List<Counter> counters) implements Reply {
    public Status {
      counters = List.copyOf(counters);
    }
  }

  /** One counter or measurement of a replica. */
  record Counter(String name, long value) {}

  /** So many others listen that hear nothing elsewhere; 0 to 65,535. */
  record Listening(long request, int needy) implements Reply {}

  /** What somebody said to those who listen; the request is that of the newest {@link Listen}. */
  record Relayed(long request, Blob frame) implements Reply {}

  /** Proofs, each as in the payload of an EVIDENCE record. */
  record Evidence(long request, List<Blob> proofs) implements Reply {
    public Evidence {
      proofs = List.copyOf(proofs);
    }
  }
}
