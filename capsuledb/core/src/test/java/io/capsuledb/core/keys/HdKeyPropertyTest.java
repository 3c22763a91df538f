package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class HdKeyPropertyTest {

  private static final String BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

  @Property(tries = 300)
  void privateAndPublicDerivationAgree(
      @ForAll @Size(min = 16, max = 64) byte[] seed,
      @ForAll @Size(max = 5) int[] hardened,
      @ForAll @Size(max = 5) int[] normal) {
    try (HdKey master = HdKey.fromSeed(SecretBytes.copyOf(seed));
        HdKey account = master.derive(path(hardened, HdPath.HARDENED));
        HdKey publicAccount = account.toPublic();
        HdKey key = account.derive(path(normal, 0));
        HdKey publicKey = publicAccount.derive(path(normal, 0))) {
      assertThat(publicKey.revealBase58()).isEqualTo(key.toPublic().revealBase58());
      assertThat(publicKey.publicKey()).isEqualTo(key.publicKey());
      HdKey parsed = HdKey.parse(key.revealBase58()).orThrow();
      assertThat(parsed.privateKey()).isEqualTo(key.privateKey());
      assertThat(parsed.parentFingerprint()).isEqualTo(key.parentFingerprint());
      assertThat(parsed.fingerprint()).isEqualTo(publicKey.fingerprint());
    }
  }

  @Property(tries = 300)
  void anyOtherCharacterAnywhereIsRefused(
      @ForAll @Size(16) byte[] seed,
      @ForAll @IntRange(max = 110) int at,
      @ForAll @IntRange(max = 57) int character) {
    String text = HdKey.fromSeed(SecretBytes.copyOf(seed)).revealBase58();
    assertThat(text).hasSize(111).startsWith("xprv");
    String bent = text.substring(0, at) + BASE58.charAt(character) + text.substring(at + 1);
    assertThat(HdKey.parse(bent) instanceof Decoded.Accepted).isEqualTo(bent.equals(text));
  }

  @Property(tries = 100)
  void everyTruncationIsRefused(
      @ForAll @Size(16) byte[] seed, @ForAll @IntRange(max = 110) int to) {
    String text = HdKey.fromSeed(SecretBytes.copyOf(seed)).revealBase58();
    assertThat(HdKey.parse(text.substring(0, to))).isInstanceOf(Decoded.Rejected.class);
    assertThat(HdKey.parse(text.substring(111 - to))).isInstanceOf(Decoded.Rejected.class);
  }

  @Property(tries = 500)
  void base58CheckReadsWhatItWrites(
      @ForAll @Size(max = 90) byte[] payload, @ForAll @IntRange(max = 5) int zeros) {
    byte[] padded = new byte[zeros + payload.length];
    System.arraycopy(payload, 0, padded, zeros, payload.length);
    String text = Base58Check.encode(padded);
    assertThat(Base58Check.decode(text, text.length()).orThrow()).isEqualTo(padded);
    assertThat(Base58Check.decode(text, text.length() - 1)).isInstanceOf(Decoded.Rejected.class);
  }

  @Property(tries = 500)
  void pathsReadWhatTheyWrite(@ForAll @Size(max = 255) int[] indices) {
    HdPath path = path(indices, 0);
    HdPath any = HdPath.MASTER;
    for (int index : indices) {
      any = any.child(index);
    }
    assertThat(HdPath.parse(path.toString())).isEqualTo(Decoded.accept(path));
    assertThat(HdPath.parse(any.toString())).isEqualTo(Decoded.accept(any));
    assertThat(HdPath.parse(any.toString().replace('\'', 'h'))).isEqualTo(Decoded.accept(any));
    assertThat(HdPath.parse(any.toString().replace('\'', 'H'))).isEqualTo(Decoded.accept(any));
  }

  private static HdPath path(int[] indices, int flag) {
    HdPath path = HdPath.MASTER;
    for (int index : indices) {
      path = path.child((index & Integer.MAX_VALUE) | flag);
    }
    return path;
  }
}
