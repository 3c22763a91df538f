package io.capsuledb.jepsen.nemesis;

/**
 * When a fault was there.
 *
 * @param name of the kind
 * @param description what it did to whom
 * @param beginNs when it began, in nanoseconds since the run began
 * @param endNs when all of it was put right
 * @param stopsService whether clients might rightly be refused, or wait, meanwhile
 */
public record FaultWindow(
    String name, String description, long beginNs, long endNs, boolean stopsService) {}
