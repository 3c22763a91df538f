/** The record: layout, codec, sealing, chain verification, proof of equivocation. */
package io.capsuledb.core.record;
