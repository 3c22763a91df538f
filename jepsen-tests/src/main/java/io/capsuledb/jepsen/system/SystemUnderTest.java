package io.capsuledb.jepsen.system;

import io.capsuledb.jepsen.nemesis.Fault;
import io.capsuledb.jepsen.resp.Endpoint;
import java.io.IOException;
import java.util.List;
import java.util.random.RandomGenerator;

/** What is tested. Endpoints may be asked for by any thread, the rest by one. */
public interface SystemUnderTest extends AutoCloseable {

  /** What it is, in a few words. */
  String describe();

  /** Where clients connect now; it may change with faults. */
  List<Endpoint> endpoints();

  /**
   * Makes a fault of a kind, and draws whom it hits.
   *
   * @throws IllegalArgumentException if there is no such kind
   */
  Fault fault(String kind, RandomGenerator random);

  /** Has every server see what all have acknowledged, as far as it would not by itself. */
  default void settle() throws IOException {}

  /**
   * Checks, after load and faults, that it has recovered.
   *
   * @return what is wrong, in words
   */
  List<String> afterwards() throws IOException;

  @Override
  void close() throws IOException;
}
