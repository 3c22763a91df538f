package io.capsuledb.host.job;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.Membership;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.CapsuleMember;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The member that a program works with. When the keys are rotated, or it was sealed, it leaves and
 * another one takes its place, with what the leader gives it then; the program waits meanwhile.
 *
 * <p>Invariant: a member is replaced only if everything the program has done with it is durable;
 * else the share is broken, and begins anew somewhere else.
 *
 * <p>Thread-safe once {@link #begin} has returned.
 */
final class MemberSeat implements AutoCloseable {

  private static final long DURABLE_SECONDS = 60;
  private static final long MEMBERSHIP_SECONDS = 120;
  private static final long READY_MS = 60_000;

  private final LeaderLink leader;
  private final Function<Membership, CapsuleMember> join;
  private final Consumer<CapsuleException> onBroken;
  private final LinkedBlockingQueue<Membership> memberships = new LinkedBlockingQueue<>();
  private volatile @Nullable CapsuleMember member;
  private volatile @Nullable JobHost host;
  private volatile @Nullable CapsuleException broken;
  private volatile boolean closed;

  /**
   * A seat that nobody sits in.
   *
   * @param join makes a member of what the leader gave
   * @param onBroken hears that the share cannot go on
   */
  MemberSeat(
      LeaderLink leader,
      Function<Membership, CapsuleMember> join,
      Consumer<CapsuleException> onBroken) {
    this.leader = leader;
    this.join = join;
    this.onBroken = onBroken;
  }

  /** Joins for the first time. */
  CapsuleMember begin(Membership first) {
    return sit(first);
  }

  /** The program's host, which is paused when the member changes. */
  void serve(JobHost program) {
    host = program;
    CapsuleMember now = member;
    if (now != null) {
      now.onOver(why -> leaveLater(now, why));
    }
  }

  private CapsuleMember sit(Membership membership) {
    CapsuleMember joined = join.apply(membership);
    member = joined;
    joined.awaitReady(READY_MS);
    return joined;
  }

  /** What the leader says to a member; true if it was for this. */
  boolean heard(LaunchMessage message) {
    if (message instanceof LaunchMessage.Pause) {
      CapsuleMember now = member;
      if (now != null) {
        leaveLater(now, null);
      }
      return true;
    }
    if (message instanceof Membership membership) {
      memberships.add(membership);
      return true;
    }
    return false;
  }

  private void leaveLater(CapsuleMember one, @Nullable CapsuleException why) {
    Thread.ofPlatform().daemon().name("capsule-seat").start(() -> change(one, why));
  }

  private void change(CapsuleMember one, @Nullable CapsuleException why) {
    JobHost program = host;
    if (program == null) {
      // Before the program: the share is begun anew.
      breakWith(why == null ? new UnavailableException("the keys are being rotated") : why);
      return;
    }
    program.pause();
    if (member != one || closed || broken != null) {
      CapsuleException failure = broken;
      if (failure != null) {
        program.resume(failure);
      } else {
        program.resume();
      }
      return;
    }
    try {
      awaitDurable(one, program.fence());
      one.close();
      EventLog.info(
          "lambda.pauses", "reason", why == null ? "rotation" : String.valueOf(why.getMessage()));
      leader.say(new LaunchMessage.Paused());
      Membership next = memberships.poll(MEMBERSHIP_SECONDS, TimeUnit.SECONDS);
      if (next == null) {
        throw new UnavailableException("the leader gave no new membership");
      }
      CapsuleMember joined = sit(next);
      EventLog.info("lambda.goes_on", "generation", joined.db().keyGeneration());
      program.resume(joined.db(), joined.sharing());
      joined.onOver(failed -> leaveLater(joined, failed));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      giveUp(program, new UnavailableException("interrupted", e));
    } catch (CapsuleException e) {
      giveUp(program, e);
    }
  }

  private void giveUp(JobHost program, CapsuleException failure) {
    breakWith(failure);
    program.resume(failure);
  }

  private void breakWith(CapsuleException failure) {
    broken = failure;
    EventLog.warn("lambda.share_broken", "reason", String.valueOf(failure.getMessage()));
    onBroken.accept(failure);
  }

  /**
   * Waits until what the program did is durable; after its end.
   *
   * @throws CapsuleException if it is not, or the share is broken
   */
  void settle() {
    JobHost program = host;
    CapsuleMember now = member;
    if (program == null || now == null) {
      throw new IllegalStateException("nobody sits here");
    }
    program.pause();
    CapsuleException failure = broken;
    try {
      if (failure != null) {
        throw failure;
      }
      CapsuleMember last = member;
      awaitDurable(last == null ? now : last, program.fence());
      // From here on nobody is to change the member.
      closed = true;
    } finally {
      program.resume();
    }
  }

  private static void awaitDurable(CapsuleMember member, long fence) {
    CompletionStage<@Nullable Void> durable = member.db().whenDurable(fence);
    try {
      durable.toCompletableFuture().get(DURABLE_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new UnavailableException("what the program wrote did not become durable", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted", e);
    }
  }

  /** Leaves, and forgets everything: whoever still holds this holds nothing of the share. */
  @Override
  public void close() {
    closed = true;
    CapsuleMember last = member;
    if (last != null) {
      last.close();
    }
    member = null;
    host = null;
    memberships.forEach(late -> late.roots().forEach(SecretBytes::close));
    memberships.clear();
  }
}
