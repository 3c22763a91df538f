/** Entries of the log-structured merge-tree: what memtables, blocks and cursors exchange. */
package io.capsuledb.engine.entry;
