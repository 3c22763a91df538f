package io.capsuledb.host.replica;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.replication.session.Messenger;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Keeps links to the replicas of a list, and follows the file that the list came from: replicas
 * that are added to it are dialled, those that are gone from it are let go. A file that cannot be
 * read, or holds something else, changes nothing. An agent of one thread.
 */
public final class ReplicaDialer implements Scheduler.Agent {

  /** How often the file is looked at. */
  public static final long LOOK_MS = 1000;

  private final Messenger messenger;
  private final LinkSecurity security;
  private final @Nullable Path file;
  private final Map<ReplicaAddress, Long> dials = new HashMap<>();
  private @Nullable FileTime seen;

  /**
   * Dials the replicas of a list.
   *
   * @param file where the list came from; null if it is fixed
   */
  public ReplicaDialer(
      Messenger messenger,
      LinkSecurity security,
      List<ReplicaAddress> replicas,
      @Nullable Path file) {
    this.messenger = messenger;
    this.security = security;
    this.file = file;
    this.seen = file == null ? null : changed(file);
    follow(replicas);
  }

  private void follow(List<ReplicaAddress> replicas) {
    Set<ReplicaAddress> gone = new HashSet<>(dials.keySet());
    for (ReplicaAddress replica : replicas) {
      gone.remove(replica);
      dials.computeIfAbsent(replica, to -> messenger.connect(to.address().toString(), to.key()));
    }
    for (ReplicaAddress replica : gone) {
      Long dial = dials.remove(replica);
      if (dial != null) {
        messenger.disconnect(dial);
      }
    }
  }

  private static @Nullable FileTime changed(Path file) {
    try {
      return Files.getLastModifiedTime(file);
    } catch (IOException e) {
      // Being replaced, or gone: the list stays as it is.
      return null;
    }
  }

  @Override
  public boolean step() {
    Path from = file;
    FileTime now = from == null ? null : changed(from);
    if (from == null || now == null || now.equals(seen)) {
      return false;
    }
    seen = now;
    try {
      List<ReplicaAddress> replicas = ReplicaAddress.parseList("@" + from, Path.of(""));
      LinkSecurity.requireLoopbackWithoutTls("replicas", replicas, security);
      follow(replicas);
      EventLog.info("replicas.list_read", "file", from, "replicas", replicas.size());
    } catch (CapsuleException e) {
      EventLog.warn("replicas.list_refused", "file", from, "detail", e.toString());
    }
    return false;
  }
}
