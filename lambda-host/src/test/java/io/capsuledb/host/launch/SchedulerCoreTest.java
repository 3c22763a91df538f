package io.capsuledb.host.launch;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.util.List;
import org.junit.jupiter.api.Test;

class SchedulerCoreTest {

  private static final Octets PROGRAM = Octets.ofHex("0102");

  private final SchedulerCore scheduler = new SchedulerCore();
  private long now;

  private List<SchedulerCore.Output> say(long channel, LaunchMessage message) {
    return scheduler.said(now, channel, Decoded.accept(message));
  }

  private static Octets job(int number) {
    return Octets.ofHex("%032x".formatted(number));
  }

  private static SchedulerCore.Output offer(long channel, int job) {
    return new SchedulerCore.Output.Say(channel, new Offer(job(job), PROGRAM));
  }

  @Test
  void aProgramIsOfferedToAsManyAsItHasSharesUntilTheyRan() {
    say(1, new Idle());
    say(2, new Idle());
    say(3, new Busy());
    assertThat(say(9, new Submit(job(1), PROGRAM, 3)))
        .contains(offer(1, 1), offer(2, 1))
        .hasSize(3);
    // The third becomes idle.
    assertThat(say(3, new Idle())).containsExactly(offer(3, 1));
    assertThat(say(4, new Idle())).isEmpty();
    say(1, new Through(job(1), true));
    say(2, new Through(job(1), true));
    // Somebody who had no share: another one is asked, and he only later.
    assertThat(say(3, new Through(job(1), false))).containsExactly(offer(4, 1));
    assertThat(say(3, new Idle())).isEmpty();
    assertThat(say(4, new Through(job(1), true))).isEmpty();
    now += SchedulerCore.RETRY_NANOS;
    assertThat(say(3, new Idle())).isEmpty();
    assertThat(say(9, new AskScheduler()))
        .containsExactly(new SchedulerCore.Output.Say(9, new SchedulerReport(4, 1, 0, 4)));
  }

  @Test
  void theOfferOfAWorkerThatIsGoneOrSilentGoesToAnotherOne() {
    say(1, new Idle());
    say(9, new Submit(job(1), PROGRAM, 1));
    say(2, new Idle());
    assertThat(scheduler.closed(now, 1)).containsExactly(offer(2, 1));
    now += SchedulerCore.SILENCE_NANOS;
    say(3, new Idle());
    now += 1;
    assertThat(scheduler.tick(now))
        .containsExactly(new SchedulerCore.Output.Close(2, "silent for too long"), offer(3, 1));
  }

  @Test
  void whatWasWithdrawnIsNotOffered() {
    say(9, new Submit(job(1), PROGRAM, 1));
    say(9, new Withdraw(job(1)));
    assertThat(say(1, new Idle())).isEmpty();
    assertThat(say(9, new Submit(job(2), PROGRAM, 1))).contains(offer(1, 2));
    assertThat(say(9, new Submit(job(2), PROGRAM, 1)))
        .containsExactly(new SchedulerCore.Output.Say(9, new Refused("there is a job of that id")));
  }

  @Test
  void strangersAreClosed() {
    assertThat(say(1, new Serve()))
        .hasSize(1)
        .first()
        .isInstanceOf(SchedulerCore.Output.Close.class);
    assertThat(scheduler.said(now, 1, LaunchCodec.decode(new byte[] {9})))
        .first()
        .isInstanceOf(SchedulerCore.Output.Close.class);
  }
}
