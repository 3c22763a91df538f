package io.capsuledb.engine;

import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;

/**
 * Everything outside the engine, as the engine reaches it.
 *
 * @param store where the capsule's records are; closed by whoever opened it, after the engine
 * @param clock for expiry and measurements
 * @param entropy for writer indexes and hash seeds
 * @param scheduler runs the engine's agents
 * @param telemetry takes counts and measurements
 */
public record CapsulePorts(
    RecordStore store, Clock clock, Entropy entropy, Scheduler scheduler, Telemetry telemetry) {}
