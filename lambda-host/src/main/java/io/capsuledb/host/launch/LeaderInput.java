package io.capsuledb.host.launch;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.host.attest.encoding.Octets;
import org.jspecify.annotations.Nullable;

/** What a {@link LeaderCore} is told. */
public sealed interface LeaderInput {

  /** The other end of a channel. */
  interface Peer {

    /** What both sides of the channel know and nobody else. */
    Octets binding();

    /** Whether it has shown evidence of its own. */
    boolean attested();

    /** Its measurement, as far as it has shown one. */
    String measurement();

    /**
     * Judges its evidence by somebody's policy.
     *
     * @return accepted, or why not
     */
    Decoded<Boolean> judge(LaunchMessage.PolicyText policy);

    /** Where it is, for logs. */
    String remote();
  }

  /** A channel is open. */
  record Opened(long channel, Peer peer) implements LeaderInput {}

  /** Somebody said something. */
  record Said(long channel, LaunchMessage message) implements LeaderInput {}

  /**
   * What {@link LeaderOutput.Look} or {@link LeaderOutput.Rotate} found.
   *
   * @param found null if it failed
   * @param failure why, then
   */
  record Found(long ticket, CapsuleAccess.@Nullable Generations found, String failure)
      implements LeaderInput {}

  /** The time of a {@link LeaderOutput.Wait} is over. */
  record Waited(long ticket) implements LeaderInput {}

  /**
   * Somebody wanted to open a channel, and has not shown to be what it should.
   *
   * @param reason with the measurement that it has shown
   */
  record Refused(String reason) implements LeaderInput {}

  /** A channel is over. */
  record Closed(long channel, String reason) implements LeaderInput {}
}
