/** A worker among many, as one step function. */
@NullMarked
package io.capsuledb.scl.worker;

import org.jspecify.annotations.NullMarked;
