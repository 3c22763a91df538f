/** A run: clients, faults, healing, final reads and the verdict. */
package io.capsuledb.jepsen.run;
