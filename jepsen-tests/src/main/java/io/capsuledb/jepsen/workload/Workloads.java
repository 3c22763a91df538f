package io.capsuledb.jepsen.workload;

import java.util.List;

/** All workloads by name. */
public final class Workloads {

  /** The one that needs a server with stored procedures in JavaScript. */
  public static final String PROCEDURES = "procedures";

  /** Their names. */
  public static final List<String> NAMES =
      List.of(
          "register",
          "cas-register",
          "list-append",
          "rw-register",
          "set",
          "counter",
          "bank",
          "lock",
          "session",
          PROCEDURES);

  private Workloads() {}

  /**
   * Makes one.
   *
   * @param prefix of all its keys, so that runs against one server do not meet
   * @throws IllegalArgumentException if there is none of that name
   */
  public static Workload of(String name, String prefix) {
    return switch (name) {
      case "register" -> new RegisterWorkload(name, false, prefix);
      case "cas-register" -> new RegisterWorkload(name, true, prefix);
      case "list-append" -> new TransactionWorkload(true, prefix);
      case "rw-register" -> new TransactionWorkload(false, prefix);
      case "set" -> new SetWorkload(prefix);
      case "counter" -> new CounterWorkload(prefix);
      case "bank" -> new BankWorkload(prefix);
      case "lock" -> new LockWorkload(prefix);
      case "session" -> new SessionWorkload(prefix);
      case PROCEDURES -> new ProcedureWorkload(prefix);
      default ->
          throw new IllegalArgumentException(
              "there is no workload '" + name + "': allowed are " + String.join(", ", NAMES));
    };
  }
}
