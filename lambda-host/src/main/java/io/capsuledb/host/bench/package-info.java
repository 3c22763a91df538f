/** Measures servers that speak the Redis protocol: this one, and Redis itself beside it. */
package io.capsuledb.host.bench;
