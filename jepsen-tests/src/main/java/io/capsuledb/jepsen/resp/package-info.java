/**
 * A small client of the Redis protocol that keeps apart what failed for certain and what did not.
 */
package io.capsuledb.jepsen.resp;
