/** Simulated disks and networks of replicas: faults on demand, and the same seed, the same run. */
package io.capsuledb.replication.sim;
