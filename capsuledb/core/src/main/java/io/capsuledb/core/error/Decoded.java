package io.capsuledb.core.error;

import java.util.function.Function;

/**
 * What a decoder makes of untrusted bytes: a value, or a typed rejection. Decoders take any bytes
 * at all and never throw for their content.
 */
public sealed interface Decoded<T> {

  /** The bytes were a {@code T}. */
  record Accepted<T>(T value) implements Decoded<T> {}

  /** The bytes were not a {@code T}, because of {@code rejection}. */
  record Rejected<T>(Rejection rejection) implements Decoded<T> {}

  static <T> Decoded<T> accept(T value) {
    return new Accepted<>(value);
  }

  static <T> Decoded<T> reject(Rejection.Reason reason, String detail) {
    return new Rejected<>(new Rejection(reason, detail));
  }

  /**
   * The value.
   *
   * @throws IntegrityException with the rejection, if there is none
   */
  default T orThrow() {
    return switch (this) {
      case Accepted<T>(T value) -> value;
      case Rejected<T>(Rejection rejection) -> throw new IntegrityException(rejection);
    };
  }

  /** Applies {@code next} to an accepted value; passes a rejection through. */
  default <U> Decoded<U> then(Function<T, Decoded<U>> next) {
    return switch (this) {
      case Accepted<T>(T value) -> next.apply(value);
      case Rejected<T>(Rejection rejection) -> new Rejected<>(rejection);
    };
  }
}
