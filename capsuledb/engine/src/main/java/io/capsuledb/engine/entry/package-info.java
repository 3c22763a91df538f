/** Entries, their versions and their order: what memtables, blocks and cursors have in common. */
package io.capsuledb.engine.entry;
