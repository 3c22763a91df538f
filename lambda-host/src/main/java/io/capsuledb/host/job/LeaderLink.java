package io.capsuledb.host.job;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.NewWriter;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.WriterSource;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.channel.Link;
import io.capsuledb.host.launch.LaunchCodec;
import io.capsuledb.host.launch.LaunchMessage;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A worker's channel to the leader, from which its writers come. Thread-safe.
 *
 * <p>Invariant: a writer is used only if the application has signed its roster for this capsule and
 * the key belongs to it, whatever the leader said.
 */
final class LeaderLink implements Link.Events {

  private static final long ANSWER_SECONDS = 5;

  private final Consumer<LaunchMessage> hears;
  private final CompletableFuture<Link> opened = new CompletableFuture<>();
  private final CompletableFuture<String> over = new CompletableFuture<>();
  private final Map<Integer, CompletableFuture<LaunchMessage>> asked = new ConcurrentHashMap<>();
  private final AtomicInteger requests = new AtomicInteger();

  /** A link whose messages, but those about writers, {@code hears} takes on the link's thread. */
  LeaderLink(Consumer<LaunchMessage> hears) {
    this.hears = hears;
  }

  @Override
  public void opened(Link link) {
    opened.complete(link);
  }

  @Override
  public void message(byte[] bytes) {
    Decoded<LaunchMessage> decoded = LaunchCodec.decode(bytes);
    java.util.Arrays.fill(bytes, (byte) 0);
    switch (decoded) {
      case Decoded.Accepted<LaunchMessage>(LaunchMessage message) -> {
        switch (message) {
          case LaunchMessage.GiveWriter given -> answer(given.request(), given);
          case LaunchMessage.NoWriter none -> answer(none.request(), none);
          default -> hears.accept(message);
        }
      }
      case Decoded.Rejected<LaunchMessage>(Rejection rejection) -> close(rejection.detail());
    }
  }

  private void answer(int request, LaunchMessage message) {
    CompletableFuture<LaunchMessage> waits = asked.remove(request);
    if (waits == null || !waits.complete(message)) {
      if (message instanceof LaunchMessage.GiveWriter given) {
        given.key().close();
      }
    }
  }

  @Override
  public void closed(String reason) {
    UnavailableException gone =
        new UnavailableException("the channel to the leader is over: " + reason);
    opened.completeExceptionally(gone);
    over.complete(reason);
    asked.values().forEach(waits -> waits.completeExceptionally(gone));
  }

  /** Completed with the reason when it is over. */
  CompletableFuture<String> over() {
    return over;
  }

  /**
   * Waits until both sides are attested.
   *
   * @throws UnavailableException with the reason if one of them was refused, or nobody answers
   */
  void awaitOpen(long seconds) {
    await(opened, seconds, "the leader did not answer");
  }

  /** Says something; dropped if the channel is over. */
  void say(LaunchMessage message) {
    Link link = opened.getNow(null);
    if (link != null && !over.isDone()) {
      link.send(LaunchCodec.encode(message));
    }
  }

  /** Closes the channel. */
  void close(String reason) {
    if (opened.isDone() && !opened.isCompletedExceptionally()) {
      opened.join().close(reason);
    }
  }

  /**
   * Writers from the leader.
   *
   * @param metadata what rosters have to hold by
   */
  WriterSource writers(CapsuleName capsule, CapsuleMetadata metadata) {
    return (role, _) -> {
      int request = requests.incrementAndGet();
      CompletableFuture<LaunchMessage> answer = new CompletableFuture<>();
      asked.put(request, answer);
      if (over.isDone()) {
        asked.remove(request);
        throw new UnavailableException("the channel to the leader is over");
      }
      say(new LaunchMessage.WantWriter(request, capsule, role));
      LaunchMessage message;
      try {
        message = await(answer, ANSWER_SECONDS, "the leader gave no writer in time");
      } finally {
        asked.remove(request);
      }
      if (!(message instanceof LaunchMessage.GiveWriter(_, Octets roster, SecretBytes key))) {
        throw new UnavailableException(
            message instanceof LaunchMessage.NoWriter(_, String reason) ? reason : "no writer");
      }
      byte[] signed = roster.toArray();
      boolean good = false;
      try {
        RosterEntry entry =
            introduced(
                RosterCodec.decode(capsule, signed, metadata, Secp256k1.best()).orThrow(),
                role,
                Secp256k1.best().publicKey(key));
        good = true;
        return new NewWriter(entry, signed, key);
      } finally {
        if (!good) {
          key.close();
        }
      }
    };
  }

  private static RosterEntry introduced(
      List<RosterEntry> entries, RosterEntry.Role role, PublicKey key) {
    if (entries.size() != 1
        || entries.getFirst().role() != role
        || !entries.getFirst().key().equals(key)) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.UNKNOWN_WRITER, "the leader's roster introduces somebody else"));
    }
    return entries.getFirst();
  }

  private static <T> T await(CompletableFuture<T> future, long seconds, String late) {
    try {
      return future.get(seconds, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new UnavailableException(late, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted", e);
    } catch (ExecutionException e) {
      @Nullable Throwable cause = e.getCause();
      if (cause instanceof CapsuleException known) {
        throw known;
      }
      throw new UnavailableException(late, e);
    }
  }
}
