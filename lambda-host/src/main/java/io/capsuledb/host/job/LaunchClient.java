package io.capsuledb.host.job;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Verdict;
import io.capsuledb.host.channel.Link;
import io.capsuledb.host.channel.LinkClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.launch.LaunchCodec;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.ShareReport;
import io.capsuledb.host.launch.LaunchMessage.ShareResult;
import io.capsuledb.host.launch.LeaderCore;
import io.capsuledb.host.launch.ResultBox;
import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A client's channel to a leader or a scheduler: one question at a time, each with one answer.
 * Thread-safe.
 */
public final class LaunchClient implements AutoCloseable {

  private static final long OPEN_SECONDS = 30;
  private static final long ANSWER_SECONDS = 30;

  /** How long the leader may be busy with the replicas. */
  private static final long VISIT_SECONDS = 180;

  private static final int OPEN_TRIES = 3;

  private final BlockingQueue<Decoded<LaunchMessage>> answers = new ArrayBlockingQueue<>(4);
  private final CompletableFuture<Link> opened = new CompletableFuture<>();
  private volatile @Nullable String over;

  private LaunchClient() {}

  private final class Hearing implements Link.Events {
    @Override
    public void opened(Link link) {
      opened.complete(link);
    }

    @Override
    public void message(byte[] message) {
      if (!answers.offer(LaunchCodec.decode(message))) {
        close();
      }
    }

    @Override
    public void closed(String reason) {
      over = reason;
      opened.completeExceptionally(new DeniedException(reason));
      if (!answers.offer(Decoded.reject(Rejection.Reason.TRUNCATED, reason))) {
        // Somebody finds the answers that are there, and then this.
        over = reason;
      }
    }
  }

  /**
   * Opens a channel to a leader, judges it, and shows who the owner is.
   *
   * @param security whom to take for a leader
   * @throws DeniedException if the leader is refused, or refuses
   * @throws UnavailableException if it does not answer
   */
  public static LaunchClient leader(
      HostPort address, LinkClient.Security security, KeyTree owner, Entropy entropy) {
    LaunchClient client = new LaunchClient();
    LinkClient.open(address, security, entropy, client.new Hearing());
    Link link = client.awaitOpen(address);
    client.ask(
        new LaunchMessage.Prove(
            owner.ownerPublicKey(),
            Octets.own(owner.signAsOwner(LeaderCore.ownerDigest(link.binding())))));
    return client;
  }

  /** Opens a channel to a scheduler. */
  public static LaunchClient scheduler(HostPort address, Entropy entropy) {
    LaunchClient client = new LaunchClient();
    LinkClient.open(address, null, entropy, client.new Hearing());
    client.awaitOpen(address);
    return client;
  }

  private Link awaitOpen(HostPort address) {
    try {
      return opened.get(OPEN_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new UnavailableException(address + " does not answer", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted", e);
    } catch (ExecutionException e) {
      String reason = e.getCause() == null ? "" : String.valueOf(e.getCause().getMessage());
      CapsuleException refused =
          reason.contains("evidence")
              ? new DeniedException(address + ": " + reason)
              : new UnavailableException(address + ": " + reason, e);
      throw refused;
    }
  }

  /** The evidence of a leader. */
  public @Nullable Verdict peer() {
    return opened.join().peer();
  }

  /**
   * Asks, and waits for the answer.
   *
   * @throws DeniedException if it is refused, with the reason
   * @throws UnavailableException if none comes
   */
  public LaunchMessage ask(LaunchMessage question) {
    return ask(question, ANSWER_SECONDS);
  }

  private synchronized LaunchMessage ask(LaunchMessage question, long seconds) {
    String ended = over;
    if (ended != null) {
      throw new UnavailableException("the channel is over: " + ended);
    }
    opened.join().send(LaunchCodec.encode(question));
    try {
      Decoded<LaunchMessage> answer = answers.poll(seconds, TimeUnit.SECONDS);
      return switch (answer) {
        case Decoded.Accepted<LaunchMessage>(LaunchMessage.Refused(String reason)) ->
            throw new DeniedException(reason);
        case Decoded.Accepted<LaunchMessage>(LaunchMessage message) -> message;
        case Decoded.Rejected<LaunchMessage>(Rejection rejection) ->
            throw new UnavailableException("the channel is over: " + rejection.detail());
        case null -> throw new UnavailableException("there is no answer");
      };
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted", e);
    }
  }

  /**
   * Gives a leader an application, with the key of the generation in force. A rotation that was
   * begun is carried out.
   *
   * @param metadata of its capsule, signed
   * @return that generation
   */
  public int open(
      byte[] metadata,
      KeyTree owner,
      int application,
      LaunchMessage.Place place,
      LaunchMessage.PolicyText policy) {
    // Which generation is in force only the capsule tells: the first guess is a new one.
    int generation = 0;
    for (int tries = 0; tries < OPEN_TRIES; tries++) {
      try (ApplicationKey key = owner.application(application, generation);
          SecretBytes extended = key.extendedPrivateKey()) {
        LaunchMessage answer =
            ask(
                new LaunchMessage.OpenApplication(
                    Octets.copyOf(metadata),
                    application,
                    extended,
                    certificate(key),
                    place,
                    policy),
                VISIT_SECONDS);
        if (!(answer instanceof LaunchMessage.Opened(int inForce, int newest))) {
          throw new UnavailableException("the leader answered with something else");
        }
        if (inForce == generation) {
          if (newest > inForce) {
            // Somebody began a rotation and did not come to its end.
            return rotate(MetadataCodec.nameOf(metadata), owner, application, newest);
          }
          return generation;
        }
        generation = inForce;
      }
    }
    throw new UnavailableException("the keys are rotated faster than they can be opened");
  }

  /**
   * Begins the next key generation of an application that is open.
   *
   * @param next its number
   * @return the generation in force
   */
  public int rotate(CapsuleName capsule, KeyTree owner, int application, int next) {
    try (ApplicationKey key = owner.application(application, next);
        SecretBytes extended = key.extendedPrivateKey()) {
      LaunchMessage answer =
          ask(new LaunchMessage.RotateKeys(capsule, extended, certificate(key)), VISIT_SECONDS);
      if (!(answer instanceof LaunchMessage.Opened(int inForce, _))) {
        throw new UnavailableException("the leader answered with something else");
      }
      return inForce;
    }
  }

  private static Octets certificate(ApplicationKey key) {
    GenerationCertificate certificate = key.certificate();
    if (key.generation() == 0 || certificate == null) {
      return Octets.EMPTY;
    }
    byte[] bytes = new byte[GenerationCertificate.BYTES];
    certificate.copyTo(bytes, 0);
    return Octets.own(bytes);
  }

  /**
   * Opens the result of a share, which it trusts for nothing else than that a worker of this
   * capsule made it.
   *
   * @return its text: JSON, or what went wrong
   * @throws IntegrityException if no worker of the capsule signed it, or it is not for this key
   */
  public static String result(
      byte[] signedMetadata, Octets job, int share, ShareReport report, PrivateKey key) {
    CapsuleMetadata metadata = MetadataCodec.decode(signedMetadata, Secp256k1.best()).orThrow();
    CapsuleName capsule = MetadataCodec.nameOf(signedMetadata);
    ShareResult result = report.result();
    PublicKey writer = writer(capsule, metadata, result);
    ResultBox.Context context = new ResultBox.Context(capsule, job, share, result.good());
    byte[] signature = result.signature().toArray();
    if (signature.length != Secp256k1.SIGNATURE_BYTES
        || !Secp256k1.best()
            .verify(ResultBox.digest(context, result.sealed()), signature, 0, writer)) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.SIGNATURE, "the result of share " + share + " is not signed"));
    }
    try (SecretBytes plain = ResultBox.open(key, context, result.sealed()).orThrow()) {
      return new String(plain.expose(), StandardCharsets.UTF_8);
    }
  }

  private static PublicKey writer(
      CapsuleName capsule, CapsuleMetadata metadata, ShareResult result) {
    for (RosterEntry entry :
        RosterCodec.decode(capsule, result.roster().toArray(), metadata, Secp256k1.best())
            .orThrow()) {
      if (entry.role() == RosterEntry.Role.WORKER) {
        return entry.key();
      }
    }
    throw new IntegrityException(
        Rejection.of(Rejection.Reason.UNKNOWN_WRITER, "no worker has signed the result"));
  }

  @Override
  public void close() {
    if (opened.isDone() && !opened.isCompletedExceptionally()) {
      opened.join().close("done");
    }
  }
}
