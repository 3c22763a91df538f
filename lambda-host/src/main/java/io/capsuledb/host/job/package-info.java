/** Launched programs: what runs them, what coordinates them, and the client that launches them. */
package io.capsuledb.host.job;
