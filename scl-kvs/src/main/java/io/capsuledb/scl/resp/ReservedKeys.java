package io.capsuledb.scl.resp;

import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Snapshot;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Keys that are the server's own, and that no command or procedure reads, writes or lists: those
 * that begin with {@link #PREFIX}. See docs/format/library.md.
 */
final class ReservedKeys {

  /** The first 16 bytes of SHA-256("capsuledb/functions"). */
  private static final byte[] PREFIX = HexFormat.of().parseHex("2bb0e2b3a96fe8c7c532a6ab2371d8c2");

  /** What whoever asks for such a key is told. */
  static final String REFUSAL = "keys that begin with these 16 bytes are the server's own";

  /** How often keys are counted again because some came or went meanwhile. */
  private static final int MAX_COUNTS = 8;

  private ReservedKeys() {}

  /** Whether a key is the server's own. */
  static boolean isReserved(byte[] key) {
    return key.length >= PREFIX.length
        && key[0] == PREFIX[0]
        && Arrays.equals(key, 0, PREFIX.length, PREFIX, 0, PREFIX.length);
  }

  /** A key of the server's own. */
  static byte[] key(byte[] rest) {
    byte[] key = Arrays.copyOf(PREFIX, PREFIX.length + rest.length);
    System.arraycopy(rest, 0, key, PREFIX.length, rest.length);
    return key;
  }

  /** Whether bytes that have keys in full contain such a key, or by chance what one begins with. */
  static boolean occurIn(byte[] bytes) {
    for (int i = 0; i <= bytes.length - PREFIX.length; i++) {
      if (bytes[i] == PREFIX[0]
          && Arrays.equals(bytes, i, i + PREFIX.length, PREFIX, 0, PREFIX.length)) {
        return true;
      }
    }
    return false;
  }

  /** Where all of them begin. */
  static byte[] prefix() {
    return PREFIX.clone();
  }

  /** How many keys there are that are not the server's own. */
  static long countOthers(CapsuleDb db) {
    long reserved = count(db);
    for (int i = 0; ; i++) {
      long all = db.size();
      long again = count(db);
      if (again == reserved || i == MAX_COUNTS) {
        return Math.max(0, all - again);
      }
      reserved = again;
    }
  }

  private static long count(CapsuleDb db) {
    long[] count = {0};
    try (Snapshot snapshot = db.snapshot()) {
      boolean[] beyond = {false};
      byte[] at = PREFIX;
      while (at != null && !beyond[0]) {
        at =
            snapshot.walk(
                at,
                Long.SIZE,
                (key, type) -> {
                  if (isReserved(key)) {
                    count[0]++;
                  } else {
                    beyond[0] = true;
                  }
                });
        beyond[0] |= at != null && !isReserved(at);
      }
    }
    return count[0];
  }
}
