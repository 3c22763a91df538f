/** Operations that change a value by what it is, in whatever order they meet. */
@NullMarked
package io.capsuledb.engine.merge;

import org.jspecify.annotations.NullMarked;
