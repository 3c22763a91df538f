package io.capsuledb.host.channel;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.verdict.Verdict;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The challenge after the handshake, one side of it: docs/launch.md.
 *
 * <p>Invariants: {@link #established} is true only after the other side has answered this side's
 * nonce, if it has to, with evidence that was made for this very connection, and after this side
 * has answered the other's; nothing but challenge and answer, each once, is taken before.
 *
 * <p>One thread at a time.
 */
final class ChannelAttestation {

  /** First bytes of frames. */
  static final int CHALLENGE = 1;

  static final int ANSWER = 2;
  static final int NO_EVIDENCE = 3;
  static final int MESSAGE = 4;

  private static final int NONCE_BYTES = 32;
  private static final int MAX_EVIDENCE_BYTES = 1 << 16;
  private static final Octets TAG = ascii("attest/v1");
  private static final Octets NO_KEY = Octets.own(new byte[32]);

  private final TlsFacts facts;
  private final @Nullable Attester own;
  private final @Nullable PeerRules rules;
  private final boolean anonymousAllowed;
  private final Octets nonce;
  private boolean challenged;
  private boolean heard;
  private @Nullable Verdict peer;
  private @Nullable Octets shown;

  /**
   * One side.
   *
   * @param own makes this side's evidence; null if it has none
   * @param rules judge the other side's; null if it needs none
   * @param anonymousAllowed whether the other side may have no evidence, provided that it has no
   *     certificate
   */
  ChannelAttestation(
      TlsFacts facts,
      @Nullable Attester own,
      @Nullable PeerRules rules,
      boolean anonymousAllowed,
      Entropy entropy) {
    this.facts = facts;
    this.own = own;
    this.rules = rules;
    this.anonymousAllowed = anonymousAllowed;
    byte[] random = new byte[NONCE_BYTES];
    entropy.fill(random);
    this.nonce = Octets.own(random);
  }

  private static Octets ascii(String text) {
    return Octets.own(text.getBytes(StandardCharsets.US_ASCII));
  }

  static Octets frame(int type, Octets body) {
    return Octets.own(new byte[] {(byte) type}).then(body);
  }

  /** What this side sends first. */
  Octets challenge() {
    return frame(CHALLENGE, nonce);
  }

  /** What evidence that answers {@code nonce} has to be bound to. */
  static Octets reportData(
      boolean server, Octets nonce, Octets ownKey, Octets peerKey, Octets exporter) {
    return Digests.sha512(
        Octets.own(new byte[] {1}),
        TAG,
        Octets.own(new byte[] {(byte) (server ? 1 : 0)}),
        nonce,
        hash(ownKey),
        hash(peerKey),
        exporter);
  }

  private static Octets hash(Octets key) {
    return key.length() == 0 ? NO_KEY : Digests.sha256(key);
  }

  /**
   * Takes a frame of the other side.
   *
   * @return what to send, or null
   * @throws DeniedException if the other side is refused
   */
  @Nullable Octets take(Octets frame) {
    int type = frame.length() == 0 ? -1 : frame.unsignedByte(0);
    switch (type) {
      case CHALLENGE -> {
        if (challenged || frame.length() != 1 + NONCE_BYTES) {
          throw new DeniedException("a second challenge, or one of another length");
        }
        challenged = true;
        return answer(frame.from(1));
      }
      case ANSWER -> {
        once();
        judge(frame.from(1));
      }
      case NO_EVIDENCE -> {
        once();
        if (rules != null && !(anonymousAllowed && facts.peer() == null)) {
          throw new DeniedException("the other side has no evidence of what it is");
        }
      }
      default -> throw new DeniedException("a message before both sides are attested");
    }
    return null;
  }

  private void once() {
    if (heard) {
      throw new DeniedException("a second answer");
    }
    heard = true;
  }

  private Octets answer(Octets asked) {
    Attester attester = own;
    if (attester == null) {
      return frame(NO_EVIDENCE, Octets.EMPTY);
    }
    Octets data =
        reportData(facts.server(), asked, facts.ownKey(), facts.peerKey(), facts.exporter());
    return frame(ANSWER, attester.attest(data).bytes());
  }

  private void judge(Octets evidence) {
    PeerRules judging = rules;
    if (judging == null) {
      return;
    }
    if (evidence.length() > MAX_EVIDENCE_BYTES) {
      throw new DeniedException("evidence of " + evidence.length() + " bytes");
    }
    Verdict verdict = judging.answer(evidence, expected());
    if (!verdict.accepted()) {
      throw new DeniedException(PeerRules.describe(verdict));
    }
    peer = verdict;
    shown = evidence;
  }

  private Octets expected() {
    // The other side's view: its own key is this side's peer key.
    return reportData(
        /* server= */ !facts.server(),
        nonce,
        /* ownKey= */ facts.peerKey(),
        /* peerKey= */ facts.ownKey(),
        facts.exporter());
  }

  /** The same evidence, judged by other rules. */
  Verdict judge(PeerRules others) {
    Octets evidence = shown;
    if (evidence == null) {
      throw new IllegalStateException("the other side has shown no evidence");
    }
    return others.answer(evidence, expected());
  }

  /** Whether both sides have shown what they are. */
  boolean established() {
    return challenged && heard;
  }

  /** The other side's evidence; null if it has none, or was not asked for any. */
  @Nullable Verdict peer() {
    return peer;
  }
}
