package io.capsuledb.enclave.script;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Turns what a script asks into a call of {@link HostFunctions}, and its answer into a value.
 * Checks every argument: they are the script's. Not thread-safe; one for each call.
 */
final class HostDispatch {

  /** Most keys that one scan gives. */
  static final int MAX_SCAN = 10_000;

  /** Most bytes that one {@code random(n)} gives. */
  static final int MAX_RANDOM_BYTES = 65_536;

  private static final int DEFAULT_SCAN = 100;
  private static final double MAX_SAFE_INTEGER = 9007199254740991.0;

  // As in script_heap.h.
  private static final int GET = 1;
  private static final int PUT = 2;
  private static final int DEL = 3;
  private static final int EXISTS = 4;
  private static final int SCAN = 5;
  private static final int INCR = 6;
  private static final int CAS = 7;
  private static final int MERGE = 8;
  private static final int LOCK = 9;
  private static final int BEGIN = 10;
  private static final int COMMIT = 11;
  private static final int ROLLBACK = 12;
  private static final int LOG = 13;
  private static final int RANDOM = 14;

  private final HostFunctions host;
  private final boolean readOnly;
  private final RandomBytes random;
  private boolean inTransaction;

  /** Where random bytes come from. */
  @FunctionalInterface
  interface RandomBytes {
    void fill(byte[] target);
  }

  HostDispatch(HostFunctions host, boolean readOnly, RandomBytes random) {
    this.host = host;
    this.readOnly = readOnly;
    this.random = random;
  }

  /**
   * Answers one request.
   *
   * @param operation which, as in script_heap.h
   * @param exchange has the arguments in its first {@code length} bytes, and the answer afterwards
   * @return length of the answer
   */
  int call(int operation, MemorySegment exchange, int length, int answerBytes) {
    ValueReader arguments = new ValueReader(exchange, length);
    int count = arguments.array();
    ValueWriter answer = new ValueWriter(exchange, answerBytes);
    switch (operation) {
      case GET -> get(arguments, count, answer);
      case PUT -> put(arguments, count, answer);
      case DEL -> answer.bool(host.del(key(arguments, count, true)));
      case EXISTS -> answer.bool(host.exists(key(arguments, count, false)));
      case SCAN -> scan(arguments, count, answer);
      case INCR -> incr(arguments, count, answer);
      case CAS -> cas(arguments, count, answer);
      case MERGE -> merge(arguments, count, answer);
      case LOCK -> {
        host.lock(key(arguments, count, false));
        answer.nothing();
      }
      case BEGIN -> {
        if (inTransaction) {
          throw new InvalidRequestException("a transaction is inside a transaction");
        }
        host.begin();
        inTransaction = true;
        answer.nothing();
      }
      case COMMIT -> {
        inTransaction = false;
        host.commit();
        answer.nothing();
      }
      case ROLLBACK -> {
        inTransaction = false;
        host.rollback();
        answer.nothing();
      }
      case LOG -> {
        host.log(
            count > 0 && arguments.value() instanceof ScriptValue.Text(String line) ? line : "");
        answer.nothing();
      }
      case RANDOM -> {
        byte[] bytes =
            new byte[(int) integer(arguments, "the count of random", 0, MAX_RANDOM_BYTES)];
        random.fill(bytes);
        answer.bytes(bytes);
      }
      default -> throw new IllegalStateException("host operation " + operation);
    }
    return answer.length();
  }

  /** Undoes what a stopped script left open: its own code never runs again. */
  void end() {
    if (inTransaction) {
      inTransaction = false;
      host.rollback();
    }
  }

  private byte[] key(ValueReader arguments, int count, boolean writes) {
    if (writes && readOnly) {
      throw new DeniedException("this function is registered with no-writes");
    }
    if (count < 1) {
      throw new InvalidRequestException("the key is missing");
    }
    return arguments.stringOrBytes("the key");
  }

  private static void need(int count, int least, String what) {
    if (count < least) {
      throw new InvalidRequestException(what + " is missing");
    }
  }

  private void get(ValueReader arguments, int count, ValueWriter answer) {
    byte[] key = key(arguments, count, false);
    boolean text = false;
    if (count > 1) {
      ScriptValue form = arguments.value();
      text = form.equals(new ScriptValue.Text("text"));
      if (!text && !(form instanceof ScriptValue.Undefined)) {
        throw new InvalidRequestException("the second argument of get can only be 'text'");
      }
    }
    byte[] value = host.get(key);
    if (value == null) {
      answer.nothing();
    } else if (text) {
      answer.text(value);
    } else {
      answer.bytes(value);
    }
  }

  private void put(ValueReader arguments, int count, ValueWriter answer) {
    byte[] key = key(arguments, count, true);
    need(count, 2, "the value");
    byte[] value = arguments.stringOrBytes("the value");
    long ttlMs = 0;
    if (count > 2) {
      ScriptValue options = arguments.value();
      if (options instanceof ScriptValue.Fields(var fields)
          && fields.size() == 1
          && fields.get("ttlMs") instanceof ScriptValue.Num(double ttl)) {
        ttlMs = whole(ttl, "ttlMs", 1, MAX_SAFE_INTEGER);
      } else if (!(options instanceof ScriptValue.Undefined)) {
        throw new InvalidRequestException("the options of put can only be {ttlMs: NUMBER}");
      }
    }
    host.put(key, value, ttlMs);
    answer.nothing();
  }

  private void scan(ValueReader arguments, int count, ValueWriter answer) {
    byte[] prefix = key(arguments, count, false);
    int limit = DEFAULT_SCAN;
    byte[] after = null;
    if (count > 1) {
      limit = (int) integer(arguments, "the limit of scan", 1, MAX_SCAN);
    }
    if (count > 2) {
      after = arguments.stringOrBytesOrNull("where scan begins");
    }
    List<HostFunctions.Entry> entries = host.scan(prefix, after, limit);
    answer.array(entries.size());
    for (HostFunctions.Entry entry : entries) {
      answer.array(2).bytes(entry.key()).bytes(entry.value());
    }
  }

  private void incr(ValueReader arguments, int count, ValueWriter answer) {
    byte[] key = key(arguments, count, true);
    long by =
        count > 1 ? integer(arguments, "what incr adds", -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) : 1;
    answer.number((double) host.incr(key, by));
  }

  private void cas(ValueReader arguments, int count, ValueWriter answer) {
    byte[] key = key(arguments, count, true);
    need(count, 3, "what cas expects or puts");
    byte[] expected = arguments.stringOrBytesOrNull("what cas expects");
    byte[] replacement = arguments.stringOrBytesOrNull("what cas puts");
    answer.bool(host.cas(key, expected, replacement));
  }

  private void merge(ValueReader arguments, int count, ValueWriter answer) {
    byte[] key = key(arguments, count, true);
    need(count, 3, "operator or operand of merge");
    if (!(arguments.value() instanceof ScriptValue.Text(String operator))) {
      throw new InvalidRequestException("the operator of merge must be a string");
    }
    byte[] value = host.merge(key, operator, arguments.stringOrBytes("the operand of merge"));
    if (value == null) {
      answer.nothing();
    } else {
      answer.bytes(value);
    }
  }

  private static long integer(ValueReader arguments, String what, double least, double most) {
    if (arguments.value() instanceof ScriptValue.Num(double number)) {
      return whole(number, what, least, most);
    }
    throw new InvalidRequestException(what + " must be a number");
  }

  private static long whole(double number, String what, double least, double most) {
    if (number >= least && number <= most && number == Math.rint(number)) {
      return (long) number;
    }
    throw new InvalidRequestException(
        what + " must be a whole number from " + (long) least + " to " + (long) most);
  }
}
