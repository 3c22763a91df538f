package io.capsuledb.replication.session;

import static io.capsuledb.replication.session.SessionLayout.BODY_AT;
import static io.capsuledb.replication.session.SessionLayout.CLIENT_TAG;
import static io.capsuledb.replication.session.SessionLayout.CONFIRM_INFO;
import static io.capsuledb.replication.session.SessionLayout.COUNTER_AT;
import static io.capsuledb.replication.session.SessionLayout.DATA;
import static io.capsuledb.replication.session.SessionLayout.FINISH;
import static io.capsuledb.replication.session.SessionLayout.FINISH_BYTES;
import static io.capsuledb.replication.session.SessionLayout.FINISH_IDENTITY_AT;
import static io.capsuledb.replication.session.SessionLayout.FINISH_MAC_AT;
import static io.capsuledb.replication.session.SessionLayout.FINISH_SIGNATURE_AT;
import static io.capsuledb.replication.session.SessionLayout.FRAME_INFO;
import static io.capsuledb.replication.session.SessionLayout.HELLO;
import static io.capsuledb.replication.session.SessionLayout.HELLO_BYTES;
import static io.capsuledb.replication.session.SessionLayout.HELLO_NONCE_AT;
import static io.capsuledb.replication.session.SessionLayout.HELLO_SHARE_AT;
import static io.capsuledb.replication.session.SessionLayout.MAC_BYTES;
import static io.capsuledb.replication.session.SessionLayout.MAX_BODY_BYTES;
import static io.capsuledb.replication.session.SessionLayout.NONCE_BYTES;
import static io.capsuledb.replication.session.SessionLayout.OVERHEAD_BYTES;
import static io.capsuledb.replication.session.SessionLayout.PING;
import static io.capsuledb.replication.session.SessionLayout.PREFIX_BYTES;
import static io.capsuledb.replication.session.SessionLayout.RESERVED_AT;
import static io.capsuledb.replication.session.SessionLayout.RESET;
import static io.capsuledb.replication.session.SessionLayout.RESET_BYTES;
import static io.capsuledb.replication.session.SessionLayout.SERVER_TAG;
import static io.capsuledb.replication.session.SessionLayout.SESSION_AT;
import static io.capsuledb.replication.session.SessionLayout.TO_CLIENT_TAG;
import static io.capsuledb.replication.session.SessionLayout.TO_SERVER_TAG;
import static io.capsuledb.replication.session.SessionLayout.TRANSCRIPT_TAG;
import static io.capsuledb.replication.session.SessionLayout.VERSION;
import static io.capsuledb.replication.session.SessionLayout.VERSION_AT;
import static io.capsuledb.replication.session.SessionLayout.WELCOME;
import static io.capsuledb.replication.session.SessionLayout.WELCOME_BYTES;
import static io.capsuledb.replication.session.SessionLayout.WELCOME_IDENTITY_AT;
import static io.capsuledb.replication.session.SessionLayout.WELCOME_MAC_AT;
import static io.capsuledb.replication.session.SessionLayout.WELCOME_NONCE_AT;
import static io.capsuledb.replication.session.SessionLayout.WELCOME_SHARE_AT;
import static io.capsuledb.replication.session.SessionLayout.WELCOME_SIGNATURE_AT;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.Hkdf;
import io.capsuledb.core.crypto.Hmac;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.replication.protocol.Blob;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One side of an authenticated session over one link: SIGMA (Krawczyk, CRYPTO 2003) with X25519 and
 * secp256k1, then frames with a MAC and a counter. docs/format/session.md has the bytes.
 *
 * <pre>
 *   client                                    server
 *   HELLO   share, nonce                 →
 *                                        ←    WELCOME  session, share, nonce, key, signature, MAC
 *   FINISH  session, key, signature, MAC →             (the client is authenticated)
 *                                        ←    PING 1   (the client knows it: established)
 *   DATA, PING                           ↔    DATA, PING
 * </pre>
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Established implies: the peer holds the private key of {@code peer}, signed both nonces and
 *       both shares of this session in the opposite role, and derived the same keys; and it is the
 *       key that was expected, if one was.
 *   <li>Accepted counters of a direction grow strictly. Gaps are allowed: media may lose frames,
 *       and an attacker who can lose them gains nothing here that he has not by cutting the link.
 *   <li>Whatever bytes arrive, {@link #receive} returns; after {@link Outcome.Ended} it accepts
 *       nothing.
 * </ul>
 *
 * <p>No thread, clock or randomness of its own. The receiving half ({@link #receive}, {@link
 * #tick}) and the sending half ({@link #seal}, {@link #ping}) may be used by two threads at once,
 * each by one at a time; {@link #close} needs both.
 */
final class Session implements AutoCloseable {

  /** Most bytes of a body. */
  public static final int MAX_BYTES = MAX_BODY_BYTES;

  private enum Phase {
    AWAIT_HELLO,
    AWAIT_WELCOME,
    AWAIT_FINISH,
    AWAIT_READY,
    UP,
    ENDED
  }

  private final boolean client;
  private final Identity self;
  private final @Nullable PublicKey expected;
  private final SessionOptions options;
  private final Entropy entropy;
  private final long startedAt;

  private volatile Phase phase;
  private volatile boolean closed;
  private long id;
  private @Nullable PublicKey peer;
  private boolean resetSent;

  /** The client's, until WELCOME. */
  private @Nullable SecretBytes ephemeral;

  private byte[] hello = {};

  /** The server's, between HELLO and FINISH. */
  private @Nullable SecretBytes shared;

  private @Nullable Hash32 first;
  private byte[] proof = {};

  private @Nullable SecretBytes inKey;
  private @Nullable SecretBytes outKey;
  private long inCounter;
  private long outCounter;
  private long receivedAt;
  private volatile long sentAt;

  private Session(
      boolean client,
      Identity self,
      @Nullable PublicKey expected,
      SessionOptions options,
      Entropy entropy,
      long now) {
    this.client = client;
    this.self = self;
    this.expected = expected;
    this.options = options;
    this.entropy = entropy;
    startedAt = now;
    receivedAt = now;
    sentAt = now;
    phase = client ? Phase.AWAIT_WELCOME : Phase.AWAIT_HELLO;
  }

  /**
   * The side that made the link; {@link #hello} is its first frame.
   *
   * @param expected the only key the peer may prove to have; null for any
   * @param now monotonic nanoseconds
   */
  static Session client(
      Identity self,
      @Nullable PublicKey expected,
      SessionOptions options,
      Entropy entropy,
      long now) {
    Session session = new Session(true, self, expected, options, entropy, now);
    session.ephemeral = session.draw(X25519.BYTES);
    session.hello = frame(HELLO, HELLO_BYTES);
    byte[] share = X25519.publicKey(session.ephemeral);
    System.arraycopy(share, 0, session.hello, HELLO_SHARE_AT, X25519.BYTES);
    session.drawInto(session.hello, HELLO_NONCE_AT);
    return session;
  }

  /** The side that waits for a HELLO. */
  static Session server(Identity self, SessionOptions options, Entropy entropy, long now) {
    return new Session(false, self, null, options, entropy, now);
  }

  /** The client's first frame. */
  Blob hello() {
    return Blob.of(hello.clone());
  }

  /** Whether both sides have proved who they are, and it is not over. */
  boolean isUp() {
    return phase == Phase.UP && !closed;
  }

  /** Who the peer proved to be; null before. */
  @Nullable PublicKey peer() {
    return peer;
  }

  /** Whether a frame of this kind costs public-key operations. Any bytes. */
  static boolean isHandshake(byte[] frame) {
    return frame.length > 0 && frame[0] >= HELLO && frame[0] <= FINISH;
  }

  // ------------------------------------------------------------------ receiving

  /** Takes a frame: any bytes at all. */
  Outcome receive(byte[] frame, long now) {
    if (phase == Phase.ENDED || closed) {
      return new Outcome.Refused(DropReason.UNEXPECTED, null);
    }
    if (frame.length > MAX_BODY_BYTES + OVERHEAD_BYTES) {
      return end(DropReason.OVERSIZED, frame.length + " bytes");
    }
    if (frame.length < PREFIX_BYTES) {
      return end(DropReason.MALFORMED, frame.length + " bytes");
    }
    if (frame[VERSION_AT] != VERSION) {
      return end(DropReason.VERSION, "version " + (frame[VERSION_AT] & 0xff));
    }
    for (int i = RESERVED_AT; i < PREFIX_BYTES; i++) {
      if (frame[i] != 0) {
        return end(DropReason.MALFORMED, "reserved byte " + i);
      }
    }
    return switch (frame[0]) {
      case HELLO -> takes(frame, HELLO_BYTES, Phase.AWAIT_HELLO, () -> onHello(frame));
      case WELCOME -> takes(frame, WELCOME_BYTES, Phase.AWAIT_WELCOME, () -> onWelcome(frame));
      case FINISH -> takes(frame, FINISH_BYTES, Phase.AWAIT_FINISH, () -> onFinish(frame, now));
      case DATA, PING -> onFrame(frame, now);
      case RESET -> onReset(frame);
      default -> end(DropReason.UNKNOWN_KIND, "kind " + (frame[0] & 0xff));
    };
  }

  private interface Handler {
    Outcome run();
  }

  private Outcome takes(byte[] frame, int length, Phase wanted, Handler handler) {
    if (frame.length != length) {
      return end(DropReason.MALFORMED, "a handshake of " + frame.length + " bytes");
    }
    if (phase != wanted) {
      return stray(frame);
    }
    return handler.run();
  }

  /**
   * A frame that has no place here. A server that has just begun tells whoever talks of an older
   * session that it is gone, once; anything else ends the link.
   */
  private Outcome stray(byte[] frame) {
    if (phase == Phase.AWAIT_HELLO && frame[0] != WELCOME && frame[0] != HELLO && !resetSent) {
      resetSent = true;
      byte[] reset = frame(RESET, RESET_BYTES);
      System.arraycopy(frame, SESSION_AT, reset, SESSION_AT, Long.BYTES);
      return new Outcome.Refused(DropReason.UNKNOWN_SESSION, Blob.of(reset));
    }
    return end(DropReason.UNEXPECTED, "kind " + frame[0] + " in phase " + phase);
  }

  private Outcome onHello(byte[] frame) {
    byte[] share = Arrays.copyOfRange(frame, HELLO_SHARE_AT, HELLO_SHARE_AT + X25519.BYTES);
    byte[] welcome = frame(WELCOME, WELCOME_BYTES);
    try (SecretBytes own = draw(X25519.BYTES)) {
      @Nullable SecretBytes secret = X25519.agree(own, share).orElse(null);
      if (secret == null) {
        return end(DropReason.BAD_KEY_SHARE, "a share of small order");
      }
      shared = secret;
      System.arraycopy(X25519.publicKey(own), 0, welcome, WELCOME_SHARE_AT, X25519.BYTES);
    }
    id = drawId();
    LittleEndian.putLong(welcome, SESSION_AT, id);
    drawInto(welcome, WELCOME_NONCE_AT);
    self.key().copyTo(welcome, WELCOME_IDENTITY_AT);
    Hash32 transcript =
        Hashes.tagged(TRANSCRIPT_TAG, frame, Arrays.copyOf(welcome, WELCOME_SIGNATURE_AT));
    byte[] signature = self.sign(Hashes.tagged(SERVER_TAG, transcript));
    System.arraycopy(signature, 0, welcome, WELCOME_SIGNATURE_AT, signature.length);
    byte[] mac = confirm(shared, transcript, SERVER_TAG, signature);
    System.arraycopy(mac, 0, welcome, WELCOME_MAC_AT, MAC_BYTES);
    first = transcript;
    proof = Arrays.copyOfRange(welcome, WELCOME_SIGNATURE_AT, WELCOME_BYTES);
    phase = Phase.AWAIT_FINISH;
    return new Outcome.Answer(Blob.of(welcome));
  }

  private Outcome onWelcome(byte[] frame) {
    byte[] share = Arrays.copyOfRange(frame, WELCOME_SHARE_AT, WELCOME_SHARE_AT + X25519.BYTES);
    @Nullable SecretBytes own = ephemeral;
    ephemeral = null;
    if (own == null) {
      throw new AssertionError("a client that awaits a WELCOME has its ephemeral key");
    }
    @Nullable SecretBytes secret;
    try (own) {
      secret = X25519.agree(own, share).orElse(null);
    }
    if (secret == null) {
      return end(DropReason.BAD_KEY_SHARE, "a share of small order");
    }
    try (secret) {
      Hash32 transcript =
          Hashes.tagged(TRANSCRIPT_TAG, hello, Arrays.copyOf(frame, WELCOME_SIGNATURE_AT));
      byte[] signature = Arrays.copyOfRange(frame, WELCOME_SIGNATURE_AT, WELCOME_MAC_AT);
      if (!macIs(frame, WELCOME_MAC_AT, confirm(secret, transcript, SERVER_TAG, signature))) {
        return end(DropReason.BAD_MAC, "of WELCOME");
      }
      if (!(PublicKey.decode(frame, WELCOME_IDENTITY_AT)
              instanceof Decoded.Accepted<PublicKey>(PublicKey key))
          || !Secp256k1.best().verify(Hashes.tagged(SERVER_TAG, transcript), signature, 0, key)) {
        return end(DropReason.BAD_SIGNATURE, "of WELCOME");
      }
      if (expected != null && !expected.equals(key)) {
        return end(DropReason.WRONG_IDENTITY, "expected " + expected + ", found " + key);
      }
      peer = key;
      id = LittleEndian.getLong(frame, SESSION_AT);
      byte[] finish = frame(FINISH, FINISH_BYTES);
      LittleEndian.putLong(finish, SESSION_AT, id);
      self.key().copyTo(finish, FINISH_IDENTITY_AT);
      Hash32 whole =
          whole(transcript, Arrays.copyOfRange(frame, WELCOME_SIGNATURE_AT, WELCOME_BYTES), finish);
      byte[] own64 = self.sign(Hashes.tagged(CLIENT_TAG, whole));
      System.arraycopy(own64, 0, finish, FINISH_SIGNATURE_AT, own64.length);
      byte[] mac = confirm(secret, whole, CLIENT_TAG, own64);
      System.arraycopy(mac, 0, finish, FINISH_MAC_AT, MAC_BYTES);
      deriveFrameKeys(secret, whole);
      phase = Phase.AWAIT_READY;
      return new Outcome.Answer(Blob.of(finish));
    }
  }

  private Outcome onFinish(byte[] frame, long now) {
    if (LittleEndian.getLong(frame, SESSION_AT) != id) {
      return end(DropReason.UNKNOWN_SESSION, "in FINISH");
    }
    @Nullable SecretBytes secret = shared;
    @Nullable Hash32 transcript = first;
    if (secret == null || transcript == null) {
      throw new AssertionError("a server that awaits a FINISH has the shared secret");
    }
    shared = null;
    try (secret) {
      Hash32 whole = whole(transcript, proof, frame);
      byte[] signature = Arrays.copyOfRange(frame, FINISH_SIGNATURE_AT, FINISH_MAC_AT);
      if (!macIs(frame, FINISH_MAC_AT, confirm(secret, whole, CLIENT_TAG, signature))) {
        return end(DropReason.BAD_MAC, "of FINISH");
      }
      if (!(PublicKey.decode(frame, FINISH_IDENTITY_AT)
              instanceof Decoded.Accepted<PublicKey>(PublicKey key))
          || !Secp256k1.best().verify(Hashes.tagged(CLIENT_TAG, whole), signature, 0, key)) {
        return end(DropReason.BAD_SIGNATURE, "of FINISH");
      }
      peer = key;
      deriveFrameKeys(secret, whole);
      receivedAt = now;
      phase = Phase.UP;
      return new Outcome.Established(key, sealed(PING, new byte[0], now));
    }
  }

  private Outcome onFrame(byte[] frame, long now) {
    if (frame.length < OVERHEAD_BYTES || (frame[0] == PING && frame.length != OVERHEAD_BYTES)) {
      return end(DropReason.MALFORMED, "a frame of " + frame.length + " bytes");
    }
    @Nullable SecretBytes key = inKey;
    if (key == null || (phase != Phase.UP && phase != Phase.AWAIT_READY)) {
      return stray(frame);
    }
    if (LittleEndian.getLong(frame, SESSION_AT) != id) {
      return end(DropReason.UNKNOWN_SESSION, "in a frame");
    }
    byte[] header = Arrays.copyOf(frame, BODY_AT);
    byte[] body = Arrays.copyOfRange(frame, BODY_AT, frame.length - MAC_BYTES);
    byte[] mac = Hmac.sha256(key.expose(), client ? TO_CLIENT_TAG : TO_SERVER_TAG, header, body);
    if (!macIs(frame, frame.length - MAC_BYTES, mac)) {
      return end(DropReason.BAD_MAC, "of a frame of " + frame.length + " bytes");
    }
    long counter = LittleEndian.getLong(frame, COUNTER_AT);
    if (counter <= inCounter) {
      return new Outcome.Refused(DropReason.REPLAYED, null);
    }
    inCounter = counter;
    receivedAt = now;
    if (phase == Phase.AWAIT_READY) {
      if (frame[0] != PING) {
        // The server's first word was lost, or overtaken by this. Its next ping will do.
        return new Outcome.Refused(DropReason.UNEXPECTED, null);
      }
      @Nullable PublicKey proven = peer;
      if (proven == null) {
        throw new AssertionError("the server's key is known since WELCOME");
      }
      phase = Phase.UP;
      return new Outcome.Established(proven, null);
    }
    return frame[0] == PING ? Outcome.QUIET : new Outcome.Delivered(Blob.of(body));
  }

  /**
   * Somebody says the peer does not know the session. Nothing proves it, so nothing follows but
   * what whoever can write to the link can do anyway: it ends. Only the current session can be
   * meant.
   */
  private Outcome onReset(byte[] frame) {
    if (frame.length != RESET_BYTES) {
      return end(DropReason.MALFORMED, "a reset of " + frame.length + " bytes");
    }
    boolean ours = inKey != null && LittleEndian.getLong(frame, SESSION_AT) == id;
    return ours
        ? end(DropReason.PEER_RESET, "the peer does not know the session")
        : new Outcome.Refused(DropReason.UNKNOWN_SESSION, null);
  }

  /** Looks at the deadlines. */
  Outcome tick(long now) {
    if (closed) {
      return Outcome.QUIET;
    }
    return switch (phase) {
      case ENDED -> Outcome.QUIET;
      case UP ->
          now - receivedAt >= nanos(options.idleMs())
              ? end(DropReason.IDLE_TIMEOUT, "nothing for " + options.idleMs() + " ms")
              : Outcome.QUIET;
      default ->
          now - startedAt >= nanos(options.handshakeMs())
              ? end(DropReason.HANDSHAKE_TIMEOUT, "in phase " + phase)
              : Outcome.QUIET;
    };
  }

  // ------------------------------------------------------------------ sending

  /**
   * The frame that carries {@code body}; to be sent in the order of these calls, or not at all.
   *
   * @throws IllegalStateException if the session is not up
   * @throws IllegalArgumentException if the body has more than {@link #MAX_BYTES}
   */
  Blob seal(byte[] body, long now) {
    if (body.length > MAX_BODY_BYTES) {
      throw new IllegalArgumentException(
          "a body has at most " + MAX_BODY_BYTES + " bytes, not " + body.length);
    }
    if (!isUp()) {
      throw new IllegalStateException("the session is not up");
    }
    return sealed(DATA, body, now);
  }

  /** A ping if nothing was sent for a while; null if it is not time, or the session not up. */
  @Nullable Blob ping(long now) {
    return isUp() && now - sentAt >= nanos(options.pingMs())
        ? sealed(PING, new byte[0], now)
        : null;
  }

  private Blob sealed(byte kind, byte[] body, long now) {
    @Nullable SecretBytes key = outKey;
    if (key == null || outCounter == Long.MAX_VALUE) {
      throw new IllegalStateException("no key, or no counter left");
    }
    byte[] header = frame(kind, BODY_AT);
    LittleEndian.putLong(header, SESSION_AT, id);
    LittleEndian.putLong(header, COUNTER_AT, ++outCounter);
    byte[] mac = Hmac.sha256(key.expose(), client ? TO_SERVER_TAG : TO_CLIENT_TAG, header, body);
    byte[] frame = Arrays.copyOf(header, OVERHEAD_BYTES + body.length);
    System.arraycopy(body, 0, frame, BODY_AT, body.length);
    System.arraycopy(mac, 0, frame, BODY_AT + body.length, MAC_BYTES);
    sentAt = now;
    return Blob.of(frame);
  }

  /** Clears the keys. Idempotent. */
  @Override
  public void close() {
    closed = true;
    clear(ephemeral);
    clear(shared);
    clear(inKey);
    clear(outKey);
  }

  // ------------------------------------------------------------------ parts

  private Outcome end(DropReason reason, String detail) {
    phase = Phase.ENDED;
    return new Outcome.Ended(reason, detail);
  }

  private static Hash32 whole(Hash32 transcript, byte[] serverProof, byte[] finish) {
    return Hashes.tagged(
        TRANSCRIPT_TAG,
        transcript.toBytes(),
        serverProof,
        Arrays.copyOf(finish, FINISH_SIGNATURE_AT));
  }

  /** The MAC by which a side shows that it has the shared secret and means its own identity. */
  private static byte[] confirm(
      SecretBytes secret, Hash32 transcript, byte[] roleTag, byte[] signature) {
    try (SecretBytes key =
        Hkdf.sha256(secret, transcript.toBytes(), join(CONFIRM_INFO, roleTag), 32)) {
      return Hmac.sha256(key.expose(), roleTag, transcript.toBytes(), signature);
    }
  }

  private void deriveFrameKeys(SecretBytes secret, Hash32 whole) {
    byte[] salt = whole.toBytes();
    SecretBytes toServer = Hkdf.sha256(secret, salt, join(FRAME_INFO, TO_SERVER_TAG), 32);
    SecretBytes toClient = Hkdf.sha256(secret, salt, join(FRAME_INFO, TO_CLIENT_TAG), 32);
    inKey = client ? toClient : toServer;
    outKey = client ? toServer : toClient;
  }

  private static boolean macIs(byte[] frame, int at, byte[] mac) {
    return MessageDigest.isEqual(
        Arrays.copyOfRange(frame, at, at + MAC_BYTES), Arrays.copyOf(mac, MAC_BYTES));
  }

  private static byte[] join(byte[] left, byte[] right) {
    byte[] joined = Arrays.copyOf(left, left.length + right.length);
    System.arraycopy(right, 0, joined, left.length, right.length);
    return joined;
  }

  private static byte[] frame(byte kind, int length) {
    byte[] frame = new byte[length];
    frame[0] = kind;
    frame[VERSION_AT] = VERSION;
    return frame;
  }

  private SecretBytes draw(int length) {
    byte[] bytes = new byte[length];
    entropy.fill(bytes);
    return SecretBytes.own(bytes);
  }

  private void drawInto(byte[] target, int at) {
    byte[] nonce = new byte[NONCE_BYTES];
    entropy.fill(nonce);
    System.arraycopy(nonce, 0, target, at, NONCE_BYTES);
  }

  private long drawId() {
    byte[] bytes = new byte[Long.BYTES];
    entropy.fill(bytes);
    return LittleEndian.getLong(bytes, 0);
  }

  private static void clear(@Nullable SecretBytes secret) {
    if (secret != null) {
      secret.close();
    }
  }

  private static long nanos(long ms) {
    return TimeUnit.MILLISECONDS.toNanos(ms);
  }
}
