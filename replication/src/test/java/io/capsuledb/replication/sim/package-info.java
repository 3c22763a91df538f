/** A network under virtual time, for simulations: same seed, same run. */
package io.capsuledb.replication.sim;
