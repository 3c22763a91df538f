/**
 * Simulated clock, entropy and record store: what every module's tests run trusted code against.
 */
package io.capsuledb.core.sim;
