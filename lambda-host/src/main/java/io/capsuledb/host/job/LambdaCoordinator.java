package io.capsuledb.host.job;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.channel.EnclaveKeys;
import io.capsuledb.host.channel.LinkClient;
import io.capsuledb.host.files.DirectoryTree;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.Membership;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.CapsuleMember;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Coordinates the capsules of a leader's applications: offers itself, and joins each capsule that
 * the leader appoints it for, with a channel for each. Thread-safe.
 */
public final class LambdaCoordinator implements AutoCloseable {

  /** Most capsules at a time. */
  private static final int MAX_CAPSULES = 16;

  private static final long OPEN_SECONDS = 20;
  private static final long READY_MS = 60_000;
  private static final long RETRY_MS = 500;
  private static final long LOOK_MS = 200;

  private final LambdaWorker.Options options;
  private final LambdaWorker.Identity identity;
  private final Clock clock;
  private final Entropy entropy;
  private final Semaphore places = new Semaphore(MAX_CAPSULES);
  private final AtomicInteger numbers = new AtomicInteger();
  private final Set<LeaderLink> open = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  /** A coordinator that does nothing before {@link #run}. */
  public LambdaCoordinator(
      LambdaWorker.Options options, LambdaWorker.Identity identity, Clock clock, Entropy entropy) {
    this.options = options;
    this.identity = identity;
    this.clock = clock;
    this.entropy = entropy;
  }

  /** Serves until {@link #close}. */
  public void run() throws InterruptedException {
    while (!closed) {
      places.acquire();
      BlockingQueue<LaunchMessage> inbox = new LinkedBlockingQueue<>();
      LeaderLink leader = new LeaderLink(inbox::add);
      boolean appointed = false;
      try {
        LinkClient.open(
            options.leader(),
            new LinkClient.Security(
                new EnclaveKeys(identity.attester().get(), clock), identity.leader()),
            entropy,
            leader);
        open.add(leader);
        leader.awaitOpen(OPEN_SECONDS);
        leader.say(new LaunchMessage.Serve());
        LaunchMessage message = null;
        while (message == null && !leader.over().isDone() && !closed) {
          message = inbox.poll(RETRY_MS, TimeUnit.MILLISECONDS);
        }
        if (message instanceof Membership membership) {
          appointed = true;
          Thread.ofPlatform()
              .daemon()
              .name("capsule-coordinator")
              .start(() -> coordinate(leader, membership, inbox));
        }
      } catch (CapsuleException e) {
        EventLog.warn("coordinator.no_leader", "reason", String.valueOf(e.getMessage()));
        TimeUnit.MILLISECONDS.sleep(RETRY_MS);
      } finally {
        if (!appointed) {
          leader.close("not appointed");
          open.remove(leader);
          places.release();
        }
      }
    }
  }

  private void coordinate(
      LeaderLink leader, Membership membership, BlockingQueue<LaunchMessage> inbox) {
    Path scratch = options.scratch().resolve("capsule-" + numbers.incrementAndGet());
    try {
      byte[] signed = membership.metadata().toArray();
      CapsuleMetadata metadata = MetadataCodec.decode(signed, Secp256k1.best()).orThrow();
      CapsuleName capsule = MetadataCodec.nameOf(signed);
      DirectoryTree.remove(scratch);
      LambdaWorker.Options own =
          new LambdaWorker.Options(
              options.scheduler(), options.leader(), scratch, options.leaseMs(), options.links());
      Membership now = membership;
      while (now != null) {
        boolean paused = false;
        try (CapsuleMember member =
            CapsuleMember.join(
                LambdaWorker.where(own, now),
                LambdaWorker.ring(capsule, now, leader.writers(capsule, metadata)),
                clock,
                entropy)) {
          member.onOver(_ -> leader.close("it is no member any more"));
          member.awaitReady(READY_MS);
          EventLog.info(
              "coordinator.joined", "capsule", capsule, "generation", member.db().keyGeneration());
          paused = await(leader, inbox) instanceof LaunchMessage.Pause;
        }
        now = null;
        if (paused) {
          leader.say(new LaunchMessage.Paused());
          if (await(leader, inbox) instanceof Membership next) {
            now = next;
          }
        }
      }
    } catch (CapsuleException e) {
      EventLog.warn("coordinator.failed", "reason", String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      leader.close("done");
      open.remove(leader);
      places.release();
      DirectoryTree.remove(scratch);
      Wipe.heap();
    }
  }

  /** What the leader says next that a member has to heed; null if the channel is over. */
  private @Nullable LaunchMessage await(LeaderLink leader, BlockingQueue<LaunchMessage> inbox)
      throws InterruptedException {
    while (!leader.over().isDone() && !closed) {
      LaunchMessage message = inbox.poll(LOOK_MS, TimeUnit.MILLISECONDS);
      if (message instanceof LaunchMessage.Reset
          || message instanceof LaunchMessage.Pause
          || message instanceof Membership) {
        return message;
      }
    }
    return null;
  }

  /** Why it can coordinate nothing now, or null: it has no leader. */
  public @Nullable CapsuleException trouble() {
    return open.isEmpty()
        ? new UnavailableException("there is no link to the leader " + options.leader())
        : null;
  }

  @Override
  public void close() {
    closed = true;
    open.forEach(leader -> leader.close("the coordinator stops"));
  }
}
