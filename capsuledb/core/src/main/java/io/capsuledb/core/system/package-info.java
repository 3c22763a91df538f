/**
 * The JVM's own clock, entropy and threads behind core's ports: the only package of core that
 * touches them.
 */
package io.capsuledb.core.system;
