package io.capsuledb.scl.lock;

import org.jspecify.annotations.Nullable;

/** How a lock is held; the numbers are part of the frame format. */
public enum LockMode {
  /** Together with others that only read. */
  SHARED(1),
  /** By one worker alone. */
  EXCLUSIVE(2);

  private final int number;

  LockMode(int number) {
    this.number = number;
  }

  /** The number in the format. */
  public int number() {
    return number;
  }

  /** The mode of a number, or null if there is none. */
  public static @Nullable LockMode ofNumber(int number) {
    return number == 1 ? SHARED : number == 2 ? EXCLUSIVE : null;
  }

  /** Whether who holds a lock in this mode may do what {@code wanted} is for. */
  public boolean covers(LockMode wanted) {
    return this == EXCLUSIVE || wanted == SHARED;
  }

  /** Whether two workers may hold a lock in these modes at a time. */
  public boolean agreesWith(LockMode other) {
    return this == SHARED && other == SHARED;
  }
}
