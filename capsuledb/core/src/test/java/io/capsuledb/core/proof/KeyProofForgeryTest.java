package io.capsuledb.core.proof;

import static io.capsuledb.core.proof.SampleState.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.golden.Golden;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a server that lies can make of a signed state: nothing but the truth. */
class KeyProofForgeryTest {

  private static final Map<Integer, Set<Integer>> NAMED = Map.of();

  /** Of run 0, what shows the newest version of b. */
  private static final Map<Integer, Set<Integer>> B_IN_0 = Map.of(0, Set.of(0));

  private static final Map<Integer, Map<Integer, Set<Integer>>> HONEST =
      Map.of(0, B_IN_0, 1, Map.of(0, Set.of(0, 1)));

  private static final int FUZZED = 100_000;

  private final SampleState state = new SampleState();

  private Decoded<KeyVerdict> check(byte[] proof, String key) {
    return new KeyProofVerifier(state.owner, SampleState.CURVE)
        .verify(proof, bytes(key), state.name, 0);
  }

  private KeyVerdict proven(String key, Map<Integer, Map<Integer, Set<Integer>>> shown) {
    return check(KeyProofCodec.encode(state.proof(key, 2, shown)), key).orThrow();
  }

  private void refused(
      String key, int runs, Map<Integer, Map<Integer, Set<Integer>>> shown, String detail) {
    assertThat(check(KeyProofCodec.encode(state.proof(key, runs, shown)), key))
        .isInstanceOfSatisfying(
            Decoded.Rejected.class,
            rejected -> {
              assertThat(rejected.rejection().reason()).isEqualTo(Reason.PROOF);
              assertThat(rejected.rejection().detail()).contains(detail);
            });
  }

  @Test
  void honestProofsHold() {
    assertThat(proven("b", HONEST).value()).isEqualTo(bytes("new"));
    assertThat(proven("d", Map.of(0, Map.of(0, Set.of(0, 1)), 1, NAMED, 2, NAMED)).outcome())
        .isEqualTo(KeyVerdict.Outcome.ABSENT_DELETED);
    // Between blocks in run 0, between tables in run 1.
    assertThat(
            proven("e", Map.of(0, Map.of(0, Set.of(), 1, Set.of()), 1, NAMED, 2, NAMED)).outcome())
        .isEqualTo(KeyVerdict.Outcome.ABSENT_NO_VERSION);
    // Before, and behind, everything.
    assertThat(proven("A", Map.of(0, NAMED, 1, NAMED)).present()).isFalse();
    assertThat(proven("z", Map.of(0, NAMED, 1, NAMED, 2, NAMED)).present()).isFalse();
  }

  @Test
  void aRunCannotBeLeftOut() {
    refused("b", 2, Map.of(0, B_IN_0), "run 1: no table of it is shown");
    refused("b", 2, Map.of(1, Map.of(0, Set.of(0, 1))), "run 0: no table of it is shown");
    refused("b", 1, Map.of(0, B_IN_0), "lead to root");
    refused("b", 2, Map.of(0, NAMED, 1, Map.of(0, Set.of(0, 1))), "is not opened");
    refused("b", 2, Map.of(0, B_IN_0, 2, NAMED), "run 1: something is hidden");
  }

  @Test
  void anOlderEntryIsNotTheNewest() {
    Map<Integer, Set<Integer>> olderBlock = Map.of(1, Set.of(0));
    refused("b", 2, Map.of(0, B_IN_0, 1, olderBlock), "hidden before the block with the key");
    refused("b", 2, Map.of(0, B_IN_0, 1, Map.of(0, Set.of(), 1, Set.of(0))), "is opened where");
    refused("b", 2, Map.of(0, Map.of(0, Set.of(1)), 1, Map.of(0, Set.of(0, 1))), "newest version");
    refused("b", 2, Map.of(0, B_IN_0, 1, Map.of(0, Set.of(1))), "newest version");
    refused("b", 2, Map.of(0, Map.of(0, Set.of()), 1, Map.of(0, Set.of(0, 1))), "is not opened");
  }

  @Test
  void neighboursAreAdjacent() {
    refused("e", 2, Map.of(0, Map.of(1, Set.of()), 1, NAMED, 2, NAMED), "hidden where a block");
    refused("e", 2, Map.of(0, Map.of(0, Set.of()), 1, NAMED, 2, NAMED), "hidden where a block");
    Map<Integer, Set<Integer>> both = Map.of(0, Set.of(), 1, Set.of());
    refused("e", 2, Map.of(0, both, 2, NAMED), "run 1: something is hidden where a table");
    refused("e", 2, Map.of(0, both, 1, NAMED), "run 1: something is hidden where a table");
    refused("d", 2, Map.of(0, Map.of(0, Set.of(0)), 1, NAMED, 2, NAMED), "newest version");
  }

  @Test
  void onlyACompactorOfTheRosterSignsForAState() {
    SampleState worker = new SampleState(RosterEntry.Role.WORKER, 0x1111111122222222L);
    assertThat(check(KeyProofCodec.encode(worker.proof("b", 2, HONEST)), "b"))
        .isInstanceOfSatisfying(
            Decoded.Rejected.class,
            rejected -> assertThat(rejected.rejection().reason()).isEqualTo(Reason.ROLE));
    SampleState other = new SampleState(RosterEntry.Role.COMPACTOR, 77);
    assertThat(check(KeyProofCodec.encode(other.proof("b", 2, HONEST)), "b"))
        .isInstanceOfSatisfying(
            Decoded.Rejected.class,
            rejected -> assertThat(rejected.rejection().reason()).isEqualTo(Reason.UNKNOWN_WRITER));
  }

  @Test
  void theGoldenProofIsMadeReadAndDocumented() {
    byte[] golden = Golden.bytes("proof.hex");
    assertThat(KeyProofCodec.encode(state.proof("b", 2, HONEST))).isEqualTo(golden);
    KeyProof decoded = KeyProofCodec.decode(golden).orThrow();
    assertThat(KeyProofCodec.encode(decoded)).isEqualTo(golden);
    assertThat(check(golden, "b").orThrow().value()).isEqualTo(bytes("new"));
    assertThat(Golden.listed("proof.md", "proof.hex")).isEqualTo(golden);
    assertThat(Golden.document("proof.md")).contains(golden.length + " bytes");
  }

  @Test
  void whateverTheBytesTheyAreRefused() {
    byte[] golden = Golden.bytes("proof.hex");
    Random random = new Random(42);
    for (int i = 0; i < FUZZED; i++) {
      byte[] bytes = golden.clone();
      // Half of them keep the signed part, which is refused first otherwise.
      int from = random.nextBoolean() ? 0 : bytes.length / 2;
      switch (random.nextInt(4)) {
        case 0 -> bytes = Arrays.copyOf(bytes, from + random.nextInt(bytes.length - from));
        case 1 -> {
          int at = from + random.nextInt(bytes.length - from);
          int length = random.nextInt(bytes.length - at);
          int source = random.nextInt(bytes.length - length);
          System.arraycopy(golden, source, bytes, at, length);
        }
        default -> {
          for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
            bytes[from + random.nextInt(bytes.length - from)] = (byte) random.nextInt();
          }
        }
      }
      if (!Arrays.equals(bytes, golden)) {
        assertThat(check(bytes, "b")).isInstanceOf(Decoded.Rejected.class);
      }
      // And what is not even like a proof.
      byte[] noise = new byte[random.nextInt(200)];
      random.nextBytes(noise);
      System.arraycopy(golden, 0, noise, 0, Math.min(noise.length, 9));
      assertThat(KeyProofCodec.decode(noise)).isInstanceOf(Decoded.Rejected.class);
    }
  }
}
