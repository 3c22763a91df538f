package io.capsuledb.host.launch;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Verdict;
import io.capsuledb.host.channel.Link;
import io.capsuledb.host.channel.LinkServer;
import io.capsuledb.host.channel.PeerRules;
import io.capsuledb.host.launch.LaunchMessage.PolicyText;
import io.capsuledb.host.log.EventLog;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** The shell of a {@link LeaderCore}: one thread that steps it. Thread-safe. */
public final class LeaderServer implements AutoCloseable {

  /** Most capsules that are looked at or rotated at a time. */
  private static final int VISITS = 4;

  private final LeaderCore core;
  private final Channels channels = new Channels();
  private final Supplier<Collateral> collateral;
  private final CapsuleAccess capsules;
  private final Clock clock;
  private final ExecutorService agent =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().daemon().name("capsule-leader").factory());
  private final ExecutorService visits =
      Executors.newFixedThreadPool(
          VISITS, Thread.ofPlatform().daemon().name("capsule-leader-visit", 0).factory());
  private final LinkServer server;

  private LeaderServer(
      InetSocketAddress address,
      LinkServer.Security security,
      Supplier<Collateral> collateral,
      CapsuleAccess capsules,
      Clock clock,
      Entropy entropy) {
    this.capsules = capsules;
    this.core = new LeaderCore(entropy);
    this.collateral = collateral;
    this.clock = clock;
    this.server =
        LinkServer.start(
            address,
            security,
            entropy,
            Conversation::new,
            reason -> step(new LeaderInput.Refused(reason)));
  }

  /**
   * Starts a leader.
   *
   * @param security what it shows, and whom it lets connect at all; who gets keys is for each
   *     application's own policy
   * @param collateral what evidence is judged with
   * @param capsules how it gets at capsules on replicas
   * @throws io.capsuledb.core.error.UnavailableException if the address is taken
   */
  public static LeaderServer start(
      InetSocketAddress address,
      LinkServer.Security security,
      Supplier<Collateral> collateral,
      CapsuleAccess capsules,
      Clock clock,
      Entropy entropy) {
    return new LeaderServer(address, security, collateral, capsules, clock, entropy);
  }

  private final class Conversation implements Link.Events {
    private long channel;

    @Override
    public void opened(Link link) {
      channel = channels.add(link);
      step(new LeaderInput.Opened(channel, new OtherEnd(link)));
    }

    @Override
    public void message(byte[] message) {
      Decoded<LaunchMessage> decoded = LaunchCodec.decode(message);
      java.util.Arrays.fill(message, (byte) 0);
      switch (decoded) {
        case Decoded.Accepted<LaunchMessage>(LaunchMessage said) ->
            step(new LeaderInput.Said(channel, said));
        case Decoded.Rejected<LaunchMessage>(Rejection rejection) -> {
          Link link = channels.get(channel);
          if (link != null) {
            link.close(rejection.detail());
          }
        }
      }
    }

    @Override
    public void closed(String reason) {
      channels.remove(channel);
      step(new LeaderInput.Closed(channel, reason));
    }
  }

  private final class OtherEnd implements LeaderInput.Peer {
    private final Link link;

    OtherEnd(Link link) {
      this.link = link;
    }

    @Override
    public Octets binding() {
      return link.binding();
    }

    @Override
    public boolean attested() {
      return link.peer() != null;
    }

    @Override
    public String measurement() {
      Verdict verdict = link.peer();
      return verdict == null ? "" : PeerRules.measurement(verdict);
    }

    @Override
    public Decoded<Boolean> judge(PolicyText policy) {
      PeerRules rules;
      try {
        rules = PolicyTexts.rules(policy, collateral, clock);
      } catch (InvalidRequestException e) {
        return Decoded.reject(Rejection.Reason.FIELD_OUT_OF_RANGE, "the policy: " + e.getMessage());
      }
      Verdict verdict = link.judge(rules);
      return verdict.accepted()
          ? Decoded.accept(true)
          : Decoded.reject(Rejection.Reason.SIGNATURE, PeerRules.describe(verdict));
    }

    @Override
    public String remote() {
      return link.remote();
    }
  }

  private void step(LeaderInput input) {
    if (!agent.isShutdown()) {
      agent.execute(() -> perform(core.step(input)));
    }
  }

  private void perform(List<LeaderOutput> outputs) {
    for (LeaderOutput output : outputs) {
      switch (output) {
        case LeaderOutput.Say(long channel, LaunchMessage message) -> {
          Link link = channels.get(channel);
          if (link != null) {
            link.send(LaunchCodec.encode(message));
          }
          forget(message);
        }
        case LeaderOutput.Close(long channel, String reason) -> {
          Link link = channels.get(channel);
          if (link != null) {
            link.close(reason);
          }
        }
        case LeaderOutput.Look(
                long ticket,
                CapsuleName capsule,
                LaunchMessage.Place place,
                ApplicationKey key) ->
            visit(
                ticket,
                () -> {
                  try (key) {
                    return capsules.look(capsule, place, key);
                  }
                });
        case LeaderOutput.Rotate(
                long ticket,
                CapsuleName capsule,
                LaunchMessage.Place place,
                ApplicationKey current,
                ApplicationKey next) ->
            visit(
                ticket,
                () -> {
                  try (current;
                      next) {
                    return capsules.rotate(capsule, place, current, next);
                  }
                });
        case LeaderOutput.Wait(long ticket, long ms) ->
            CompletableFuture.delayedExecutor(ms, TimeUnit.MILLISECONDS)
                .execute(() -> step(new LeaderInput.Waited(ticket)));
        case LeaderOutput.Log(boolean warning, String event, List<String> fields) -> {
          if (warning) {
            EventLog.warn(event, fields.toArray());
          } else {
            EventLog.info(event, fields.toArray());
          }
        }
      }
    }
  }

  private void visit(long ticket, Supplier<CapsuleAccess.Generations> visit) {
    visits.execute(
        () -> {
          CapsuleAccess.Generations found = null;
          String failure = "";
          try {
            found = visit.get();
          } catch (CapsuleException e) {
            failure = String.valueOf(e.getMessage());
          } catch (RuntimeException | AssertionError e) {
            EventLog.error("leader.defect", e);
            failure = "the leader met a defect";
          }
          step(new LeaderInput.Found(ticket, found, failure));
        });
  }

  /** Clears the copies of secrets that were made for a message. */
  private static void forget(LaunchMessage message) {
    switch (message) {
      case LaunchMessage.Membership membership -> membership.roots().forEach(SecretBytes::close);
      case LaunchMessage.Grant grant -> {
        grant.programKey().close();
        grant.membership().roots().forEach(SecretBytes::close);
      }
      case LaunchMessage.GiveWriter given -> given.key().close();
      default -> {
        // Nothing secret in it.
      }
    }
  }

  /** The port it listens on. */
  public int port() {
    return server.port();
  }

  @Override
  public void close() {
    server.close();
    visits.shutdown();
    agent.execute(core::close);
    agent.shutdown();
  }
}
