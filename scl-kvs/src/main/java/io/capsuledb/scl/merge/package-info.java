/** Taking up other writers' records in causal order. */
@NullMarked
package io.capsuledb.scl.merge;

import org.jspecify.annotations.NullMarked;
