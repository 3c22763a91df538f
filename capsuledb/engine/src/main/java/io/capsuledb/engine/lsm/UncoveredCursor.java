package io.capsuledb.engine.lsm;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;

/**
 * Walks the entries of a memtable that are later than what the tables hold already. Of several
 * workers one writes the tables, and the others' memtables end elsewhere: what is in both must be
 * met once.
 */
final class UncoveredCursor implements EntryCursor {

  private final EntryCursor source;
  private final long coveredTime;

  UncoveredCursor(EntryCursor source, long coveredTime) {
    this.source = source;
    this.coveredTime = coveredTime;
  }

  private boolean forward(boolean positioned) {
    boolean there = positioned;
    while (there && source.entry().time() <= coveredTime) {
      there = source.next();
    }
    return there;
  }

  private boolean backward(boolean positioned) {
    boolean there = positioned;
    while (there && source.entry().time() <= coveredTime) {
      there = source.previous();
    }
    return there;
  }

  @Override
  public boolean seekToFirst() {
    return forward(source.seekToFirst());
  }

  @Override
  public boolean seekToLast() {
    return backward(source.seekToLast());
  }

  @Override
  public boolean seek(byte[] key) {
    return forward(source.seek(key));
  }

  @Override
  public boolean next() {
    return forward(source.next());
  }

  @Override
  public boolean previous() {
    return backward(source.previous());
  }

  @Override
  public boolean valid() {
    return source.valid();
  }

  @Override
  public Entry entry() {
    return source.entry();
  }
}
