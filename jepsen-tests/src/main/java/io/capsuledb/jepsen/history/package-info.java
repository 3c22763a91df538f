/** Histories: what clients asked for and were answered, in the order of real time. */
package io.capsuledb.jepsen.history;
