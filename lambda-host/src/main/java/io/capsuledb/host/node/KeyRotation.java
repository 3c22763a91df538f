package io.capsuledb.host.node;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.host.log.EventLog;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * Begins key generations of a running node: opens the owner's key file, takes the next application
 * key from it and closes it again, so that no key of a later generation lies about meanwhile.
 * Thread-safe.
 */
final class KeyRotation {

  private static final long LOOK_MS = 10_000;
  private static final long CAUSE_PAUSE_NANOS = 60_000_000_000L;

  private final CapsuleDb db;
  private final Path ownerKey;
  private final Node.PassphraseSource passphrases;
  private final Consumer<ApplicationKey> begin;
  private final AtomicLong newestCause;

  /**
   * A rotation of the keys of an engine.
   *
   * @param begin begins a generation, and takes its key
   */
  KeyRotation(
      CapsuleDb db,
      Path ownerKey,
      Node.PassphraseSource passphrases,
      Consumer<ApplicationKey> begin,
      Clock clock) {
    this.newestCause = new AtomicLong(clock.monotonicNanos());
    this.db = db;
    this.ownerKey = ownerKey;
    this.passphrases = passphrases;
    this.begin = begin;
  }

  /**
   * Begins the next generation; when this returns, it is durable. (Of a shared capsule: announced,
   * and all workers are about to begin anew.)
   *
   * @return its number
   * @throws DeniedException if the owner's key cannot be opened without asking somebody
   */
  synchronized int rotate() {
    int next = db.keyGeneration() + 1;
    try (KeyTree owner = open()) {
      begin.accept(owner.application(Node.APPLICATION, next));
    }
    EventLog.info("keys.rotated", "generation", next);
    return next;
  }

  private KeyTree open() {
    OwnerKeyFile file = OwnerKeyFile.read(ownerKey);
    // Not asked for: nobody is there.
    KeyTree owner = OfflineKey.open(file, () -> passphrases.passphrase(false));
    if (owner == null) {
      throw new DeniedException(
          "the owner's key is protected, and its passphrase was typed in: start the server with"
              + " --passphrase-file or CAPSULE_PASSPHRASE to rotate keys while it runs");
    }
    return owner;
  }

  /**
   * Rotates now and then until closed.
   *
   * @throws DeniedException if the owner's key cannot be opened without asking somebody
   */
  Scheduler.Running every(Duration period, Scheduler scheduler, Clock clock) {
    open().close();
    AtomicLong newest = new AtomicLong(clock.monotonicNanos());
    return scheduler.start(
        "capsule-rotation",
        () -> {
          long now = clock.monotonicNanos();
          if (now - newest.get() >= period.toNanos()) {
            newest.set(now);
            rotateIfPossible();
          }
          return false;
        },
        LOOK_MS);
  }

  /**
   * Rotates for a cause, unless that was done, or this was made, a moment ago: one cause may bring
   * others with it.
   */
  void rotateFor(String cause, Clock clock) {
    long now = clock.monotonicNanos();
    long before = newestCause.get();
    if (now - before >= CAUSE_PAUSE_NANOS && newestCause.compareAndSet(before, now)) {
      EventLog.info("keys.rotating", "cause", cause);
      rotateIfPossible();
    }
  }

  private void rotateIfPossible() {
    try {
      rotate();
    } catch (CapsuleException e) {
      // It is tried again the next time; that the keys grow old has to be seen.
      EventLog.error("keys.rotation_failed", e, "code", e.code());
    }
  }
}
