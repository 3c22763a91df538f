package io.capsuledb.engine.entry;

/**
 * When and by whom an operation was made. Operations on one key are ordered by this alone: Lamport
 * time, then writer, then place in the batch; the larger wins, wherever and in whatever order the
 * operations are seen. Ties cannot happen.
 *
 * @param time Lamport time of the operation
 * @param writer writer index, compared as unsigned
 * @param index place of the operation in its record, from 0
 */
public record Version(long time, long writer, int index) implements Comparable<Version> {

  @Override
  public int compareTo(Version other) {
    int order = Long.compare(time, other.time);
    if (order == 0) {
      order = Long.compareUnsigned(writer, other.writer);
    }
    return order == 0 ? Integer.compare(index, other.index) : order;
  }
}
