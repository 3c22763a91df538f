/** Structured logs: one line an event, in logfmt, on the standard error. */
package io.capsuledb.host.log;
