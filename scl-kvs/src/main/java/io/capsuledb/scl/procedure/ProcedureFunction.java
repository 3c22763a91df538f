package io.capsuledb.scl.procedure;

/**
 * A function that a library registered.
 *
 * @param name letters, digits and underscores
 * @param noWrites it may only read
 * @param description text for people, may be empty
 */
public record ProcedureFunction(String name, boolean noWrites, String description) {}
