package io.capsuledb.host.launch;

import java.util.List;

/** What a {@link LeaderCore} wants done. */
public sealed interface LeaderOutput {

  /** Something is to be said; secrets in it are the shell's to clear when it was. */
  record Say(long channel, LaunchMessage message) implements LeaderOutput {}

  /** A channel is to be closed. */
  record Close(long channel, String reason) implements LeaderOutput {}

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
