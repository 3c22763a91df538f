/** A small blocking client of the Redis protocol, for the commands that talk to a server. */
package io.capsuledb.host.client;
