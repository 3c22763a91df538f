package io.capsuledb.scl.frame;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.session.Position;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Frames: made and opened, as documented, each once, and only by who holds the key. */
class FrameCodecTest {

  private static final SampleCapsule CAPSULE = SampleMessages.CAPSULE;
  private static final SclMessage GRANT =
      new SclMessage.Grant(
          3,
          List.of(new LockGrant(0x1122334455667788L, LockMode.EXCLUSIVE, 5)),
          List.of(new Position(77, 9)));

  private static FrameCodec codec(long writer) {
    return new FrameCodec(CAPSULE.name, CAPSULE.keys, 0, writer);
  }

  private static Reason reason(Decoded<Frame> decoded) {
    return decoded instanceof Decoded.Rejected<Frame>(Rejection rejection)
        ? rejection.reason()
        : null;
  }

  @Test
  void todaysCodeMakesTheGoldenBytesAndReadsThem() {
    try (FrameCodec sender = codec(0x5151);
        FrameCodec receiver = codec(0x4242)) {
      byte[] golden = Golden.bytes("frame-grant.hex");
      assertThat(sender.seal(0x4242, GRANT)).isEqualTo(golden);
      assertThat(receiver.open(golden).orThrow()).isEqualTo(new Frame(0x5151, 0x4242, 1, GRANT));
      assertThat(MessageCodec.encode(GRANT)).isEqualTo(Golden.bytes("frame-grant-body.hex"));
    }
  }

  @Test
  void theDocumentListsTheGoldenBytes() {
    assertThat(Golden.listed("frame.md", "frame-grant.hex"))
        .isEqualTo(Golden.bytes("frame-grant.hex"));
    assertThat(Golden.listed("frame.md", "frame-grant-body.hex"))
        .isEqualTo(Golden.bytes("frame-grant-body.hex"));
  }

  @Test
  void everyKindComesThrough() {
    SplittableRandom random = new SplittableRandom(1);
    try (FrameCodec sender = codec(1);
        FrameCodec receiver = codec(2)) {
      for (int i = 0; i < 500; i++) {
        SclMessage message = SampleMessages.of(i % SampleMessages.KINDS, random);
        Frame frame = receiver.open(sender.seal(i % 2 == 0 ? 0 : 2, message)).orThrow();
        assertThat(MessageCodec.encode(frame.message())).isEqualTo(MessageCodec.encode(message));
        assertThat(frame.counter()).isEqualTo(i + 1);
      }
    }
  }

  @Test
  void aFramePassesOnce() {
    try (FrameCodec sender = codec(1);
        FrameCodec receiver = codec(2)) {
      byte[] frame = sender.seal(0, GRANT);
      assertThat(receiver.open(frame.clone())).isInstanceOf(Decoded.Accepted.class);
      assertThat(reason(receiver.open(frame.clone()))).isEqualTo(Reason.SEQUENCE_GAP);
    }
  }

  @Test
  void othersFramesAreNotOpened() {
    try (FrameCodec sender = codec(1);
        FrameCodec receiver = codec(2)) {
      assertThat(reason(receiver.open(sender.seal(3, GRANT)))).isEqualTo(Reason.MISPLACED);
      assertThat(reason(sender.open(sender.seal(0, GRANT)))).isEqualTo(Reason.MISPLACED);
    }
  }

  @Test
  void everyBitIsAuthenticated() {
    try (FrameCodec sender = codec(1);
        FrameCodec receiver = codec(2)) {
      byte[] frame = sender.seal(0, GRANT);
      for (int bit = 0; bit < frame.length * Byte.SIZE; bit++) {
        byte[] altered = frame.clone();
        altered[bit / Byte.SIZE] ^= (byte) (1 << (bit % Byte.SIZE));
        assertThat(receiver.open(altered)).as("bit " + bit).isInstanceOf(Decoded.Rejected.class);
      }
      assertThat(receiver.open(frame)).isInstanceOf(Decoded.Accepted.class);
    }
  }

  @Test
  void anotherCapsulesKeyDoesNotOpen() {
    SampleCapsule other = new SampleCapsule(10, List.of(), 0);
    try (FrameCodec sender = new FrameCodec(CAPSULE.name, other.keys, 0, 1);
        FrameCodec receiver = codec(2)) {
      assertThat(reason(receiver.open(sender.seal(0, GRANT)))).isEqualTo(Reason.DECRYPTION);
    }
  }
}
