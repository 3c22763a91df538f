/** Faults, and who draws them. */
package io.capsuledb.jepsen.nemesis;
