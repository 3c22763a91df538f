/** Epochs: both sides of the cut, and the coordinator that makes it. */
@NullMarked
package io.capsuledb.scl.epoch;

import org.jspecify.annotations.NullMarked;
