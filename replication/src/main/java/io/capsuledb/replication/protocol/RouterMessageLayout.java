package io.capsuledb.replication.protocol;

/**
 * How the words of routers are laid out: format 1, little endian, specified byte by byte in
 * docs/format/router.md.
 *
 * <pre>
 *  0  type u8          1  role, reason or hops u8          2  reserved (6)
 *  8  fields of the type
 * </pre>
 */
public final class RouterMessageLayout {

  /** Bytes before the payload of a frame. */
  public static final int MULTICAST_BYTES = 48;

  static final int JOIN = 1;
  static final int WELCOME = 2;
  static final int TURNED = 3;
  static final int BEAT = 4;
  static final int MULTICAST = 5;

  static final int HOPS = 1;
  static final int RESERVED_BYTES = 6;
  static final int HEADER_BYTES = 8;

  private RouterMessageLayout() {}
}
