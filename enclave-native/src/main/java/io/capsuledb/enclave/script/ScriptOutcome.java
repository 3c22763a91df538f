package io.capsuledb.enclave.script;

/** How a run of a script ended. Whatever it was, the next run finds nothing of it. */
public sealed interface ScriptOutcome {

  /** It returned. */
  record Ok(ScriptValue value) implements ScriptOutcome {}

  /** It threw, or its source is not JavaScript. */
  record Threw(ScriptError error) implements ScriptOutcome {}

  /** It used up its time. */
  record TimedOut(Budget budget) implements ScriptOutcome {}

  /** It wanted more memory than it may have. */
  record OutOfMemory() implements ScriptOutcome {}

  /** {@link ScriptCancellation#cancel} was called. */
  record Cancelled() implements ScriptOutcome {}

  /** It went over another limit. */
  record LimitExceeded(Limit limit) implements ScriptOutcome {}

  /** The engine gave up; the script is to blame, but it is not known for what. */
  record EngineFailed() implements ScriptOutcome {}

  /** What measures time. */
  enum Budget {
    /** CPU time of the thread, host functions included. */
    CPU_TIME,
    /** Time. */
    WALL_TIME,
    /** Bytecode instructions. */
    INSTRUCTIONS
  }

  /** Limits other than time and memory. */
  enum Limit {
    /** Calls of host functions. */
    HOST_CALLS,
    /** Size of the result. */
    RESULT_BYTES,
    /** Size of the arguments of the call. */
    ARGUMENT_BYTES,
    /** Size of what is given to a host function. */
    HOST_ARGUMENT_BYTES,
    /** Stack of the calling thread. */
    STACK
  }

  /** One line for people. */
  default String describe() {
    return switch (this) {
      case Ok _ -> "ok";
      case Threw(ScriptError error) -> error.toString();
      case TimedOut(Budget budget) ->
          switch (budget) {
            case CPU_TIME -> "timed out: its CPU time is used up";
            case WALL_TIME -> "timed out: its time is used up";
            case INSTRUCTIONS -> "timed out: its instructions are used up";
          };
      case OutOfMemory _ -> "out of memory";
      case Cancelled _ -> "cancelled";
      case LimitExceeded(Limit limit) ->
          switch (limit) {
            case HOST_CALLS -> "too many calls of host functions";
            case RESULT_BYTES -> "its result is too large";
            case ARGUMENT_BYTES -> "its arguments are too large";
            case HOST_ARGUMENT_BYTES -> "what it gave to a host function is too large";
            case STACK -> "the calling thread has too little stack left";
          };
      case EngineFailed _ -> "the script engine gave up";
    };
  }
}
