/**
 * A node in two processes: one that is trusted and has neither sockets nor disks, and one that has
 * them for it and is not trusted. See docs/format/pair.md.
 */
package io.capsuledb.host.pair;
