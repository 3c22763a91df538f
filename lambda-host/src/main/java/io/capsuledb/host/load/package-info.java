/** Files of operations, and their pipelined execution on a running server. */
package io.capsuledb.host.load;
