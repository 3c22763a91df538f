/** The real clock and the real randomness behind core's ports. */
package io.capsuledb.host.platform;
