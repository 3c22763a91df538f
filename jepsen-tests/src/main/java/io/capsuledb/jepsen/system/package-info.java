/**
 * Systems to test: their processes, networks, disks and clocks, and what can go wrong with them.
 */
package io.capsuledb.jepsen.system;
