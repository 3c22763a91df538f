package io.capsuledb.host.load;

/** One operation of a file: what to do with which key. */
final class LoadOperation {

  /** What to do. */
  enum Kind {
    SET,
    GET,
    DEL
  }

  private static final byte[] NO_VALUE = {};

  private final Kind kind;
  private final byte[] key;
  private final byte[] value;
  private final long ttlSeconds;

  private LoadOperation(Kind kind, byte[] key, byte[] value, long ttlSeconds) {
    this.kind = kind;
    this.key = key;
    this.value = value;
    this.ttlSeconds = ttlSeconds;
  }

  /** Writes a key; {@code ttlSeconds} 0 means that it does not expire. */
  static LoadOperation set(byte[] key, byte[] value, long ttlSeconds) {
    return new LoadOperation(Kind.SET, key, value, ttlSeconds);
  }

  static LoadOperation get(byte[] key) {
    return new LoadOperation(Kind.GET, key, NO_VALUE, 0);
  }

  static LoadOperation del(byte[] key) {
    return new LoadOperation(Kind.DEL, key, NO_VALUE, 0);
  }

  Kind kind() {
    return kind;
  }

  byte[] key() {
    return key;
  }

  byte[] value() {
    return value;
  }

  long ttlSeconds() {
    return ttlSeconds;
  }
}
