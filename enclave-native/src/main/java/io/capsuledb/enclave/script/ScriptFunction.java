package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A function that a library registered.
 *
 * @param name letters, digits and underscores, 1 to 64
 * @param noWrites it may only read
 * @param timeoutMs CPU time it may use in milliseconds; 0 for the library's
 * @param heapBytes memory it may use, with what the library itself takes; 0 for the library's
 * @param description text for people, may be empty
 */
public record ScriptFunction(
    String name, boolean noWrites, long timeoutMs, int heapBytes, String description) {

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_]{1,64}");
  private static final int MAX_DESCRIPTION = 1024;

  /**
   * Reads what {@code register_function(name, function, options)} was given.
   *
   * @throws InvalidRequestException that names the option, the value and what is allowed
   */
  static ScriptFunction of(ScriptValue registration, ScriptLimits limits) {
    List<ScriptValue> parts = ((ScriptValue.Items) registration).values();
    String name = ((ScriptValue.Text) parts.get(0)).value();
    if (!NAME.matcher(name).matches()) {
      throw new InvalidRequestException(
          "a function's name has to be 1 to 64 letters, digits and underscores");
    }
    boolean noWrites = false;
    long timeoutMs = 0;
    int heapBytes = 0;
    String description = "";
    for (Map.Entry<String, ScriptValue> option : options(name, parts.get(1)).entrySet()) {
      ScriptValue value = option.getValue();
      switch (option.getKey()) {
        case "flags" -> noWrites = noWrites(name, value);
        case "timeoutMs" -> timeoutMs = number(name, "timeoutMs", value, 1, limits.cpuMs());
        case "heapBytes" ->
            heapBytes =
                (int)
                    number(
                        name, "heapBytes", value, ScriptLimits.MIN_HEAP_BYTES, limits.heapBytes());
        case "description" -> description = text(name, value);
        default ->
            throw wrong(
                name,
                "it has the option " + option.getKey(),
                "flags, timeoutMs, heapBytes, description");
      }
    }
    return new ScriptFunction(name, noWrites, timeoutMs, heapBytes, description);
  }

  private static Map<String, ScriptValue> options(String name, @Nullable ScriptValue value) {
    return switch (value) {
      case ScriptValue.Undefined _ -> Map.of();
      case ScriptValue.Fields(var fields) -> fields;
      case null, default -> throw wrong(name, "its options are no object", "an object");
    };
  }

  private static boolean noWrites(String name, ScriptValue value) {
    boolean noWrites = false;
    if (!(value instanceof ScriptValue.Items(List<ScriptValue> flags))) {
      throw wrong(name, "flags is no array", "['no-writes']");
    }
    for (ScriptValue flag : flags) {
      if (!flag.equals(new ScriptValue.Text("no-writes"))) {
        throw wrong(name, "it has a flag that is not known", "'no-writes'");
      }
      noWrites = true;
    }
    return noWrites;
  }

  private static long number(String name, String option, ScriptValue value, long least, long most) {
    if (value instanceof ScriptValue.Num(double number)
        && number >= least
        && number <= most
        && number == Math.rint(number)) {
      return (long) number;
    }
    throw wrong(
        name,
        option + " is " + (value instanceof ScriptValue.Num(double n) ? n : "no number"),
        least + " to " + most);
  }

  private static String text(String name, ScriptValue value) {
    if (value instanceof ScriptValue.Text(String text) && text.length() <= MAX_DESCRIPTION) {
      return text;
    }
    throw wrong(
        name, "description is no text or too long", "up to " + MAX_DESCRIPTION + " characters");
  }

  private static InvalidRequestException wrong(String name, String what, String allowed) {
    return new InvalidRequestException(
        "register_function of " + name + ": " + what + "; allowed is " + allowed);
  }
}
