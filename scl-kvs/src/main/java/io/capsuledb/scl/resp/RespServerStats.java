package io.capsuledb.scl.resp;

import java.util.Map;

/**
 * What a server was doing at a moment: for gauges and counters. Immutable.
 *
 * @param connections open connections
 * @param connectionsAccepted connections ever accepted, refused ones not included
 * @param pendingReplies replies that wait for durability
 * @param pendingBytes their bytes
 * @param bufferedInputBytes bytes of unfinished commands, about
 * @param bufferedOutputBytes bytes of replies that clients have not taken yet, about
 * @param bytesIn bytes ever received, after decryption
 * @param bytesOut bytes ever sent, before encryption
 * @param commandsFailed commands ever answered with an error
 * @param commands how often each command ran, by its lower-case name; never-used ones are left out
 * @param refused connections refused or closed by the server, by reason
 */
public record RespServerStats(
    long connections,
    long connectionsAccepted,
    long pendingReplies,
    long pendingBytes,
    long bufferedInputBytes,
    long bufferedOutputBytes,
    long bytesIn,
    long bytesOut,
    long commandsFailed,
    Map<String, Long> commands,
    Map<String, Long> refused) {

  /** Copies the maps. */
  public RespServerStats {
    commands = Map.copyOf(commands);
    refused = Map.copyOf(refused);
  }

  /** How many commands ever ran. */
  public long commandsProcessed() {
    return commands.values().stream().mapToLong(Long::longValue).sum();
  }
}
