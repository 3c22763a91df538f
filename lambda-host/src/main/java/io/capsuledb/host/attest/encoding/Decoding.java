package io.capsuledb.host.attest.encoding;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import java.util.function.Supplier;

/** From readers that throw at the first wrong byte to a typed rejection. */
public final class Decoding {

  private Decoding() {}

  /** What {@code reader} returns, or the rejection it throws. */
  public static <T> Decoded<T> of(Supplier<T> reader) {
    try {
      return Decoded.accept(reader.get());
    } catch (IntegrityException e) {
      return new Decoded.Rejected<>(e.rejection());
    }
  }
}
