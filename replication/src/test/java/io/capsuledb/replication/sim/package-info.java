/** Simulated disk of a replica, with faults. */
package io.capsuledb.replication.sim;
