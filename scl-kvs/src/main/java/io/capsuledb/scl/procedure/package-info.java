/** What the server asks of an engine that runs procedures: a port, implemented by the host. */
package io.capsuledb.scl.procedure;
