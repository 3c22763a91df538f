/** {@code capsule fuzz}: every decoder that bytes from outside reach, under Jazzer. */
package io.capsuledb.jepsen.fuzz;
