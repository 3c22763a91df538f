/** The memtable: what was written and is not in a block yet. */
package io.capsuledb.engine.memtable;
