package io.capsuledb.scl.merge;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Rejection;
import org.jspecify.annotations.Nullable;

/** What merging wants from outside. */
public sealed interface PullRequest {

  /** Records of a chain; fewer may be given than asked for, from the first on. */
  record Range(long ticket, long writer, long from, long to) implements PullRequest {}

  /** The record with a hash. */
  record ByHash(long ticket, Hash32 hash) implements PullRequest {}

  /** What was given for a ticket is wrong: whoever gave it is to blame. */
  record Blame(long ticket, @Nullable Rejection rejection) implements PullRequest {}
}
