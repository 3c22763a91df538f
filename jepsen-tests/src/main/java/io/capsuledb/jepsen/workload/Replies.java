package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.Reply;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.util.ArrayList;
import java.util.List;

/** Replies as terms of a history. */
final class Replies {

  private Replies() {}

  /** A string that is a number, or absence. */
  static Term numberOrNil(Reply reply) throws ServerFaultException {
    String text = reply.text();
    return text == null ? Term.nil() : Term.of(number(text));
  }

  /** Strings that are numbers. */
  static Term numbers(Reply reply) throws ServerFaultException {
    List<Reply> items = reply.array();
    List<Term> numbers = new ArrayList<>();
    for (Reply item : items == null ? List.<Reply>of() : items) {
      numbers.add(numberOrNil(item));
    }
    return new Term.Seq(numbers);
  }

  private static long number(String text) throws ServerFaultException {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      ServerFaultException fault = new ServerFaultException("a value that nobody wrote: " + text);
      fault.initCause(e);
      throw fault;
    }
  }
}
