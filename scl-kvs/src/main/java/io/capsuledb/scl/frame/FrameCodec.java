package io.capsuledb.scl.frame;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.Hkdf;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Frames of one worker: seals what it says, opens what others say.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a pair of frame key and nonce is used once: the nonce is the sender's writer index, which
 *       no other process ever has, and a counter that only grows; at its end the worker is refused
 *       to say more and has to go on as a new writer;
 *   <li>nothing of a frame is looked at before its tag was verified, but the fields that say which
 *       key to verify it with;
 *   <li>a frame passes once ({@link ReplayWindow}).
 * </ul>
 *
 * <p>One thread at a time.
 */
public final class FrameCodec implements AutoCloseable {

  private static final byte[] KEY_INFO =
      "capsuledb/v1/scl/frame".getBytes(StandardCharsets.US_ASCII);

  private final CapsuleName capsule;
  private final byte[] capsulePrefix;
  private final KeyRing keys;
  private final int generation;
  private final long writer;
  private final Map<Integer, Aead> ciphers = new HashMap<>();
  private final ReplayWindow window = new ReplayWindow();
  private long counter;

  /**
   * The frames of a worker.
   *
   * @param keys the generations it reads frames of; closed by the caller, after this
   * @param generation the one it writes in
   * @param writer its index
   */
  public FrameCodec(CapsuleName capsule, KeyRing keys, int generation, long writer) {
    this.capsule = capsule;
    this.capsulePrefix = Arrays.copyOf(capsule.toBytes(), FrameLayout.CAPSULE_BYTES);
    this.keys = keys;
    this.generation = generation;
    this.writer = writer;
  }

  /**
   * The bytes of a frame.
   *
   * @param receiver whom it is for; 0: everybody
   * @throws UnavailableException if this writer has sent as many frames as it may
   */
  public byte[] seal(long receiver, SclMessage message) {
    if (counter >= FrameLayout.MAX_COUNTER) {
      throw new UnavailableException("this worker has sent 2^32 frames and goes on as a new one");
    }
    byte[] body = MessageCodec.encode(message);
    int length = FrameLayout.HEADER_BYTES + body.length + Aead.TAG_BYTES;
    if (length > FrameLayout.MAX_FRAME_BYTES) {
      throw new IllegalArgumentException("a frame of " + length + " bytes");
    }
    counter++;
    byte[] frame = new byte[length];
    frame[FrameLayout.FORMAT_OFFSET] = FrameLayout.FORMAT;
    LittleEndian.putInt(frame, FrameLayout.GENERATION_OFFSET, generation);
    System.arraycopy(
        capsulePrefix, 0, frame, FrameLayout.CAPSULE_OFFSET, FrameLayout.CAPSULE_BYTES);
    LittleEndian.putLong(frame, FrameLayout.SENDER_OFFSET, writer);
    LittleEndian.putLong(frame, FrameLayout.RECEIVER_OFFSET, receiver);
    LittleEndian.putLong(frame, FrameLayout.COUNTER_OFFSET, counter);
    cipher(generation)
        .seal(
            nonce(writer, counter),
            frame,
            0,
            FrameLayout.HEADER_BYTES,
            body,
            0,
            body.length,
            frame,
            FrameLayout.HEADER_BYTES);
    return frame;
  }

  /**
   * Opens a frame. Takes any bytes.
   *
   * @return the frame, or why it is none; a frame of this worker itself, or one for another worker,
   *     is MISPLACED, and one that was seen before a SEQUENCE_GAP
   */
  public Decoded<Frame> open(byte[] frame) {
    Rejection malformed = malformed(frame);
    if (malformed != null) {
      return new Decoded.Rejected<>(malformed);
    }
    int frameGeneration = LittleEndian.getInt(frame, FrameLayout.GENERATION_OFFSET);
    long sender = LittleEndian.getLong(frame, FrameLayout.SENDER_OFFSET);
    long receiver = LittleEndian.getLong(frame, FrameLayout.RECEIVER_OFFSET);
    long number = LittleEndian.getLong(frame, FrameLayout.COUNTER_OFFSET);
    if (sender == writer || (receiver != 0 && receiver != writer)) {
      return Decoded.reject(Reason.MISPLACED, "frame for another worker");
    }
    byte[] body = new byte[frame.length - FrameLayout.HEADER_BYTES - Aead.TAG_BYTES];
    int opened =
        cipher(frameGeneration)
            .open(
                nonce(sender, number),
                frame,
                0,
                FrameLayout.HEADER_BYTES,
                frame,
                FrameLayout.HEADER_BYTES,
                frame.length - FrameLayout.HEADER_BYTES,
                body,
                0);
    if (opened < 0) {
      return Decoded.reject(Reason.DECRYPTION, "frame of " + Long.toHexString(sender));
    }
    if (!window.pass(sender, number)) {
      return Decoded.reject(
          Reason.SEQUENCE_GAP, "frame " + number + " of " + Long.toHexString(sender) + " again");
    }
    return MessageCodec.decode(capsule, body, opened)
        .then(message -> Decoded.accept(new Frame(sender, receiver, number, message)));
  }

  private @Nullable Rejection malformed(byte[] frame) {
    if (frame.length < FrameLayout.MIN_FRAME_BYTES) {
      return Rejection.of(Reason.TRUNCATED, "frame of " + frame.length + " bytes");
    }
    if (frame.length > FrameLayout.MAX_FRAME_BYTES) {
      return Rejection.of(Reason.TOO_LARGE, "frame of " + frame.length + " bytes");
    }
    if (frame[FrameLayout.FORMAT_OFFSET] != FrameLayout.FORMAT) {
      return Rejection.of(
          Reason.UNKNOWN_FORMAT, "frame format " + frame[FrameLayout.FORMAT_OFFSET]);
    }
    for (int i = FrameLayout.RESERVED_OFFSET; i < FrameLayout.GENERATION_OFFSET; i++) {
      if (frame[i] != 0) {
        return Rejection.of(Reason.RESERVED_BITS, "frame byte " + i + " is not zero");
      }
    }
    if (LittleEndian.getInt(frame, FrameLayout.GENERATION_OFFSET) != generation) {
      // Not of an older one either: who has its keys may be anybody, and a frame is believed.
      return Rejection.of(Reason.KEY_GENERATION, "frame of a key generation that is not in force");
    }
    if (!Arrays.equals(
        frame,
        FrameLayout.CAPSULE_OFFSET,
        FrameLayout.SENDER_OFFSET,
        capsulePrefix,
        0,
        FrameLayout.CAPSULE_BYTES)) {
      return Rejection.of(Reason.MISPLACED, "frame of another capsule");
    }
    long sender = LittleEndian.getLong(frame, FrameLayout.SENDER_OFFSET);
    long receiver = LittleEndian.getLong(frame, FrameLayout.RECEIVER_OFFSET);
    long number = LittleEndian.getLong(frame, FrameLayout.COUNTER_OFFSET);
    if (sender < 1
        || sender > RosterEntry.MAX_WRITER
        || receiver < 0
        || receiver > RosterEntry.MAX_WRITER
        || number < 1
        || number > FrameLayout.MAX_COUNTER) {
      return Rejection.of(Reason.FIELD_OUT_OF_RANGE, "frame with a sender, receiver or counter");
    }
    return null;
  }

  private static byte[] nonce(long sender, long counter) {
    byte[] nonce = new byte[Aead.NONCE_BYTES];
    LittleEndian.putLong(nonce, 0, sender);
    LittleEndian.putInt(nonce, Long.BYTES, (int) counter);
    return nonce;
  }

  private Aead cipher(int ofGeneration) {
    return ciphers.computeIfAbsent(
        ofGeneration,
        g -> {
          try (SecretBytes key = key(keys, capsule, g)) {
            return Aead.aes256Gcm(key);
          }
        });
  }

  /**
   * The frame key of a generation: HKDF of the data key of the largest writer index, which no
   * writer draws, so that whoever can read records of a generation can read its frames.
   */
  static SecretBytes key(KeyRing keys, CapsuleName capsule, int generation) {
    try (SecretBytes root = keys.dataKey(generation, RosterEntry.MAX_WRITER)) {
      return Hkdf.sha256(root, capsule.toBytes(), KEY_INFO, Aead.KEY_BYTES);
    }
  }

  @Override
  public void close() {
    ciphers.values().forEach(Aead::close);
  }
}
