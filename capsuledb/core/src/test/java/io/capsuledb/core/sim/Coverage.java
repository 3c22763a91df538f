package io.capsuledb.core.sim;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/** Counts what a run of a simulation reached. Of one thread. */
public final class Coverage {

  private static final class Count {
    long times;
  }

  private final Map<Object, Count> counts = new HashMap<>();

  /** An empty one. */
  public Coverage() {}

  /**
   * Counts.
   *
   * @param what a name, a constant of an enum, or the class of a message
   */
  public void hit(Object what) {
    counts.computeIfAbsent(what, w -> new Count()).times++;
  }

  /** A property was checked once more. */
  public void checked(String property, boolean holds, Object... broken) {
    hit(property);
    if (!holds) {
      throw new Violation(property, broken);
    }
  }

  /** All counts by name. */
  public SortedMap<String, Long> counts() {
    SortedMap<String, Long> named = new TreeMap<>();
    counts.forEach((what, count) -> named.merge(name(what), count.times, Long::sum));
    return named;
  }

  /** What {@link #counts} calls it. */
  public static String name(Object what) {
    return switch (what) {
      case Class<?> type ->
          (type.getEnclosingClass() == null ? "" : type.getEnclosingClass().getSimpleName() + ".")
              + type.getSimpleName();
      case Enum<?> constant -> constant.getDeclaringClass().getSimpleName() + "." + constant.name();
      default -> what.toString();
    };
  }

  /** The names of all cases of sealed interfaces and enums, and of other things. */
  public static Set<String> names(Object... all) {
    Set<String> names = new TreeSet<>();
    for (Object one : all) {
      if (one instanceof Class<?> type && type.isSealed()) {
        for (Class<?> each : type.getPermittedSubclasses()) {
          names.addAll(names(each));
        }
      } else if (one instanceof Class<?> type && type.isEnum()) {
        for (Object constant : type.getEnumConstants()) {
          names.add(name(constant));
        }
      } else {
        names.add(name(one));
      }
    }
    return names;
  }
}
