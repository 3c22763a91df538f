package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hmac;
import io.capsuledb.core.crypto.SecretBytes;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/**
 * What a worker of a capsule with derived keys can do that it should not: with its own private key
 * and the application's extended public key, which it has to have, it computes the application's
 * private key, and so every data key and everybody's signing key of that generation. With hardened
 * keys ({@code roster}) the same computation leads nowhere. docs/keys.md.
 */
class DerivedKeysAttackTest {

  private static final BigInteger ORDER =
      new BigInteger("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16);

  private static ApplicationKey application() {
    byte[] seed = new byte[32];
    Arrays.fill(seed, (byte) 0x42);
    return KeyTree.fromSeed(SecretBytes.own(seed)).application(0, 3);
  }

  /** The private key of a parent: that of the child less what BIP 32 has added to it. */
  private static BigInteger parentOf(BigInteger child, HdKey parent, int index) {
    byte[] serialized = parent.serialize().expose();
    byte[] chainCode = Arrays.copyOfRange(serialized, 13, 45);
    byte[] data = ByteBuffer.allocate(37).put(parent.publicKey().bytes()).putInt(index).array();
    byte[] added = Arrays.copyOf(Hmac.sha512(chainCode, data), 32);
    return child.subtract(new BigInteger(1, added)).mod(ORDER);
  }

  /** What the holder of one writer's private key and the extended public key computes. */
  private static byte[] attack(SecretBytes writerKey, HdKey extendedPublic, long writer) {
    int high = (int) (writer >>> 31);
    int low = (int) writer & Integer.MAX_VALUE;
    BigInteger child = new BigInteger(1, writerKey.expose());
    try (HdKey between = extendedPublic.child(high)) {
      BigInteger application = parentOf(parentOf(child, between, low), extendedPublic, high);
      byte[] bytes = application.toByteArray();
      byte[] scalar = new byte[32];
      int length = Math.min(32, bytes.length);
      System.arraycopy(bytes, bytes.length - length, scalar, 32 - length, length);
      return scalar;
    }
  }

  @Property(tries = 30)
  void aWorkerOfDerivedKeysBecomesTheApplication(
      @ForAll @LongRange(min = 1, max = ApplicationKey.MAX_WRITER) long writer) {
    try (ApplicationKey application = application();
        ApplicationKey derived = application.withDerivedWriters();
        HdKey extendedPublic = derived.extendedPublicKey();
        SecretBytes leaked = derived.writerPrivateKey(writer);
        HdKey secret = HdKey.deserialize(derived.extendedPrivateKey().expose()).orThrow()) {
      assertThat(ApplicationKey.derivedWriterKey(extendedPublic, writer))
          .isEqualTo(derived.writerPublicKey(writer));
      byte[] stolen = attack(leaked, extendedPublic, writer);
      assertThat(stolen).isEqualTo(secret.privateKey().expose());
    }
  }

  @Property(tries = 30)
  void aWorkerOfARosterDoesNot(
      @ForAll @LongRange(min = 1, max = ApplicationKey.MAX_WRITER) long writer) {
    try (ApplicationKey application = application();
        HdKey extendedPublic = application.extendedPublicKey();
        SecretBytes leaked = application.writerPrivateKey(writer);
        HdKey secret = HdKey.deserialize(application.extendedPrivateKey().expose()).orThrow()) {
      assertThat(ApplicationKey.derivedWriterKey(extendedPublic, writer))
          .isNotEqualTo(application.writerPublicKey(writer));
      byte[] stolen = attack(leaked, extendedPublic, writer);
      assertThat(stolen).isNotEqualTo(secret.privateKey().expose());
    }
  }
}
