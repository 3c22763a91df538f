package io.capsuledb.host.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.MembershipCodec;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Statement;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Changes which replicas hold a capsule while it is written, so that nothing durable is lost:
 *
 * <ol>
 *   <li>the owner signs a membership of the new replicas <i>joint</i> with those before, and a
 *       quorum of each set installs it: from then on everything needs a quorum of both;
 *   <li>a quorum of the new set comes to hold every head that a quorum of the old set states after
 *       that;
 *   <li>the owner signs the new set alone, and a quorum of each set installs it.
 * </ol>
 *
 * <p>Whatever interrupts this, doing the same again goes on where it was: what is under way is in
 * the memberships that replicas hold. A membership that was signed and may be installed nowhere is
 * in the {@link Journal}, so that never two are signed for one place.
 */
public final class MembershipChange {

  private static final long POLL_MS = 300;

  /** Keeps the membership that was signed last until the change is complete. */
  public interface Journal {
    /** What was kept, or null. */
    byte @Nullable [] pending();

    /** Keeps it, durably; null: nothing any more. */
    void keep(byte @Nullable [] signedMembership);
  }

  /** The owner of the capsule. */
  public interface Owner {
    PublicKey key();

    /** Signs as the owner: 64 bytes. */
    byte[] sign(Hash32 digest);
  }

  private final ReplicaCaller caller;
  private final CapsuleName capsule;
  private final Owner owner;
  private final Journal journal;
  private final Clock clock;
  private final long deadline;
  private final Consumer<String> progress;

  /**
   * A change that has not begun.
   *
   * @param caller has links to all replicas there were and will be, as far as they can be reached
   * @param timeoutMs for all of it
   * @param progress hears what is done, in sentences
   */
  public MembershipChange(
      ReplicaCaller caller,
      CapsuleName capsule,
      Owner owner,
      Journal journal,
      Clock clock,
      long timeoutMs,
      Consumer<String> progress) {
    this.caller = caller;
    this.capsule = capsule;
    this.owner = owner;
    this.journal = journal;
    this.clock = clock;
    this.deadline = clock.monotonicNanos() + TimeUnit.MILLISECONDS.toNanos(timeoutMs);
    this.progress = progress;
  }

  /**
   * Makes the change, or the rest of it.
   *
   * @param target makes the new set of the one before
   * @return the membership that is in force now
   * @throws InvalidRequestException if another change is under way
   * @throws DeniedException if the capsule is another owner's
   * @throws UnavailableException if not enough replicas can be reached, or the time is over; doing
   *     it again goes on
   */
  public Membership run(Function<Membership.ReplicaSet, Membership.ReplicaSet> target) {
    CapsuleView view = view();
    if (!view.metadata().ownerKey().equals(owner.key())) {
      throw new DeniedException(
          "capsule "
              + capsule
              + " belongs to owner "
              + view.metadata().ownerKey()
              + ", and the key file is that of "
              + owner.key());
    }
    byte[] pending = journal.pending();
    if (pending != null) {
      view = pendingAfter(view, pending);
    }
    Membership newest = view.membership();
    Membership.ReplicaSet before = newest.isJoint() ? newest.outgoing() : newest.current();
    Membership.ReplicaSet wanted = target.apply(before);
    if (newest.isJoint() && !newest.current().equals(wanted)) {
      throw new InvalidRequestException(
          "another change is under way, to "
              + text(newest.current())
              + ": finish it with 'capsule replicas resume', then make this one");
    }
    if (!newest.isJoint()) {
      if (wanted.equals(before)) {
        install(view, newest);
        journal.keep(null);
        progress.accept("the replicas are " + text(before) + " already");
        return newest;
      }
      view = sign(view, wanted, before);
      newest = view.membership();
    }
    progress.accept(
        "membership "
            + newest.version()
            + ": "
            + text(newest.current())
            + ", joint with "
            + text(newest.outgoing()));
    install(view, newest);
    catchUp(newest);
    CapsuleView last = sign(view, newest.current(), Membership.ReplicaSet.EMPTY);
    install(last, newest);
    journal.keep(null);
    progress.accept(
        "membership " + last.membership().version() + ": " + text(last.membership().current()));
    return last.membership();
  }

  /** The set that a change under way leads to, or null if none is. */
  public Membership.@Nullable ReplicaSet underWay() {
    CapsuleView view = view();
    byte[] pending = journal.pending();
    Membership newest = (pending == null ? view : pendingAfter(view, pending)).membership();
    return newest.isJoint() ? newest.current() : null;
  }

  private static String text(Membership.ReplicaSet set) {
    return "quorum "
        + set.quorum()
        + " of "
        + String.join(", ", set.replicas().stream().map(MembershipChange::brief).toList());
  }

  private static String brief(PublicKey key) {
    return key.toString().substring(0, 12) + "…";
  }

  /** The longest description that anybody has; a quorum of it must have been asked. */
  private CapsuleView view() {
    while (true) {
      CapsuleView longest = null;
      Set<PublicKey> answered = new HashSet<>();
      Map<ReplicaAddress, Message.Reply> replies =
          caller.askAll(caller.replicas(), n -> new Message.Describe(n, capsule));
      for (Map.Entry<ReplicaAddress, Message.Reply> reply : replies.entrySet()) {
        PublicKey key = caller.keyOf(reply.getKey());
        if (key == null
            || !(reply.getValue() instanceof Message.Described described)
            || !(CapsuleView.of(capsule, described)
                instanceof Decoded.Accepted<CapsuleView>(CapsuleView view))) {
          continue;
        }
        answered.add(key);
        if (longest == null || view.membership().version() > longest.membership().version()) {
          longest = view;
        }
      }
      if (longest != null && isEnough(longest.membership(), answered)) {
        return longest;
      }
      waitOr(
          longest == null
              ? "no replica that can be reached holds capsule " + capsule
              : "no quorum of the replicas can be reached: "
                  + text(longest.membership().current()));
    }
  }

  /**
   * Whether so many know nothing newer that there is nothing newer. While a change is under way the
   * new replicas may not hold the capsule yet; what ends it is installed at a quorum of the old
   * ones, too.
   */
  private static boolean isEnough(Membership newest, Set<PublicKey> answered) {
    Membership.ReplicaSet asked = newest.isJoint() ? newest.outgoing() : newest.current();
    return asked.replicas().stream().filter(answered::contains).count() >= asked.quorum();
  }

  /** What follows when the membership in the journal is added, if it was not installed. */
  private CapsuleView pendingAfter(CapsuleView view, byte[] pending) {
    Blob signed = Blob.of(pending);
    if (view.memberships().contains(signed)) {
      return view;
    }
    return switch (view.then(signed)) {
      case Decoded.Accepted<CapsuleView>(CapsuleView longer) -> longer;
      case Decoded.Rejected<CapsuleView>(Rejection rejection) ->
          throw new InvalidRequestException(
              "a membership was signed for this capsule that does not follow what its replicas"
                  + " hold ("
                  + rejection.detail()
                  + "): was another copy of the owner key used meanwhile? If so, remove the file"
                  + " of the pending membership");
    };
  }

  private CapsuleView sign(
      CapsuleView view, Membership.ReplicaSet current, Membership.ReplicaSet outgoing) {
    Membership next =
        new Membership(
            capsule, view.membership().version() + 1, view.chain().hash(), current, outgoing);
    byte[] signed = MembershipCodec.encode(next, owner::sign);
    CapsuleView longer = view.then(Blob.of(signed)).orThrow();
    journal.keep(signed);
    return longer;
  }

  /** Installs all memberships of a view at those that {@code needed} names, a quorum at least. */
  private void install(CapsuleView view, Membership needed) {
    Set<PublicKey> done = new HashSet<>();
    Map<PublicKey, String> refusals = new LinkedHashMap<>();
    while (true) {
      for (ReplicaAddress replica : caller.replicas()) {
        PublicKey key = caller.keyOf(replica);
        if (key != null && needed.names(key) && !done.contains(key)) {
          String refusal = installAt(replica, view);
          if (refusal == null) {
            done.add(key);
            refusals.remove(key);
          } else {
            refusals.put(key, brief(key) + " " + refusal);
          }
        }
      }
      if (needed.isQuorum(done::contains)) {
        return;
      }
      waitOr(
          "membership "
              + view.membership().version()
              + " is installed at "
              + done.size()
              + " of "
              + needed.everybody().size()
              + " replicas, which is no quorum"
              + (refusals.isEmpty() ? "" : " (" + String.join("; ", refusals.values()) + ")"));
    }
  }

  /** Makes the capsule and its memberships known to a replica; says why not, or null. */
  private @Nullable String installAt(ReplicaAddress replica, CapsuleView view) {
    Message.Reply described = caller.ask(replica, n -> new Message.Describe(n, capsule));
    int known = 0;
    if (SignedFrontiers.isUnknownCapsule(described)) {
      String refusal =
          done(caller.ask(replica, n -> new Message.Found(n, capsule, view.signedMetadata())));
      if (refusal != null) {
        return refusal;
      }
    } else if (described instanceof Message.Described there) {
      known = there.memberships().size();
    } else {
      return done(described);
    }
    for (Blob membership :
        view.memberships()
            .subList(Math.min(known, view.memberships().size()), view.memberships().size())) {
      String refusal = done(caller.ask(replica, n -> new Message.Install(n, capsule, membership)));
      if (refusal != null) {
        return refusal;
      }
    }
    return null;
  }

  private static @Nullable String done(Message.@Nullable Reply reply) {
    return switch (reply) {
      case Message.Done done -> null;
      case Message.Refused refused -> SignedFrontiers.text(refused);
      case null -> "gives no answer";
      default -> "answers something else";
    };
  }

  private void catchUp(Membership joint) {
    Map<Long, ChainHead> wanted = null;
    String told = "";
    while (true) {
      SignedFrontiers frontiers = SignedFrontiers.ask(caller, caller.replicas(), capsule);
      Map<PublicKey, Statement> stated = new LinkedHashMap<>();
      for (Map.Entry<ReplicaAddress, Statement> one : frontiers.statements().entrySet()) {
        // Only what was stated under the joint membership counts: before that, something may still
        // have become durable without the new replicas.
        if (one.getValue().membership() >= joint.version()) {
          stated.put(one.getValue().replica(), one.getValue());
        }
      }
      if (wanted == null && joint.outgoing().isQuorum(stated::containsKey)) {
        Map<ReplicaAddress, Statement> old = new LinkedHashMap<>(frontiers.statements());
        old.values()
            .removeIf(
                s ->
                    s.membership() < joint.version()
                        || !joint.outgoing().replicas().contains(s.replica()));
        wanted = new SignedFrontiers(old, Map.of()).highest();
      }
      if (wanted == null) {
        waitOr("no quorum of the old replicas states what it holds");
        continue;
      }
      Map<Long, ChainHead> heads = wanted;
      Set<PublicKey> whole = new HashSet<>();
      StringBuilder behind = new StringBuilder();
      for (PublicKey replica : joint.current().replicas()) {
        Statement statement = stated.get(replica);
        long lacking = statement == null ? -1 : SignedFrontiers.lacking(statement, heads);
        if (lacking == 0) {
          whole.add(replica);
        } else {
          behind
              .append(behind.isEmpty() ? "" : "; ")
              .append(brief(replica))
              .append(lacking < 0 ? " says nothing yet" : " lacks " + lacking + " records");
        }
      }
      String now =
          whole.size()
              + " of "
              + joint.current().replicas().size()
              + " new replicas hold everything"
              + (behind.isEmpty() ? "" : "; " + behind);
      if (!now.equals(told)) {
        progress.accept(now);
        told = now;
      }
      if (joint.current().isQuorum(whole::contains)) {
        return;
      }
      waitOr(now);
    }
  }

  /** Waits a little, or gives up. */
  private void waitOr(String trouble) {
    if (clock.monotonicNanos() - deadline >= 0) {
      throw new UnavailableException(
          trouble + "; the time is over: the same command again goes on from here");
    }
    try {
      TimeUnit.MILLISECONDS.sleep(POLL_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted: the same command again goes on from here", e);
    }
  }
}
