package io.capsuledb.scl.session;

import java.util.ArrayList;
import java.util.List;

/**
 * A session's frontier: everything it may have seen or written lies at or before these positions,
 * or is an ancestor of a record there. A worker that has merged all of them shows the session
 * nothing older than what it saw. Immutable; positions ascend by writer, each writer once.
 *
 * @param positions at most {@link #MAX_POSITIONS}
 */
public record SessionToken(List<Position> positions) {

  /** Most positions of a token. */
  public static final int MAX_POSITIONS = 4096;

  /** Of a session that has seen nothing. */
  public static final SessionToken NOTHING = new SessionToken(List.of());

  /** Checks order and size. */
  public SessionToken {
    positions = List.copyOf(positions);
    if (positions.size() > MAX_POSITIONS) {
      throw new IllegalArgumentException("a token of " + positions.size() + " positions");
    }
    long before = 0;
    for (Position position : positions) {
      if (position.writer() <= before) {
        throw new IllegalArgumentException("the positions of a token do not ascend by writer");
      }
      before = position.writer();
    }
  }

  /** What two sessions have seen together, or one session at two times. */
  public SessionToken join(SessionToken other) {
    List<Position> joined = new ArrayList<>(positions.size() + other.positions.size());
    int i = 0;
    int j = 0;
    while (i < positions.size() && j < other.positions.size()) {
      Position mine = positions.get(i);
      Position theirs = other.positions.get(j);
      if (mine.writer() == theirs.writer()) {
        joined.add(mine.sequence() >= theirs.sequence() ? mine : theirs);
        i++;
        j++;
      } else if (mine.writer() < theirs.writer()) {
        joined.add(mine);
        i++;
      } else {
        joined.add(theirs);
        j++;
      }
    }
    joined.addAll(positions.subList(i, positions.size()));
    joined.addAll(other.positions.subList(j, other.positions.size()));
    return new SessionToken(joined);
  }
}
