package io.capsuledb.replication.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/** Whatever is done to the frames of a session, nobody believes anything that was not said. */
class SessionPropertyTest {

  private static final SessionOptions OPTIONS = SessionOptions.DEFAULT;
  private static final long SECOND = 1_000_000_000L;

  private static Identity identity(int n) {
    byte[] key = new byte[32];
    key[31] = (byte) n;
    return Identity.of(SecretBytes.own(key));
  }

  private static final Identity CLIENT = identity(1);
  private static final Identity SERVER = identity(2);
  private static final Identity EVE = identity(3);

  /** A handshake step by step; {@code frames} are HELLO, WELCOME, FINISH, READY. */
  private static final class Run {
    final Session client;
    final Session server;
    final List<byte[]> frames = new ArrayList<>();

    Run(long seed) {
      SimEntropy entropy = new SimEntropy(seed);
      client = Session.client(CLIENT, SERVER.key(), OPTIONS, entropy, 0);
      server = Session.server(SERVER, OPTIONS, entropy, 0);
      frames.add(client.hello().bytes());
    }

    /** Delivers handshake frames until {@code count} of them were produced. */
    Run to(int count) {
      while (frames.size() < count) {
        frames.add(frame(receiver(frames.size() - 1).receive(frames.getLast(), 0)));
      }
      return this;
    }

    /** Both sides up. */
    Run up() {
      to(4);
      assertThat(client.receive(frames.getLast(), 0))
          .isEqualTo(new Outcome.Established(SERVER.key(), null));
      return this;
    }

    Session receiver(int frame) {
      return frame % 2 == 0 ? server : client;
    }
  }

  private static byte[] frame(Outcome outcome) {
    return switch (outcome) {
      case Outcome.Answer(Blob frame) -> frame.bytes();
      case Outcome.Established(var peer, Blob frame) -> {
        assertThat(peer).isEqualTo(CLIENT.key());
        yield frame.bytes();
      }
      default -> throw new AssertionError("no frame: " + outcome);
    };
  }

  private static byte[] body(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static void assertRejected(Outcome outcome) {
    assertThat(outcome).isInstanceOfAny(Outcome.Ended.class, Outcome.Refused.class);
  }

  @Property(tries = 50)
  void bothSidesAgreeAndEverythingSaidArrives(
      @ForAll long seed, @ForAll @Size(max = 20) List<@Size(max = 300) byte[]> bodies) {
    Run run = new Run(seed).up();
    assertThat(run.client.peer()).isEqualTo(SERVER.key());
    assertThat(run.server.peer()).isEqualTo(CLIENT.key());
    for (byte[] body : bodies) {
      assertThat(run.server.receive(run.client.seal(body, 1).bytes(), 1))
          .isEqualTo(new Outcome.Delivered(Blob.of(body)));
      assertThat(run.client.receive(run.server.seal(body, 1).bytes(), 1))
          .isEqualTo(new Outcome.Delivered(Blob.of(body)));
    }
  }

  /** Every bit of HELLO, WELCOME, FINISH and READY. */
  @Test
  void noBitOfAHandshakeCanBeFlipped() {
    for (int which = 0; which < 4; which++) {
      int bits = 8 * new Run(5).to(which + 1).frames.get(which).length;
      // Each try is a handshake: a prime stride sees all bytes, and all bits of the short frames.
      for (int bit = 0; bit < bits; bit += which == 1 || which == 2 ? 7 : 3) {
        Run run = new Run(5).to(which + 1);
        byte[] altered = run.frames.get(which).clone();
        altered[bit / 8] ^= (byte) (1 << (bit % 8));
        Outcome outcome = run.receiver(which).receive(altered, 0);
        if (outcome instanceof Outcome.Answer(Blob next)) {
          // Only an altered HELLO gets an answer, which then proves nothing to the client.
          assertThat(which).isZero();
          assertRejected(run.client.receive(next.bytes(), 0));
          assertThat(run.client.isUp()).isFalse();
        } else {
          assertRejected(outcome);
        }
        assertThat(run.receiver(which).isUp()).isFalse();
      }
    }
  }

  @Property(tries = 300)
  void noBitOfAFrameCanBeFlipped(
      @ForAll @Size(max = 60) byte[] body, @ForAll @IntRange(min = 0, max = 799) int bit) {
    Run run = new Run(6).up();
    byte[] altered = run.client.seal(body, 1).bytes().clone();
    int at = bit % (8 * altered.length);
    altered[at / 8] ^= (byte) (1 << (at % 8));
    assertRejected(run.server.receive(altered, 1));
  }

  @Test
  void nothingCanBeCutOffOrAdded() {
    for (int which = 0; which < 4; which++) {
      int length = new Run(7).to(which + 1).frames.get(which).length;
      for (int cut = 0; cut < length; cut += which == 1 ? 5 : 3) {
        Run run = new Run(7).to(which + 1);
        assertRejected(run.receiver(which).receive(Arrays.copyOf(run.frames.get(which), cut), 0));
      }
      Run run = new Run(7).to(which + 1);
      assertRejected(
          run.receiver(which).receive(Arrays.copyOf(run.frames.get(which), length + 1), 0));
    }
    int length = SessionLayout.OVERHEAD_BYTES + 9;
    for (int to = 0; to < length + 4; to++) {
      if (to != length) {
        Run run = new Run(7).up();
        byte[] frame = run.client.seal(new byte[9], 1).bytes();
        assertRejected(run.server.receive(Arrays.copyOf(frame, to), 1));
      }
    }
  }

  @Property(tries = 100)
  void inWhateverOrderFramesArriveEachCountsOnceAndNoneAfterALaterOne(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 12) int count) {
    Run run = new Run(8).up();
    List<byte[]> frames = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      frames.add(run.client.seal(new byte[] {(byte) i}, 1).bytes());
    }
    Random random = new Random(seed);
    int highest = -1;
    for (int i = 0; i < 3 * count; i++) {
      int chosen = random.nextInt(count);
      Outcome outcome = run.server.receive(frames.get(chosen), 1);
      if (chosen > highest) {
        assertThat(outcome).isEqualTo(new Outcome.Delivered(Blob.of(new byte[] {(byte) chosen})));
        highest = chosen;
      } else {
        assertThat(outcome).isEqualTo(new Outcome.Refused(DropReason.REPLAYED, null));
      }
    }
    assertThat(run.server.isUp()).isTrue();
  }

  @Test
  void whatASideSaidIsNotBelievedWhenItComesBack() {
    Run run = new Run(9).up();
    byte[] said = run.client.seal(body("mine"), 1).bytes();
    assertThat(run.client.receive(said, 1))
        .isEqualTo(new Outcome.Ended(DropReason.BAD_MAC, "of a frame of 44 bytes"));
    for (int which = 0; which < 4; which++) {
      Run other = new Run(10).to(which + 1);
      Session sender = which % 2 == 0 ? other.client : other.server;
      assertRejected(sender.receive(other.frames.get(which), 0));
    }
  }

  @Test
  void noFrameOfOneSessionCountsInAnother() {
    Run old = new Run(11).up();
    byte[] data = old.client.seal(body("old"), 1).bytes();
    List<byte[]> frames = new ArrayList<>(old.frames);
    frames.add(data);
    for (byte[] frame : frames) {
      for (int phase = 1; phase <= 4; phase++) {
        for (boolean renamed : new boolean[] {false, true}) {
          Run fresh = phase == 4 ? new Run(12).up() : new Run(12).to(phase);
          byte[] spliced = frame.clone();
          if (renamed && frame[0] != SessionLayout.HELLO && fresh.frames.size() > 1) {
            System.arraycopy(
                fresh.frames.get(1),
                SessionLayout.SESSION_AT,
                spliced,
                SessionLayout.SESSION_AT,
                Long.BYTES);
          }
          Outcome atClient = fresh.client.receive(spliced, 1);
          assertThat(atClient).isNotInstanceOf(Outcome.Delivered.class);
          assertThat(atClient).isNotInstanceOf(Outcome.Established.class);
          if (!(phase == 1 && frame[0] == SessionLayout.HELLO)) {
            // A HELLO of another time begins a handshake that nobody can finish.
            assertRejected(fresh.server.receive(spliced, 1));
          }
        }
      }
    }
  }

  @Test
  void aReplayedHelloLeadsNowhere() {
    Run old = new Run(13).up();
    Session server = Session.server(SERVER, OPTIONS, new SimEntropy(99), 0);
    assertThat(server.receive(old.frames.get(0), 0)).isInstanceOf(Outcome.Answer.class);
    assertRejected(server.receive(old.frames.get(2), 0));
    assertThat(server.isUp()).isFalse();
  }

  @Test
  void anotherServerThanTheOneExpectedIsRefused() {
    Session client = Session.client(CLIENT, EVE.key(), OPTIONS, new SimEntropy(1), 0);
    Session server = Session.server(SERVER, OPTIONS, new SimEntropy(2), 0);
    byte[] welcome = frame(server.receive(client.hello().bytes(), 0));
    assertThat(client.receive(welcome, 0))
        .isInstanceOfSatisfying(
            Outcome.Ended.class,
            ended -> assertThat(ended.reason()).isEqualTo(DropReason.WRONG_IDENTITY));
  }

  /**
   * Eve sees everything and signs in her own name what the client signed (identity misbinding): the
   * MAC under the shared secret names her key, and she cannot make it.
   */
  @Test
  void nobodyCanPutHisNameOnAnothersHandshake() {
    Run run = new Run(14).to(3);
    byte[] welcome = run.frames.get(1);
    byte[] finish = run.frames.get(2).clone();
    EVE.key().copyTo(finish, SessionLayout.FINISH_IDENTITY_AT);
    Hash32 first =
        Hashes.tagged(
            SessionLayout.TRANSCRIPT_TAG,
            run.frames.get(0),
            Arrays.copyOf(welcome, SessionLayout.WELCOME_SIGNATURE_AT));
    Hash32 whole =
        Hashes.tagged(
            SessionLayout.TRANSCRIPT_TAG,
            first.toBytes(),
            Arrays.copyOfRange(
                welcome, SessionLayout.WELCOME_SIGNATURE_AT, SessionLayout.WELCOME_BYTES),
            Arrays.copyOf(finish, SessionLayout.FINISH_SIGNATURE_AT));
    byte[] signature = EVE.sign(Hashes.tagged(SessionLayout.CLIENT_TAG, whole));
    System.arraycopy(signature, 0, finish, SessionLayout.FINISH_SIGNATURE_AT, 64);
    assertThat(run.server.receive(finish, 0))
        .isEqualTo(new Outcome.Ended(DropReason.BAD_MAC, "of FINISH"));
  }

  /** Eve in the middle runs a handshake with each side; each learns that it talks to Eve. */
  @Test
  void whoSitsInTheMiddleCanOnlyBeHimself() {
    Session client = Session.client(CLIENT, null, OPTIONS, new SimEntropy(1), 0);
    Session eveAsServer = Session.server(EVE, OPTIONS, new SimEntropy(2), 0);
    byte[] finish = frame(client.receive(frame(eveAsServer.receive(client.hello().bytes(), 0)), 0));
    byte[] ready = frame(eveAsServer.receive(finish, 0));
    assertThat(client.receive(ready, 0)).isEqualTo(new Outcome.Established(EVE.key(), null));

    Session server = Session.server(SERVER, OPTIONS, new SimEntropy(3), 0);
    Session eveAsClient = Session.client(EVE, null, OPTIONS, new SimEntropy(4), 0);
    byte[] welcome = frame(server.receive(eveAsClient.hello().bytes(), 0));
    byte[] evesFinish = frame(eveAsClient.receive(welcome, 0));
    // The client's proof, which names Eve, does not convince the server.
    byte[] spliced = evesFinish.clone();
    System.arraycopy(
        finish,
        SessionLayout.FINISH_IDENTITY_AT,
        spliced,
        SessionLayout.FINISH_IDENTITY_AT,
        SessionLayout.FINISH_BYTES - SessionLayout.FINISH_IDENTITY_AT);
    assertRejected(server.receive(spliced, 0));
    assertThat(server.isUp()).isFalse();
  }

  @Test
  void sharesOfSmallOrderAreRefused() {
    for (int value : new int[] {0, 1}) {
      byte[] hello = new Run(15).frames.getFirst().clone();
      Arrays.fill(hello, 8, 40, (byte) 0);
      hello[8] = (byte) value;
      assertThat(Session.server(SERVER, OPTIONS, new SimEntropy(1), 0).receive(hello, 0))
          .isEqualTo(new Outcome.Ended(DropReason.BAD_KEY_SHARE, "a share of small order"));
    }
  }

  @Property(tries = 2000)
  void anyBytesInAnyPhaseAreRejectedWithoutAnException(
      @ForAll @Size(max = 250) byte[] bytes,
      @ForAll @IntRange(min = 0, max = 7) int kind,
      @ForAll @IntRange(min = 0, max = 4) int phase,
      @ForAll @IntRange(min = 0, max = 4) int shape) {
    Run run = phase == 4 ? new Run(16).up() : new Run(16).to(Math.max(1, phase));
    byte[] frame =
        switch (shape) {
          case 0 -> bytes;
          case 1 -> Arrays.copyOf(bytes, SessionLayout.WELCOME_BYTES);
          case 2 -> Arrays.copyOf(bytes, SessionLayout.FINISH_BYTES);
          default -> Arrays.copyOf(bytes, Math.max(8, bytes.length));
        };
    if (shape > 0) {
      Arrays.fill(frame, 0, SessionLayout.PREFIX_BYTES, (byte) 0);
      frame[0] = (byte) kind;
      frame[1] = SessionLayout.VERSION;
    }
    assertRejected(run.client.receive(frame.clone(), 1));
    Outcome atServer = run.server.receive(frame, 1);
    assertThat(atServer).isNotInstanceOf(Outcome.Delivered.class);
    assertThat(atServer).isNotInstanceOf(Outcome.Established.class);
  }

  @Test
  void aServerThatForgotTheSessionSaysSoOnceAndTheClientGoes() {
    Run run = new Run(17).up();
    Session restarted = Session.server(SERVER, OPTIONS, new SimEntropy(5), 0);
    byte[] data = run.client.seal(body("hello?"), 1).bytes();
    assertThat(restarted.receive(data, 1))
        .isInstanceOfSatisfying(
            Outcome.Refused.class,
            refused -> {
              assertThat(refused.reason()).isEqualTo(DropReason.UNKNOWN_SESSION);
              assertThat(run.client.receive(refused.frame().bytes(), 1))
                  .isInstanceOfSatisfying(
                      Outcome.Ended.class,
                      ended -> assertThat(ended.reason()).isEqualTo(DropReason.PEER_RESET));
            });
    assertThat(restarted.receive(data, 1)).isInstanceOf(Outcome.Ended.class);
  }

  @Test
  void aResetOfAnotherSessionIsIgnored() {
    Run run = new Run(18).up();
    byte[] reset = new byte[SessionLayout.RESET_BYTES];
    reset[0] = SessionLayout.RESET;
    reset[1] = SessionLayout.VERSION;
    LittleEndian.putLong(reset, SessionLayout.SESSION_AT, 12345);
    assertThat(run.client.receive(reset, 1)).isInstanceOf(Outcome.Refused.class);
    assertThat(run.client.isUp()).isTrue();
  }

  @Test
  void deadlinesEndWhatDoesNotMoveAndPingsKeepWhatIsQuiet() {
    for (int phase = 1; phase <= 3; phase++) {
      Run run = new Run(19).to(phase);
      assertThat(run.client.tick(5 * SECOND - 1)).isEqualTo(Outcome.QUIET);
      assertThat(run.client.tick(5 * SECOND))
          .isInstanceOfSatisfying(
              Outcome.Ended.class,
              ended -> assertThat(ended.reason()).isEqualTo(DropReason.HANDSHAKE_TIMEOUT));
    }
    Run run = new Run(20).up();
    assertThat(run.client.ping(3 * SECOND - 1)).isNull();
    for (long now = 3 * SECOND; now < 60 * SECOND; now += 3 * SECOND) {
      Blob ping = run.client.ping(now);
      assertThat(run.server.receive(ping.bytes(), now)).isEqualTo(Outcome.QUIET);
      assertThat(run.server.tick(now)).isEqualTo(Outcome.QUIET);
    }
    assertThat(run.client.tick(15 * SECOND))
        .isInstanceOfSatisfying(
            Outcome.Ended.class,
            ended -> assertThat(ended.reason()).isEqualTo(DropReason.IDLE_TIMEOUT));
    // A forged ping is no sign of life.
    assertThat(run.client.isUp()).isFalse();
  }

  @Test
  void aClosedSessionSealsAndAcceptsNothing() {
    Run run = new Run(21).up();
    byte[] frame = run.server.seal(body("late"), 1).bytes();
    run.client.close();
    run.client.close();
    assertRejected(run.client.receive(frame, 1));
    assertThatThrownBy(() -> run.client.seal(body("x"), 1))
        .isInstanceOf(IllegalStateException.class);
    assertThat(run.client.ping(100 * SECOND)).isNull();
  }

  /** The bytes of version 1, which never change; docs/format/session.md shows the same ones. */
  @Test
  void golden() throws IOException {
    Run run = new Run(0).up();
    StringBuilder lines = new StringBuilder();
    String[] names = {"hello", "welcome", "finish", "ready"};
    for (int i = 0; i < names.length; i++) {
      line(lines, names[i], run.frames.get(i));
    }
    line(lines, "data.client", run.client.seal(body("to the server"), 0).bytes());
    line(lines, "data.server", run.server.seal(body("to the client"), 0).bytes());
    line(lines, "ping.client", run.client.ping(3 * SECOND).bytes());
    Session restarted = Session.server(SERVER, OPTIONS, new SimEntropy(5), 0);
    Outcome reset = restarted.receive(run.client.seal(new byte[0], 0).bytes(), 0);
    line(lines, "reset", ((Outcome.Refused) reset).frame().bytes());
    try (InputStream in = SessionPropertyTest.class.getResourceAsStream("/golden/v1/session.txt")) {
      assertThat(lines.toString())
          .isEqualTo(new String(in.readAllBytes(), StandardCharsets.US_ASCII));
    }
  }

  private static void line(StringBuilder lines, String name, byte[] bytes) {
    lines.append(name).append(' ').append(HexFormat.of().formatHex(bytes)).append('\n');
  }
}
