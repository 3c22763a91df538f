package io.capsuledb.core.capsule;

import io.capsuledb.core.keys.ApplicationKey;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Where new writers come from: from the application key itself ({@link #of}), or, for a worker that
 * does not have it, from the leader, over the network. Implementations are thread-safe and may
 * block for a bounded time.
 */
@FunctionalInterface
public interface WriterSource {

  /**
   * A new writer of the current generation.
   *
   * @param role what it is for
   * @param draw draws an index that no writer of the capsule has, for sources that leave that to
   *     the caller
   * @throws io.capsuledb.core.error.CapsuleException if there is none to be had now
   */
  NewWriter introduce(RosterEntry.Role role, LongSupplier draw);

  /** A source that signs with the application key, which stays the caller's. */
  static WriterSource of(CapsuleName capsule, ApplicationKey key) {
    return (role, draw) -> {
      long writer = draw.getAsLong();
      RosterEntry entry =
          new RosterEntry(writer, key.writerPublicKey(writer), role, key.generation());
      byte[] roster = RosterCodec.encode(capsule, key, List.of(entry));
      return new NewWriter(entry, roster, key.writerPrivateKey(writer));
    };
  }
}
