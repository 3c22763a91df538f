/** The log-structured merge-tree: tables, levels, manifests, flush, compaction, reading. */
package io.capsuledb.engine.lsm;
