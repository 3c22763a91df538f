/** What clients ask for: generators of operations, how they are asked for, and who checks them. */
package io.capsuledb.jepsen.workload;
