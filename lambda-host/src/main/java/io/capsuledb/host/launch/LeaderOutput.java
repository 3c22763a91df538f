package io.capsuledb.host.launch;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.keys.ApplicationKey;
import java.util.List;

/** What a {@link LeaderCore} wants done. */
public sealed interface LeaderOutput {

  /** Something is to be said; secrets in it are the shell's to clear when it was. */
  record Say(long channel, LaunchMessage message) implements LeaderOutput {}

  /** A channel is to be closed. */
  record Close(long channel, String reason) implements LeaderOutput {}

  /**
   * {@link CapsuleAccess#look}, answered by {@link LeaderInput.Found}.
   *
   * @param key the shell's to clear
   */
  record Look(long ticket, CapsuleName capsule, LaunchMessage.Place place, ApplicationKey key)
      implements LeaderOutput {}

  /**
   * {@link CapsuleAccess#rotate}, answered by {@link LeaderInput.Found}.
   *
   * @param current the shell's to clear
   * @param next the shell's to clear
   */
  record Rotate(
      long ticket,
      CapsuleName capsule,
      LaunchMessage.Place place,
      ApplicationKey current,
      ApplicationKey next)
      implements LeaderOutput {}

  /** {@link LeaderInput.Waited} is wanted after some time. */
  record Wait(long ticket, long ms) implements LeaderOutput {}

  /**
   * Something is to be logged.
   *
   * @param fields pairs of a name and a value
   */
  record Log(boolean warning, String event, List<String> fields) implements LeaderOutput {
    public Log {
      fields = List.copyOf(fields);
    }
  }
}
