package io.capsuledb.jepsen.history;

import java.util.List;

/** A value in a history, written alike as JSON and as EDN. Immutable. */
public sealed interface Term {

  /** Nothing: an absent key, a read that is not answered yet. */
  static Term nil() {
    return new Nil();
  }

  /** Absence. */
  record Nil() implements Term {

    @Override
    public String toString() {
      return "nil";
    }
  }

  /** A whole number. */
  record Num(long value) implements Term {

    @Override
    public String toString() {
      return Long.toString(value);
    }
  }

  /** A text. */
  record Text(String value) implements Term {

    @Override
    public String toString() {
      return value;
    }
  }

  /** A keyword: {@code :append} in EDN, a string in JSON. */
  record Word(String name) implements Term {

    @Override
    public String toString() {
      return ":" + name;
    }
  }

  /** A sequence. */
  record Seq(List<Term> items) implements Term {

    /** Copies the items. */
    public Seq {
      items = List.copyOf(items);
    }

    @Override
    public String toString() {
      return items.toString();
    }
  }

  /** A number. */
  static Term of(long value) {
    return new Num(value);
  }

  /** A sequence. */
  static Term of(Term... items) {
    return new Seq(List.of(items));
  }

  /** A sequence of numbers. */
  static Term numbers(List<Long> values) {
    return new Seq(values.stream().map(Term::of).toList());
  }

  /**
   * The number that this is.
   *
   * @throws IllegalArgumentException if it is none
   */
  default long asLong() {
    if (this instanceof Num(long value)) {
      return value;
    }
    throw new IllegalArgumentException("not a number in a history: " + this);
  }

  /**
   * The items of the sequence that this is.
   *
   * @throws IllegalArgumentException if it is none
   */
  default List<Term> items() {
    if (this instanceof Seq seq) {
      return seq.items;
    }
    throw new IllegalArgumentException("not a sequence in a history: " + this);
  }

  /** Whether it is absence. */
  default boolean isNil() {
    return this instanceof Nil;
  }
}
