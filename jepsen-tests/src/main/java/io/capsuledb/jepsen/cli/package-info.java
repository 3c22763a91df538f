/** The testbed on the command line. */
package io.capsuledb.jepsen.cli;
