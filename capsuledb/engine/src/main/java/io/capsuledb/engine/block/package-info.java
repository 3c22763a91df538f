/**
 * The payloads of BLOCK records, docs/format/block.md: sorted entries, the index of a table of such
 * blocks, single large values. Plain bytes in and out; encryption and storage are elsewhere.
 */
package io.capsuledb.engine.block;
