package io.capsuledb.replication.protocol;

/**
 * A statement with the bytes that were signed.
 *
 * @param statement what it says
 * @param encoded its encoding with the signature
 */
public record SignedStatement(Statement statement, Blob encoded) {}
