package io.capsuledb.replication.protocol;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Words of routers to bytes and back. Canonical: each has one encoding. Format 1,
 * docs/format/router.md. A decoded one is well formed and no more.
 */
public final class RouterMessageCodec {

  private static final byte[] ORIGIN_TAG =
      "capsuledb/v1/router/origin".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] ID_TAG = "capsuledb/v1/router/id".getBytes(StandardCharsets.US_ASCII);

  private RouterMessageCodec() {}

  /** Which router a key makes. */
  public static Hash32 id(PublicKey key) {
    return Hashes.sha256(join(ID_TAG, key.bytes()));
  }

  /**
   * The origin of frames that who has a key sends: a router that the client is linked to computes
   * it itself, so that nobody sends in another's name without being a router.
   */
  public static Hash32 origin(PublicKey key, long salt) {
    byte[] salted = new byte[Long.BYTES];
    LittleEndian.putLong(salted, 0, salt);
    return Hashes.sha256(join(ORIGIN_TAG, join(key.bytes(), salted)));
  }

  private static byte[] join(byte[] first, byte[] second) {
    byte[] both = new byte[first.length + second.length];
    System.arraycopy(first, 0, both, 0, first.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }

  /**
   * Encodes.
   *
   * @throws IllegalArgumentException if a list, a length or a number is beyond its bound
   */
  public static byte[] encode(RouterMessage message) {
    switch (message) {
      case RouterMessage.Join(RouterMessage.Role role, long salt, String address) -> {
        FieldWriter out = begin(RouterMessageLayout.JOIN, role.number, 64);
        out.putLong(salt);
        putAddress(out, address);
        return out.toBytes();
      }
      case RouterMessage.Welcome(List<RouterMessage.Hop> path) -> {
        requireArgument(
            !path.isEmpty() && path.size() <= RouterMessage.MAX_DEPTH, "a path of " + path.size());
        FieldWriter out = begin(RouterMessageLayout.WELCOME, 0, 64 * path.size());
        out.putInt(path.size());
        for (RouterMessage.Hop hop : path) {
          out.put(hop.id());
          putAddress(out, hop.address());
        }
        return out.toBytes();
      }
      case RouterMessage.Turned(RouterMessage.Reason reason, List<String> instead) -> {
        requireArgument(
            instead.size() <= RouterMessage.MAX_ADDRESSES, instead.size() + " addresses");
        FieldWriter out = begin(RouterMessageLayout.TURNED, reason.number, 64);
        out.putInt(instead.size());
        for (String address : instead) {
          putAddress(out, address);
        }
        return out.toBytes();
      }
      case RouterMessage.Beat() -> {
        return begin(RouterMessageLayout.BEAT, 0, RouterMessageLayout.HEADER_BYTES).toBytes();
      }
      case RouterMessage.Multicast(Hash32 origin, long counter, int hops, Blob payload) -> {
        requireArgument(counter > 0, "counter " + counter);
        requireArgument(hops >= 0 && hops <= RouterMessage.MAX_HOPS, "hops " + hops);
        requireArgument(
            payload.length() <= RouterMessage.MAX_PAYLOAD_BYTES,
            "a payload of " + payload.length() + " bytes");
        FieldWriter out =
            begin(
                RouterMessageLayout.MULTICAST,
                hops,
                RouterMessageLayout.MULTICAST_BYTES + payload.length());
        out.put(origin);
        out.putLong(counter);
        out.put(payload.bytes());
        return out.toBytes();
      }
    }
  }

  /** An encoded frame as it is passed on: with one hop more. */
  public static Blob passedOn(Blob multicast) {
    byte[] bytes = multicast.bytes().clone();
    bytes[RouterMessageLayout.HOPS]++;
    return Blob.of(bytes);
  }

  private static FieldWriter begin(int type, int detail, int expected) {
    FieldWriter out = new FieldWriter(expected);
    out.putByte(type);
    out.putByte(detail);
    out.reserved(RouterMessageLayout.RESERVED_BYTES);
    return out;
  }

  private static void putAddress(FieldWriter out, String address) {
    byte[] bytes = address.getBytes(StandardCharsets.UTF_8);
    requireArgument(
        bytes.length <= RouterMessage.MAX_ADDRESS_BYTES, "an address of " + bytes.length);
    out.putShort(bytes.length);
    out.put(bytes);
  }

  private static void requireArgument(boolean holds, String what) {
    if (!holds) {
      throw new IllegalArgumentException(what + " is beyond its bound");
    }
  }

  /** Decodes untrusted bytes. */
  public static Decoded<RouterMessage> decode(byte[] bytes) {
    FieldReader in = new FieldReader("router message", bytes);
    int type = in.unsignedByte();
    int detail = in.unsignedByte();
    in.reserved(RouterMessageLayout.RESERVED_BYTES);
    RouterMessage message =
        switch (type) {
          case RouterMessageLayout.JOIN ->
              new RouterMessage.Join(
                  role(in, detail), in.signedLong(), in.text(RouterMessage.MAX_ADDRESS_BYTES));
          case RouterMessageLayout.WELCOME -> welcome(in, detail);
          case RouterMessageLayout.TURNED ->
              new RouterMessage.Turned(reason(in, detail), addresses(in));
          case RouterMessageLayout.BEAT -> {
            in.require(detail == 0, "detail " + detail);
            yield new RouterMessage.Beat();
          }
          case RouterMessageLayout.MULTICAST -> multicast(in, detail);
          default -> {
            in.reject(Reason.UNKNOWN_TYPE, "type " + type);
            yield new RouterMessage.Beat();
          }
        };
    in.end();
    var rejection = in.rejection();
    return rejection == null
        ? Decoded.accept(message)
        : Decoded.reject(rejection.reason(), rejection.detail());
  }

  private static RouterMessage welcome(FieldReader in, int detail) {
    in.require(detail == 0, "detail " + detail);
    int count = in.count(RouterMessage.MAX_DEPTH, Hash32.BYTES + Short.BYTES);
    in.require(count > 0, "an empty path");
    List<RouterMessage.Hop> path = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      path.add(new RouterMessage.Hop(in.hash(), in.text(RouterMessage.MAX_ADDRESS_BYTES)));
    }
    return new RouterMessage.Welcome(path);
  }

  private static List<String> addresses(FieldReader in) {
    int count = in.count(RouterMessage.MAX_ADDRESSES, Short.BYTES);
    List<String> addresses = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      addresses.add(in.text(RouterMessage.MAX_ADDRESS_BYTES));
    }
    return addresses;
  }

  private static RouterMessage multicast(FieldReader in, int hops) {
    in.require(hops <= RouterMessage.MAX_HOPS, "hops " + hops);
    Hash32 origin = in.hash();
    long counter = in.signedLong();
    in.require(counter > 0, "counter " + counter);
    return new RouterMessage.Multicast(
        origin, counter, hops, in.rest(RouterMessage.MAX_PAYLOAD_BYTES));
  }

  private static RouterMessage.Role role(FieldReader in, int number) {
    for (RouterMessage.Role role : RouterMessage.Role.values()) {
      if (role.number == number) {
        return role;
      }
    }
    in.reject(Reason.UNKNOWN_TYPE, "role " + number);
    return RouterMessage.Role.CLIENT;
  }

  private static RouterMessage.Reason reason(FieldReader in, int number) {
    for (RouterMessage.Reason reason : RouterMessage.Reason.values()) {
      if (reason.number == number) {
        return reason;
      }
    }
    in.reject(Reason.UNKNOWN_TYPE, "reason " + number);
    return RouterMessage.Reason.FULL;
  }
}
