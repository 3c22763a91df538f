package io.capsuledb.jepsen.resp;

import java.util.List;

/** A server answered with an error. */
public final class ServerFaultException extends Exception {

  private static final long serialVersionUID = 1;

  /** Errors of which servers promise that the command had no effect. */
  private static final List<String> WITHOUT_EFFECT =
      List.of(
          "ERR UNAVAILABLE",
          "EXECABORT",
          "READONLY",
          "LOADING",
          "MASTERDOWN",
          "NOREPLICAS",
          "CLUSTERDOWN",
          "TRYAGAIN",
          "MISCONF",
          "OOM",
          "BUSY",
          "NOAUTH",
          "NOPERM",
          "WRONGTYPE",
          "ERR unknown command",
          "ERR wrong number of arguments",
          "ERR max number of clients");

  /** With what the server said. */
  public ServerFaultException(String message) {
    super(message);
  }

  /** Whether the command certainly had no effect. */
  public boolean certain() {
    String message = String.valueOf(getMessage());
    return WITHOUT_EFFECT.stream().anyMatch(message::startsWith);
  }
}
