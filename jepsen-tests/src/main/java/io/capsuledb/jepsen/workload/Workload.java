package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.util.List;
import java.util.random.RandomGenerator;

/** One kind of load and the check of its history. Thread-safe. */
public interface Workload {

  /** Its name on the command line. */
  String name();

  /**
   * Makes what has to be there first. Called once, before anything else.
   *
   * @throws ServerFaultException if the server refuses
   * @throws IOException if the connection failed
   */
  default void prepare(RespConnection connection) throws IOException, ServerFaultException {}

  /**
   * What a client asks for next.
   *
   * @param client the number of the client, from 0; it lives through the retirement of its
   *     processes
   * @param process the process that it is now
   */
  Invocation next(int client, int process, RandomGenerator random);

  /**
   * Asks for it.
   *
   * @throws ServerFaultException what the server answered, if that was an error to the operation
   * @throws IOException if nobody knows what became of it
   */
  Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException;

  /**
   * Whether sessions go from one server to another, where there are several, and take along what
   * they have seen: {@code CAPSULE.TOKEN}, {@code CAPSULE.WAITFOR}.
   */
  default boolean wanders() {
    return false;
  }

  /** Hears how an operation of a client ended. */
  default void ended(int client, Invocation invocation, Answer answer) {}

  /** Reads that show, when all is healed, what there is. */
  List<Invocation> finalReads();

  /** What the versions of values have to agree with, where a server tells them. */
  enum Versioned {
    /** There is none: values of its keys are not single writes. */
    NO,
    /** With what the same process did. */
    BY_PROCESS,
    /** With everything that was over before. */
    IN_REAL_TIME
  }

  /** Whether each value of a key is written once, and so has a version. */
  default Versioned versioned() {
    return Versioned.NO;
  }

  /** Checks the history. */
  Verdict check(List<Op> history);
}
