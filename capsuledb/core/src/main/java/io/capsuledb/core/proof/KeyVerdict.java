package io.capsuledb.core.proof;

import io.capsuledb.core.capsule.CapsuleName;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a proof that held proves. Immutable; its arrays are shared and never modified. */
public final class KeyVerdict {

  /** Whether the key has a value, and if not, why. Names are stable: they appear in reports. */
  public enum Outcome {
    /** The key has a value. */
    PRESENT,
    /** No table holds a version of the key: it was never written, or forgotten after a deletion. */
    ABSENT_NO_VERSION,
    /** The newest version says that the key was deleted. */
    ABSENT_DELETED,
    /** The newest version is older than the newest removal of everything. */
    ABSENT_CLEARED,
    /** The newest version has ceased to exist at the time that was asked about. */
    ABSENT_EXPIRED
  }

  /**
   * The version that decided.
   *
   * @param time its Lamport time
   * @param writer its writer
   * @param index its place in its record
   */
  public record Version(long time, long writer, int index) {}

  /**
   * A check that held.
   *
   * @param name what was checked, a stable word
   * @param detail what was found
   */
  public record Check(String name, String detail) {}

  private final CapsuleName capsule;
  private final byte[] key;
  private final Outcome outcome;
  private final @Nullable Version version;
  private final byte[] value;
  private final int type;
  private final long expiryAtMs;
  private final long coveredTime;
  private final List<Check> checks;

  KeyVerdict(
      CapsuleName capsule,
      byte[] key,
      Outcome outcome,
      @Nullable Version version,
      byte[] value,
      int type,
      long expiryAtMs,
      long coveredTime,
      List<Check> checks) {
    this.capsule = capsule;
    this.key = key;
    this.outcome = outcome;
    this.version = version;
    this.value = value;
    this.type = type;
    this.expiryAtMs = expiryAtMs;
    this.coveredTime = coveredTime;
    this.checks = List.copyOf(checks);
  }

  /** The capsule whose state it is. */
  public CapsuleName capsule() {
    return capsule;
  }

  /** The key it is about; not to be modified. */
  public byte[] key() {
    return key;
  }

  /** Whether the key has a value, and if not, why. */
  public Outcome outcome() {
    return outcome;
  }

  /** Whether the key has a value. */
  public boolean present() {
    return outcome == Outcome.PRESENT;
  }

  /** The newest version of the key, or null if there is none. */
  public @Nullable Version version() {
    return version;
  }

  /** The value, not to be modified; empty if there is none. */
  public byte[] value() {
    return value;
  }

  /** Number of the value's type, 0 to 15; 0 if there is none. */
  public int typeNumber() {
    return type;
  }

  /** When the newest version expires, in milliseconds since 1970; 0 for never. */
  public long expiryAtMs() {
    return expiryAtMs;
  }

  /** The state is that after every operation with at most this Lamport time. */
  public long coveredTime() {
    return coveredTime;
  }

  /** The checks that held, in their order. */
  public List<Check> checks() {
    return checks;
  }
}
