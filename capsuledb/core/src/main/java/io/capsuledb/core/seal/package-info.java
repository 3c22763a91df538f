/** Orders to seal a writer: what is in SEAL records, and what their fields mean. */
@NullMarked
package io.capsuledb.core.seal;

import org.jspecify.annotations.NullMarked;
