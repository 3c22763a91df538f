package io.capsuledb.core.sim;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** Knobs of a simulation: a record of booleans and numbers, and the same as text by name. */
public final class Knobs {

  private Knobs() {}

  /** A record's components by name. */
  public static SortedMap<String, String> of(Record knobs) {
    SortedMap<String, String> named = new TreeMap<>();
    for (RecordComponent component : knobs.getClass().getRecordComponents()) {
      try {
        component.getAccessor().setAccessible(true);
        named.put(component.getName(), String.valueOf(component.getAccessor().invoke(knobs)));
      } catch (ReflectiveOperationException e) {
        throw new LinkageError(e.getMessage(), e);
      }
    }
    return named;
  }

  /** The record with other values for some of its components; names of none are left out. */
  public static <R extends Record> R with(R knobs, Map<String, String> given) {
    RecordComponent[] components = knobs.getClass().getRecordComponents();
    SortedMap<String, String> values = of(knobs);
    values.replaceAll((name, value) -> given.getOrDefault(name, value));
    Object[] arguments =
        Arrays.stream(components)
            .map(c -> parse(c.getType(), values.getOrDefault(c.getName(), "")))
            .toArray();
    try {
      var constructor =
          knobs
              .getClass()
              .getDeclaredConstructor(
                  Arrays.stream(components).map(RecordComponent::getType).toArray(Class[]::new));
      constructor.setAccessible(true);
      @SuppressWarnings("unchecked") // It is the class of the argument.
      R made = (R) constructor.newInstance(arguments);
      return made;
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }

  private static Object parse(Class<?> type, String value) {
    if (type == boolean.class) {
      return Boolean.valueOf(value);
    }
    if (type == int.class) {
      return Integer.valueOf(value);
    }
    if (type == double.class) {
      return Double.valueOf(value);
    }
    throw new AssertionError("a knob of type " + type);
  }

  /** Simpler values that a knob might have, the simplest first. */
  public static List<String> simpler(String value) {
    List<String> all = new ArrayList<>();
    if (value.equals("true")) {
      all.add("false");
    } else if (value.contains(".")) {
      if (Double.parseDouble(value) != 0) {
        all.add("0.0");
      }
    } else if (!value.equals("false")) {
      int number = Integer.parseInt(value);
      for (int less : new int[] {1, number / 4, number / 2, number * 3 / 4, number - 1}) {
        if (less > 0 && less < number && !all.contains(Integer.toString(less))) {
          all.add(Integer.toString(less));
        }
      }
    }
    return all;
  }
}
