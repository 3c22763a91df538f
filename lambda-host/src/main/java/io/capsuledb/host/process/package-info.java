/** Processes of this program that it starts itself: of a cluster, and for benchmarks. */
@NullMarked
package io.capsuledb.host.process;

import org.jspecify.annotations.NullMarked;
