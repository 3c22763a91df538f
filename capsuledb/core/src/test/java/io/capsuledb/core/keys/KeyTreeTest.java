package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import java.io.IOException;
import java.io.StringReader;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KeyTreeTest {

  private static final HexFormat HEX = HexFormat.of();
  private static final Secp256k1 CURVE = Secp256k1.best();
  private static final KeyTree TREE = KeyTree.fromSeed(SecretBytes.own(new byte[64]));

  @Test
  void theKeysAreTheGoldenOnes() throws IOException {
    Properties golden = new Properties();
    golden.load(new StringReader(TestResources.text("/golden/v1/keytree.properties")));
    try (Mnemonic mnemonic = Mnemonic.fromEntropy(SecretBytes.own(counting(0, 32)));
        KeyTree tree = KeyTree.fromMnemonic(mnemonic, "");
        ApplicationKey application = tree.application(5, 7)) {
      assertThat(mnemonic.revealWords()).isEqualTo(golden.getProperty("words"));
      assertThat(tree.ownerPublicKey()).hasToString(golden.getProperty("owner"));
      assertThat(application.publicKey()).hasToString(golden.getProperty("application.5.7"));
      for (long writer :
          new long[] {1, (1L << 31) - 1, 1L << 31, 0x123456789abcdefL, ApplicationKey.MAX_WRITER}) {
        String prefix = "writer." + writer + ".";
        assertThat(application.writerPrivateKey(writer))
            .isEqualTo(secret(golden.getProperty(prefix + "private")));
        assertThat(application.writerPublicKey(writer))
            .hasToString(golden.getProperty(prefix + "public"));
        assertThat(application.dataKey(counting(0xa0, 32), writer))
            .isEqualTo(secret(golden.getProperty(prefix + "data")));
      }
    }
  }

  @Test
  void thePathsAreTheDocumentedOnes() {
    try (ApplicationKey application = TREE.application(3, 4);
        HdKey master = HdKey.fromSeed(SecretBytes.own(new byte[64]))) {
      assertThat(KeyTree.OWNER).hasToString("m/4407632'/0'");
      assertThat(application.path()).hasToString("m/4407632'/1'/3'/4'");
      assertThat(application.application()).isEqualTo(3);
      assertThat(application.generation()).isEqualTo(4);
      assertThat(master.derive(KeyTree.OWNER).publicKey()).isEqualTo(TREE.ownerPublicKey());
      assertThat(master.derive(application.path()).publicKey()).isEqualTo(application.publicKey());
      long writer = (9L << 31) + 8;
      assertThat(master.derive(HdPath.parse(application.path() + "/9'/8'").orThrow()).privateKey())
          .isEqualTo(application.writerPrivateKey(writer));
    }
  }

  @Property(tries = 100)
  void signaturesVerifyWithTheirOwnKeyOnly(
      @ForAll @LongRange(min = 1, max = ApplicationKey.MAX_WRITER) long writer,
      @ForAll @IntRange(max = Integer.MAX_VALUE) int number,
      @ForAll @IntRange(max = Integer.MAX_VALUE) int generation) {
    Hash32 digest = Hashes.sha256(new byte[] {1});
    try (ApplicationKey application = TREE.application(number, generation);
        SecretBytes writerKey = application.writerPrivateKey(writer)) {
      List<byte[]> signatures =
          List.of(
              TREE.signAsOwner(digest), application.sign(digest), CURVE.sign(digest, writerKey));
      List<PublicKey> keys =
          List.of(
              TREE.ownerPublicKey(), application.publicKey(), application.writerPublicKey(writer));
      for (int s = 0; s < 3; s++) {
        for (int k = 0; k < 3; k++) {
          assertThat(CURVE.verify(digest, signatures.get(s), 0, keys.get(k))).isEqualTo(s == k);
        }
      }
    }
  }

  @Property(tries = 100)
  void everythingThatNamesADataKeyChangesIt(
      @ForAll @LongRange(min = 1, max = ApplicationKey.MAX_WRITER - 1) long writer,
      @ForAll @IntRange(max = Integer.MAX_VALUE - 1) int generation) {
    byte[] name = counting(0, 32);
    byte[] otherName = counting(1, 32);
    try (ApplicationKey application = TREE.application(1, generation);
        ApplicationKey next = TREE.application(1, generation + 1)) {
      SecretBytes key = application.dataKey(name, writer);
      assertThat(application.dataKey(name, writer)).isEqualTo(key);
      assertThat(application.dataKey(name, writer + 1)).isNotEqualTo(key);
      assertThat(application.dataKey(otherName, writer)).isNotEqualTo(key);
      assertThat(next.dataKey(name, writer)).isNotEqualTo(key);
    }
  }

  @Test
  void aLeaderMakesTheApplicationKeyOfTheExtendedKeyItReceives() {
    try (ApplicationKey sent = TREE.application(6, 7);
        SecretBytes extended = sent.extendedPrivateKey();
        ApplicationKey received =
            HdKey.deserialize(extended.expose()).then(key -> ApplicationKey.of(6, key)).orThrow()) {
      assertThat(received.path()).isEqualTo(sent.path());
      assertThat(received.writerPublicKey(5)).isEqualTo(sent.writerPublicKey(5));
      assertThat(received.dataKey(new byte[32], 5)).isEqualTo(sent.dataKey(new byte[32], 5));
    }
  }

  @Test
  void whatCannotBeAnApplicationKeyIsRejected() {
    HdKey master = HdKey.fromSeed(SecretBytes.own(new byte[64]));
    HdKey good = master.derive(HdPath.parse("m/4407632'/1'/2'/3'").orThrow());
    HdKey notHardened = master.derive(HdPath.parse("m/4407632'/1'/2'/3").orThrow());
    HdKey shallow = master.derive(HdPath.parse("m/4407632'/1'/2'").orThrow());
    assertThat(reason(ApplicationKey.of(2, good.toPublic())))
        .isEqualTo(Rejection.Reason.FIELD_OUT_OF_RANGE);
    assertThat(reason(ApplicationKey.of(2, notHardened)))
        .isEqualTo(Rejection.Reason.FIELD_OUT_OF_RANGE);
    assertThat(reason(ApplicationKey.of(2, shallow)))
        .isEqualTo(Rejection.Reason.FIELD_OUT_OF_RANGE);
    assertThat(shallow.privateKey().isClosed()).isTrue();
    assertThat(reason(ApplicationKey.of(-1, good))).isEqualTo(Rejection.Reason.FIELD_OUT_OF_RANGE);
  }

  @ParameterizedTest
  @ValueSource(longs = {Long.MIN_VALUE, -1, 0, ApplicationKey.MAX_WRITER + 1, Long.MAX_VALUE})
  void aWriterIndexOutOfRangeIsTheCallersMistake(long writer) {
    ApplicationKey application = TREE.application(0, 0);
    assertThatThrownBy(() -> application.writerPrivateKey(writer))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> application.writerPublicKey(writer))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> application.dataKey(new byte[32], writer))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void otherNumbersOutOfRangeAreTheCallersMistakeToo() {
    assertThatThrownBy(() -> TREE.application(-1, 0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> TREE.application(0, -1)).isInstanceOf(IllegalArgumentException.class);
    ApplicationKey application = TREE.application(0, 0);
    assertThatThrownBy(() -> application.dataKey(new byte[31], 1))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void closingClearsAndPrintingRevealsNothing() {
    KeyTree tree = KeyTree.fromSeed(SecretBytes.own(new byte[32]));
    ApplicationKey application = tree.application(0, 1);
    tree.close();
    Hash32 digest = Hashes.sha256(new byte[0]);
    assertThatThrownBy(() -> tree.signAsOwner(digest)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> tree.application(0, 0)).isInstanceOf(IllegalStateException.class);
    assertThat(application.sign(digest)).hasSize(64);
    application.close();
    assertThatThrownBy(() -> application.sign(digest)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> application.writerPrivateKey(1))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> application.dataKey(new byte[32], 1))
        .isInstanceOf(IllegalStateException.class);
    assertThat(application).hasToString("ApplicationKey[m/4407632'/1'/0'/1']");
    assertThat(tree).hasToString("KeyTree[owner " + tree.ownerPublicKey() + "]");
  }

  private static Rejection.Reason reason(Decoded<ApplicationKey> decoded) {
    assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    return ((Decoded.Rejected<ApplicationKey>) decoded).rejection().reason();
  }

  private static SecretBytes secret(String hex) {
    return SecretBytes.own(HEX.parseHex(hex));
  }

  private static byte[] counting(int from, int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (from + i);
    }
    return bytes;
  }
}
