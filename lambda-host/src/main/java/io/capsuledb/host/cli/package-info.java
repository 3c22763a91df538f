/** The commands of the program {@code capsule}. */
package io.capsuledb.host.cli;
