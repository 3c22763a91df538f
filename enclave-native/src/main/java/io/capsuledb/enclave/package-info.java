/** The operating system's side of the enclave process: today, hardening of the process itself. */
package io.capsuledb.enclave;
