/**
 * What replicas and their clients say to each other, and what replicas sign: types and codecs.
 * docs/format/replication.md.
 */
package io.capsuledb.replication.protocol;
