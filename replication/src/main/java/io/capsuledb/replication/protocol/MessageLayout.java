package io.capsuledb.replication.protocol;

/**
 * How messages are laid out: format 1, little endian, specified byte by byte in
 * docs/format/replication.md.
 *
 * <pre>
 *  0  type u8          1  reserved (7)
 *  8  request u64
 * 16  fields of the type; those of a request about a capsule begin with its name (32)
 * </pre>
 */
public final class MessageLayout {

  /** Most bytes of an encoded message. */
  public static final int MAX_BYTES = 34 << 20;

  static final int FOUND = 1;
  static final int APPEND = 2;
  static final int READ_RANGE = 3;
  static final int READ_HASH = 4;
  static final int ASK_FRONTIER = 5;
  static final int DESCRIBE = 6;
  static final int ASK_CAPSULES = 7;
  static final int INSTALL = 8;
  static final int RELEASE = 9;
  static final int ASK_STATUS = 10;
  static final int ASK_EVIDENCE = 11;
  static final int ACCUSE = 12;
  static final int LISTEN = 13;
  static final int RELAY = 14;

  static final int DONE = 65;
  static final int REFUSED = 66;
  static final int HELD = 67;
  static final int SEALED = 68;
  static final int RECORDS = 69;
  static final int FRONTIER = 70;
  static final int DESCRIBED = 71;
  static final int CAPSULES = 72;
  static final int STATUS = 73;
  static final int EVIDENCE = 74;
  static final int LISTENING = 75;
  static final int RELAYED = 76;

  static final int RESERVED_BYTES = 7;
  static final int HEADER_BYTES = 16;
  static final int RANGE_BYTES = 3 * Long.BYTES;

  private MessageLayout() {}
}
