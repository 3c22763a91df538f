package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.proof.KeyProofVerifier;
import io.capsuledb.core.proof.KeyVerdict;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * Proofs of keys of random trees say what the engine says, and nothing else can be made of them.
 */
class KeyProofPropertyTest {

  private static final int KEYS = 60;

  private static final Secp256k1 CURVE = Secp256k1.best();

  private static KeyProofVerifier verifier(CapsuleDb db) {
    return new KeyProofVerifier(db.metadata().ownerKey(), CURVE);
  }

  private static KeyVerdict proven(CapsuleDb db, byte[] proof, byte[] key, long nowMs) {
    return verifier(db).verify(proof, key, db.name(), nowMs).orThrow();
  }

  private static Rejection refused(Decoded<KeyVerdict> verdict) {
    return ((Decoded.Rejected<KeyVerdict>) verdict).rejection();
  }

  /** Random transactions with flushes and compactions between them. */
  private static void write(Node node, CapsuleDb db, Random random, int transactions) {
    for (int i = 0; i < transactions; i++) {
      try (Transaction txn = db.begin()) {
        for (int operations = 1 + random.nextInt(6); operations > 0; operations--) {
          byte[] key = bytes("key" + 2 * random.nextInt(KEYS));
          switch (random.nextInt(14)) {
            case 0, 1, 2 -> txn.delete(key);
            case 3 -> {
              if (random.nextInt(8) == 0) {
                txn.clear();
              }
            }
            case 4, 5 -> txn.put(key, ValueType.STRING, new byte[200 + random.nextInt(300)], 0);
            case 6, 7 -> txn.put(key, ValueType.SET, bytes("e"), txn.nowMs() + random.nextInt(40));
            default -> txn.put(key, ValueType.STRING, bytes("v" + random.nextInt()), 0);
          }
        }
        txn.commit();
      }
      for (int steps = random.nextInt(6); steps > 0; steps--) {
        node.scheduler.step();
      }
      if (random.nextInt(12) == 0) {
        db.flush();
      }
      if (random.nextInt(60) == 0) {
        db.compact();
      }
      node.clock.advanceMs(random.nextInt(3));
    }
  }

  @Property(tries = 40)
  void proofsSayWhatTheEngineSays(@ForAll long seed) {
    Random random = new Random(seed);
    Node node = Node.tiny(seed);
    node.historyMs = random.nextInt(2) * 30L;
    CapsuleDb db = node.open();
    for (int round = 0; round < 3; round++) {
      write(node, db, random, random.nextInt(120));
      if (random.nextInt(4) == 0) {
        node.scheduler.run();
        db.close();
        db = node.open();
      }
      for (int i = 0; i < 2 * KEYS; i += 1 + random.nextInt(8)) {
        byte[] key = random.nextInt(20) == 0 ? bytes("") : bytes("key" + i);
        byte[] proof = db.proof(key);
        long now = node.clock.wallMs();
        Lookup expected = db.get(key);
        KeyVerdict verdict = proven(db, proof, key, now);
        assertThat(verdict.present()).isEqualTo(expected.found());
        assertThat(verdict.value()).isEqualTo(expected.value());
        assertThat(verdict.capsule()).isEqualTo(db.name());
        assertThat(verdict.coveredTime()).isLessThanOrEqualTo(db.durableTime());
        if (expected.found()) {
          assertThat(verdict.typeNumber()).isEqualTo(expected.type().number());
          assertThat(verdict.expiryAtMs()).isEqualTo(expected.expiryAtMs());
          assertThat(verdict.version()).isNotNull();
          assertThat(verdict.version().time()).isEqualTo(expected.fence());
          if (expected.expiryAtMs() != 0) {
            assertThat(proven(db, proof, key, expected.expiryAtMs()).outcome())
                .isEqualTo(KeyVerdict.Outcome.ABSENT_EXPIRED);
          }
        }
      }
    }
    db.close();
  }

  /** No bit of a proof is there for nothing: whichever is flipped, the proof is refused. */
  @Test
  void everyFlippedBitIsRefused() {
    Set<KeyVerdict.Outcome> seen = EnumSet.noneOf(KeyVerdict.Outcome.class);
    for (long seed = 1; seen.size() < KeyVerdict.Outcome.values().length; seed++) {
      assertThat(seed).isLessThan(50);
      Random random = new Random(seed);
      Node node = Node.tiny(seed);
      node.historyMs = 1000;
      CapsuleDb db = node.open();
      write(node, db, random, 60);
      for (int i = 0; i < 2 * KEYS; i++) {
        byte[] key = bytes("key" + i);
        byte[] proof = db.proof(key);
        KeyVerdict verdict = proven(db, proof, key, node.clock.wallMs());
        if (!seen.add(verdict.outcome())) {
          continue;
        }
        // All bits of a value's proof; of the others one of each byte.
        int step = verdict.present() ? 1 : 9;
        for (int bit = 0; bit < 8 * proof.length; bit += step) {
          byte[] flipped = proof.clone();
          flipped[bit / 8] ^= (byte) (1 << bit % 8);
          Decoded<KeyVerdict> result = verifier(db).verify(flipped, key, null, node.clock.wallMs());
          assertThat(result)
              .as("bit %d of byte %d of %d", bit % 8, bit / 8, proof.length)
              .isInstanceOf(Decoded.Rejected.class);
        }
      }
      db.close();
    }
  }

  @Test
  void aProofForSomethingElseIsRefusedWithItsReason() {
    Node node = Node.tiny(7);
    CapsuleDb db = node.open();
    Node.put(db, "a", "1");
    Node.put(db, "c", "2");
    byte[] key = bytes("a");
    byte[] proof = db.proof(key);
    assertThat(proven(db, proof, key, 0).value()).isEqualTo(bytes("1"));
    assertThat(refused(verifier(db).verify(proof, bytes("b"), null, 0)).detail())
        .contains("another key");
    Node other = Node.tiny(8);
    CapsuleDb elsewhere = other.open();
    Node.put(elsewhere, "a", "1");
    CapsuleName name = elsewhere.name();
    assertThat(refused(verifier(db).verify(proof, key, name, 0)).detail())
        .contains("not of " + name);
    PublicKey owner = elsewhere.metadata().ownerKey();
    assertThat(refused(new KeyProofVerifier(owner, CURVE).verify(proof, key, null, 0)).detail())
        .contains("not to " + owner);
    elsewhere.close();
    db.close();
  }

  /** What was written last is shown, also if it is in memory only, and also if it is a CLEAR. */
  @Test
  void theNewestStateIsShown() {
    Node node = Node.tiny(3);
    CapsuleDb db = node.open();
    byte[] key = bytes("a");
    assertThat(proven(db, db.proof(key), key, 0).outcome())
        .isEqualTo(KeyVerdict.Outcome.ABSENT_NO_VERSION);
    Node.put(db, "a", "1");
    byte[] old = db.proof(key);
    assertThat(proven(db, old, key, 0).value()).isEqualTo(bytes("1"));
    assertThat(db.proof(key)).isEqualTo(old);
    try (Transaction txn = db.begin()) {
      txn.clear();
      txn.commit();
    }
    assertThat(proven(db, db.proof(key), key, 0).outcome())
        .isEqualTo(KeyVerdict.Outcome.ABSENT_CLEARED);
    Node.put(db, "a", "2");
    KeyVerdict newest = proven(db, db.proof(key), key, 0);
    assertThat(newest.value()).isEqualTo(bytes("2"));
    assertThat(newest.coveredTime()).isGreaterThan(proven(db, old, key, 0).coveredTime());
    node.scheduler.run();
    assertThat(node.fsck().problems()).isEmpty();
    db.close();
  }
}
