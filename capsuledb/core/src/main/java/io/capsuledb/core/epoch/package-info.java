/** How an epoch of several writers ends: what RTS, EOE and SYNC records say. */
@NullMarked
package io.capsuledb.core.epoch;

import org.jspecify.annotations.NullMarked;
