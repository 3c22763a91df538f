package io.capsuledb.engine.lsm;

import io.capsuledb.engine.entry.Version;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The CLEAR operations that still matter, ascending. Each hides every entry with a smaller version
 * from reads as of its time or later. Immutable.
 */
public final class Clears {

  /** None. */
  public static final Clears NONE = new Clears(List.of());

  private final List<Version> versions;

  private Clears(List<Version> versions) {
    this.versions = versions;
  }

  static Clears of(List<Version> ascending) {
    return ascending.isEmpty() ? NONE : new Clears(List.copyOf(ascending));
  }

  /** These and one more. */
  public Clears with(Version version) {
    List<Version> more = new ArrayList<>(versions);
    int at = more.size();
    while (at > 0 && more.get(at - 1).compareTo(version) > 0) {
      at--;
    }
    if (at > 0 && more.get(at - 1).equals(version)) {
      return this;
    }
    more.add(at, version);
    return new Clears(List.copyOf(more));
  }

  /** The newest one that a read as of a Lamport time sees, or null. */
  public @Nullable Version at(long time) {
    for (int i = versions.size() - 1; i >= 0; i--) {
      if (versions.get(i).time() <= time) {
        return versions.get(i);
      }
    }
    return null;
  }

  /** The newest one before a version, or null. */
  @Nullable Version before(Version version) {
    for (int i = versions.size() - 1; i >= 0; i--) {
      if (versions.get(i).compareTo(version) < 0) {
        return versions.get(i);
      }
    }
    return null;
  }

  /**
   * Those that reads as of the floor or later can tell apart: the newest at or before it, and all
   * later ones.
   */
  Clears from(long floorTime) {
    Version base = at(floorTime);
    if (base == null) {
      return this;
    }
    return of(versions.subList(versions.indexOf(base), versions.size()));
  }

  /** Those not later than a Lamport time. */
  Clears upTo(long time) {
    int end = versions.size();
    while (end > 0 && versions.get(end - 1).time() > time) {
      end--;
    }
    return of(versions.subList(0, end));
  }

  int size() {
    return versions.size();
  }

  List<Version> versions() {
    return versions;
  }
}
