/**
 * Messages between two processes through shared memory, without a system call while both are busy.
 * Begin with {@link io.capsuledb.enclave.ring.Ring}; the bytes are in docs/format/ring.md.
 */
package io.capsuledb.enclave.ring;
