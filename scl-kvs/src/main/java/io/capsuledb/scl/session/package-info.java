/** What a session has seen and written, carried from one worker to another. */
@NullMarked
package io.capsuledb.scl.session;

import org.jspecify.annotations.NullMarked;
