package io.capsuledb.scl.frame;

import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.session.Position;
import java.util.List;

/**
 * What is in a frame: one worker's word to the others. Authenticated, for its sender holds the
 * frame key, and yet it may be lost, doubled, overtaken or replayed to a newcomer: every message is
 * either true for ever, or names the term, epoch or number it belongs to. Immutable.
 */
public sealed interface SclMessage {

  /** Most records of one message. */
  int MAX_RECORDS = 1024;

  /** Most workers, or positions, one message names. */
  int MAX_POSITIONS = 4096;

  /** Most locks one message names. */
  int MAX_LOCKS = 16_384;

  /**
   * Records of a chain are durable.
   *
   * @param writer whose chain
   * @param from the first record that may be in the message, from 1
   * @param to everything up to here is durable
   * @param records some of these records, ascending; the others are to be had from replicas
   */
  record Records(long writer, long from, long to, List<CapsuleRecord> records)
      implements SclMessage {
    public Records {
      records = List.copyOf(records);
      require(writer > 0 && from > 0 && to >= from, "range");
      require(records.size() <= MAX_RECORDS, "records");
    }
  }

  /**
   * A worker lives.
   *
   * @param number from 1, grows with each beat
   * @param head its newest durable record
   * @param term of the coordinator it obeys; 0 if it knows none
   * @param wantsEpoch somebody waits for a SYNC of this epoch or a later one; 0 if nobody does
   * @param pending whether it has records that are not durable
   * @param leaving whether it holds no lock, writes nothing more and wants to be let go
   */
  record Beat(
      long number, ChainHead head, long term, long wantsEpoch, boolean pending, boolean leaving)
      implements SclMessage {
    public Beat {
      require(number > 0 && term >= 0 && wantsEpoch >= 0, "beat");
    }
  }

  /**
   * An established coordinator lives.
   *
   * @param term its term, from 1
   * @param coordinator the writer of its chain
   * @param head its chain's newest durable record
   * @param open whether it grants locks
   * @param ending the epoch whose end it waits for, its RTS at or before {@code head}; 0 if none
   * @param echoes of each worker that has joined, the newest beat its lease counts from
   */
  record CoordinatorBeat(
      long term, long coordinator, ChainHead head, boolean open, long ending, List<Echo> echoes)
      implements SclMessage {
    public CoordinatorBeat {
      echoes = List.copyOf(echoes);
      require(term > 0 && coordinator > 0 && ending >= 0, "term");
      require(echoes.size() <= MAX_POSITIONS, "echoes");
    }
  }

  /**
   * A worker claims a term: others that would, wait and see. It makes claimants collide less often,
   * and nothing is safe because of it.
   *
   * @param term the term, which may still grow
   * @param coordinator the writer of the claimant's new chain
   */
  record Claim(long term, long coordinator) implements SclMessage {
    public Claim {
      require(term > 0 && coordinator > 0, "claim");
    }
  }

  /**
   * A beat that was heard.
   *
   * @param worker whose
   * @param number its number; 0: the worker has joined, and its lease has not begun
   */
  record Echo(long worker, long number) {
    public Echo {
      require(worker > 0 && number >= 0, "echo");
    }
  }

  /**
   * A worker obeys the coordinator of a term from now on, and none of a lower one.
   *
   * @param term the term
   * @param head its newest durable record
   * @param locks all that it holds
   */
  record Join(long term, ChainHead head, List<LockGrant> locks) implements SclMessage {
    public Join {
      locks = checked(locks);
      require(term > 0, "term");
    }
  }

  /**
   * A worker's answer to an RTS that is no record: everything it writes after {@code head} has a
   * time after the cut; or, if it is late, it has written beyond the cut already.
   *
   * @param epoch the RTS's
   * @param coordinator the writer whose RTS it is
   * @param late whether the worker's clock was at or past the cut
   * @param head its head at the cut, durable
   * @param clock the worker's Lamport time
   */
  record End(long epoch, long coordinator, boolean late, ChainHead head, long clock)
      implements SclMessage {
    public End {
      require(epoch > 0 && coordinator > 0 && clock >= 0, "end");
    }
  }

  /**
   * A worker asks for locks; asked again until granted. It also says that it holds them no more
   * under older numbers, so it bears what a RELEASE does, which may be behind it.
   *
   * @param head its newest durable record
   */
  record LockRequest(long term, ChainHead head, List<LockGrant> locks) implements SclMessage {
    public LockRequest {
      locks = checked(locks);
      require(term > 0, "term");
    }
  }

  /**
   * Locks are a worker's.
   *
   * @param released what it has to have merged before it reads under them
   */
  record Grant(long term, List<LockGrant> locks, List<Position> released) implements SclMessage {
    public Grant {
      locks = checked(locks);
      released = List.copyOf(released);
      require(term > 0, "term");
      require(released.size() <= MAX_POSITIONS, "positions");
    }
  }

  /** Somebody else waits for locks that a worker has. */
  record Recall(long term, List<LockGrant> locks) implements SclMessage {
    public Recall {
      locks = checked(locks);
      require(term > 0, "term");
    }
  }

  /**
   * A worker has given locks up, or does not want them any more.
   *
   * @param head its newest durable record: all it wrote under them is at or before it
   */
  record Release(long term, ChainHead head, List<LockGrant> locks) implements SclMessage {
    public Release {
      locks = checked(locks);
      require(term > 0, "term");
    }
  }

  private static List<LockGrant> checked(List<LockGrant> locks) {
    require(locks.size() <= MAX_LOCKS, "locks");
    return List.copyOf(locks);
  }

  private static void require(boolean holds, String what) {
    if (!holds) {
      throw new IllegalArgumentException("a message with a wrong " + what);
    }
  }
}
