package io.capsuledb.jepsen.system;

import io.capsuledb.jepsen.nemesis.Fault;
import io.capsuledb.jepsen.resp.Endpoint;
import java.util.List;
import java.util.random.RandomGenerator;

/** Servers that run already, and that no harm is done to. */
public final class ExistingServers implements SystemUnderTest {

  /** Why there are no faults. */
  public static final String OBSTACLE = "no harm is done to servers that were running already";

  private final List<Endpoint> endpoints;

  /** These servers. */
  public ExistingServers(List<Endpoint> endpoints) {
    this.endpoints = List.copyOf(endpoints);
  }

  @Override
  public String describe() {
    return "servers at " + endpoints;
  }

  @Override
  public List<Endpoint> endpoints() {
    return endpoints;
  }

  @Override
  public Fault fault(String kind, RandomGenerator random) {
    throw new IllegalArgumentException(OBSTACLE);
  }

  @Override
  public List<String> afterwards() {
    return List.of();
  }

  @Override
  public void close() {}
}
