package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import java.io.IOException;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class HdKeyTest {

  private static final HexFormat HEX = HexFormat.of();
  private static final String ORDER =
      "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

  /** One line of BIP 32's test vectors. */
  record Vector(String seed, String path, String publicText, String privateText) {}

  static List<Vector> vectors() throws IOException {
    List<Vector> vectors = new ArrayList<>();
    String seed = "";
    for (String line : TestResources.lines("bip32-vectors.txt")) {
      String[] fields = line.split(" ", -1);
      if (fields[0].equals("seed")) {
        seed = fields[1];
      } else {
        vectors.add(new Vector(seed, fields[0], fields[1], fields[2]));
      }
    }
    assertThat(vectors).hasSize(17);
    return vectors;
  }

  static List<String> invalidKeys() throws IOException {
    List<String> keys = TestResources.lines("bip32-invalid.txt");
    assertThat(keys).hasSize(16);
    return keys;
  }

  @ParameterizedTest
  @MethodSource("vectors")
  void derivesAsBip32Says(Vector vector) {
    HdPath path = HdPath.parse(vector.path()).orThrow();
    try (HdKey master = master(vector.seed());
        HdKey key = master.derive(path);
        HdKey publicKey = key.toPublic()) {
      assertThat(key.revealBase58()).isEqualTo(vector.privateText());
      assertThat(publicKey.revealBase58()).isEqualTo(vector.publicText());
      assertThat(key.depth()).isEqualTo(path.length());
      if (path.length() > 0) {
        int last = path.index(path.length() - 1);
        assertThat(key.childNumber()).isEqualTo(last);
        if (last >= 0) {
          HdPath parentPath =
              HdPath.parse(vector.path().substring(0, vector.path().lastIndexOf('/'))).orThrow();
          HdKey derivedFromPublic = master.derive(parentPath).toPublic().child(last);
          assertThat(derivedFromPublic.revealBase58()).isEqualTo(vector.publicText());
        }
      }
    }
    for (String text : List.of(vector.privateText(), vector.publicText())) {
      try (HdKey parsed = HdKey.parse(text).orThrow();
          SecretBytes serialized = parsed.serialize()) {
        assertThat(parsed.revealBase58()).isEqualTo(text);
        assertThat(serialized.length()).isEqualTo(HdKey.SERIALIZED_BYTES);
        assertThat(HdKey.deserialize(serialized.expose()).orThrow().revealBase58()).isEqualTo(text);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("invalidKeys")
  void refusesTheInvalidKeysOfBip32(String line) {
    String[] fields = line.split(" ", 3);
    assertThat(reason(HdKey.parse(fields[1])))
        .as(fields[2])
        .isEqualTo(Rejection.Reason.valueOf(fields[0]));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 15, 65})
  void aSeedHasSixteenToSixtyFourBytes(int length) {
    assertThatThrownBy(() -> HdKey.fromSeed(SecretBytes.own(new byte[length])))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(String.valueOf(length));
  }

  @Test
  void aMasterKeyOutOfRangeIsNone() {
    assertThat(HdKey.master(hmac(BigInteger.ZERO))).isEmpty();
    assertThat(HdKey.master(hmac(new BigInteger(ORDER, 16)))).isEmpty();
    assertThat(HdKey.master(hmac(new BigInteger(ORDER, 16).subtract(BigInteger.ONE)))).isPresent();
  }

  @Test
  void aChildOutOfRangeIsNoneWhicheverWayItIsDerived() {
    BigInteger order = new BigInteger(ORDER, 16);
    HdKey key = master("000102030405060708090a0b0c0d0e0f");
    BigInteger privateKey = new BigInteger(1, key.privateKey().expose());
    for (HdKey parent : List.of(key, key.toPublic())) {
      assertThat(parent.child(1, hmac(order))).isEmpty();
      assertThat(parent.child(1, hmac(order.subtract(privateKey)))).isEmpty();
      assertThat(parent.child(1, hmac(order.subtract(BigInteger.ONE)))).isPresent();
    }
  }

  @Test
  void thereAreTwoHundredFiftyFiveGenerations() {
    HdKey key = master("000102030405060708090a0b0c0d0e0f");
    HdKey publicKey = key.toPublic();
    for (int depth = 1; depth <= HdKey.MAX_DEPTH; depth++) {
      key = key.child(0);
      publicKey = publicKey.child(0);
    }
    assertThat(key.depth()).isEqualTo(255);
    assertThat(publicKey.revealBase58()).isEqualTo(key.toPublic().revealBase58());
    assertThat(HdKey.parse(key.revealBase58()).orThrow().depth()).isEqualTo(255);
    HdKey deepest = key;
    assertThatThrownBy(() -> deepest.child(0)).isInstanceOf(InvalidRequestException.class);
    HdKey deepestPublic = publicKey;
    assertThatThrownBy(() -> deepestPublic.child(0)).isInstanceOf(InvalidRequestException.class);
  }

  @Test
  void aPublicKeyHasNoHardenedChildrenAndNoPrivateKey() {
    HdKey key = master("000102030405060708090a0b0c0d0e0f").toPublic();
    assertThat(key.isPrivate()).isFalse();
    assertThatThrownBy(() -> key.child(HdPath.HARDENED))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(key::privateKey).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void closingClearsTheKeyButNotItsRelatives() {
    HdKey key = master("000102030405060708090a0b0c0d0e0f");
    HdKey copy = key.derive(HdPath.MASTER);
    HdKey publicKey = key.toPublic();
    String before = key.revealBase58();
    key.close();
    assertThatThrownBy(() -> key.child(0)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(key::serialize).isInstanceOf(IllegalStateException.class);
    assertThat(copy.revealBase58()).isEqualTo(before);
    assertThat(publicKey.child(0).isPrivate()).isFalse();
  }

  @Test
  void printingRevealsNothingPrivate() {
    HdKey key = master("000102030405060708090a0b0c0d0e0f");
    assertThat(key.toString())
        .doesNotContain("xprv")
        .doesNotContain(HEX.formatHex(key.privateKey().expose()))
        .contains(key.publicKey().toString());
  }

  private static HdKey master(String seed) {
    return HdKey.fromSeed(SecretBytes.own(HEX.parseHex(seed)));
  }

  /** What HMAC would have to give to make {@code left} the key or the tweak. */
  private static byte[] hmac(BigInteger left) {
    byte[] bytes = new byte[64];
    byte[] number = left.toByteArray();
    int length = Math.min(number.length, 32);
    System.arraycopy(number, number.length - length, bytes, 32 - length, length);
    Arrays.fill(bytes, 32, 64, (byte) 7);
    return bytes;
  }

  private static Rejection.Reason reason(Decoded<HdKey> decoded) {
    assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    return ((Decoded.Rejected<HdKey>) decoded).rejection().reason();
  }
}
