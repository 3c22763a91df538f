/**
 * Measurements, with JMH. Each class says how it is run; {@code BenchmarkSmokeTest} runs all of
 * them for a moment so that they cannot rot.
 */
package io.capsuledb.engine.bench;
