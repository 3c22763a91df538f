package io.capsuledb.scl.session;

import io.capsuledb.core.bytes.Varint;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tokens as text: base64url of {@link TokenLayout}. Canonical: a token has one text. A token proves
 * nothing and hides nothing but what a client may know anyhow; its check finds typing errors.
 */
public final class TokenCodec {

  /** Longest text of a token. */
  public static final int MAX_CHARACTERS = 128 << 10;

  private static final byte[] TAG = "capsuledb/v1/token".getBytes(StandardCharsets.US_ASCII);

  private TokenCodec() {}

  /** The text of a token of {@code capsule}. */
  public static String encode(CapsuleName capsule, SessionToken token) {
    List<Position> positions = token.positions();
    byte[] bytes =
        new byte
            [TokenLayout.COUNT_OFFSET
                + Varint.MAX_BYTES
                + positions.size() * 2 * Varint.MAX_LONG_BYTES
                + TokenLayout.CHECK_BYTES];
    bytes[TokenLayout.FORMAT_OFFSET] = TokenLayout.FORMAT;
    System.arraycopy(
        capsule.toBytes(), 0, bytes, TokenLayout.CAPSULE_OFFSET, TokenLayout.CAPSULE_BYTES);
    int at = Varint.put(bytes, TokenLayout.COUNT_OFFSET, positions.size());
    long before = 0;
    for (Position position : positions) {
      at = Varint.putLong(bytes, at, position.writer() - before);
      at = Varint.putLong(bytes, at, position.sequence());
      before = position.writer();
    }
    System.arraycopy(check(bytes, at), 0, bytes, at, TokenLayout.CHECK_BYTES);
    return Base64.getUrlEncoder()
        .withoutPadding()
        .encodeToString(Arrays.copyOf(bytes, at + TokenLayout.CHECK_BYTES));
  }

  /** The token of a text. Takes any text. */
  public static Decoded<SessionToken> decode(CapsuleName capsule, String text) {
    if (text.length() > MAX_CHARACTERS) {
      return Decoded.reject(Reason.TOO_LARGE, "a token of " + text.length() + " characters");
    }
    byte[] bytes;
    try {
      bytes = Base64.getUrlDecoder().decode(text.getBytes(StandardCharsets.ISO_8859_1));
    } catch (IllegalArgumentException notBase64) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "a token is base64url");
    }
    int end = bytes.length - TokenLayout.CHECK_BYTES;
    if (end <= TokenLayout.COUNT_OFFSET) {
      return Decoded.reject(Reason.TRUNCATED, "a token of " + bytes.length + " bytes");
    }
    if (!Arrays.equals(check(bytes, end), Arrays.copyOfRange(bytes, end, bytes.length))) {
      return Decoded.reject(Reason.CHECKSUM, "the token does not match its check");
    }
    if (bytes[TokenLayout.FORMAT_OFFSET] != TokenLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "token format " + bytes[TokenLayout.FORMAT_OFFSET]);
    }
    if (!Arrays.equals(
        bytes,
        TokenLayout.CAPSULE_OFFSET,
        TokenLayout.COUNT_OFFSET,
        capsule.toBytes(),
        0,
        TokenLayout.CAPSULE_BYTES)) {
      return Decoded.reject(Reason.MISPLACED, "the token is of another capsule");
    }
    SessionToken token = positions(bytes, end);
    if (token == null || !encode(capsule, token).equals(text)) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "the token's positions");
    }
    return Decoded.accept(token);
  }

  private static @Nullable SessionToken positions(byte[] bytes, int end) {
    int count = Varint.get(bytes, TokenLayout.COUNT_OFFSET, end);
    if (count < 0 || count > SessionToken.MAX_POSITIONS) {
      return null;
    }
    int at = TokenLayout.COUNT_OFFSET + Varint.bytes(count);
    List<Position> positions = new ArrayList<>();
    long before = 0;
    for (int i = 0; i < count; i++) {
      long step = Varint.getLong(bytes, at, end);
      if (step < 1 || step > RosterEntry.MAX_WRITER - before) {
        return null;
      }
      at += Varint.longBytes(step);
      long sequence = Varint.getLong(bytes, at, end);
      if (sequence < 1) {
        return null;
      }
      at += Varint.longBytes(sequence);
      before += step;
      positions.add(new Position(before, sequence));
    }
    return at == end ? new SessionToken(positions) : null;
  }

  private static byte[] check(byte[] bytes, int length) {
    Hash32 hash = Hashes.tagged(TAG, Arrays.copyOf(bytes, length));
    return Arrays.copyOf(hash.toBytes(), TokenLayout.CHECK_BYTES);
  }
}
