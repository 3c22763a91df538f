/** Structures that several threads of one process use, under Lincheck. */
package io.capsuledb.jepsen.concurrent;
