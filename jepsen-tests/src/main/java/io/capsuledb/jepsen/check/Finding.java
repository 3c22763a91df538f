package io.capsuledb.jepsen.check;

/**
 * One violation.
 *
 * @param property the property that does not hold, by its name
 * @param detail which operations show it, for people
 */
public record Finding(String property, String detail) {}
