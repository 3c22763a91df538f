/** Collateral as files: the only place here that reads a disk. */
package io.capsuledb.host.attest.files;
