/** Metrics for Prometheus, and the HTTP endpoint that serves them. */
package io.capsuledb.host.metrics;
