/** Locks: what a coordinator has granted, and what a worker holds. */
@NullMarked
package io.capsuledb.scl.lock;

import org.jspecify.annotations.NullMarked;
