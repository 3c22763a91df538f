/** Fixed-width little-endian integers and varints over byte arrays. */
package io.capsuledb.core.bytes;
