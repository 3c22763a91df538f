package io.capsuledb.replication.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Clients that say something to each other through real replica cores. */
@Timeout(60)
class RelayedFramesTest {

  private static final long FOR_EVER = Long.MAX_VALUE / 2;
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private static boolean eventually(BooleanSupplier condition) {
    long end = System.nanoTime() + PATIENCE_NANOS;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - end > 0) {
        return false;
      }
      java.util.concurrent.locks.LockSupport.parkNanos(5_000_000);
    }
    return true;
  }

  private static Set<String> listen(LiveReplicas.Client to, boolean nowhereElse) {
    Set<String> heard = ConcurrentHashMap.newKeySet();
    to.client.listen(
        frame -> heard.add(new String(frame.bytes(), StandardCharsets.US_ASCII)), nowhereElse);
    return heard;
  }

  private static boolean arrives(LiveReplicas.Client from, String frame, Set<String> heard) {
    return eventually(
        () -> {
          from.client.relay(frame.getBytes(StandardCharsets.US_ASCII));
          return heard.contains(frame);
        });
  }

  @Test
  void replicasRelayFramesWhileAnyOfThemLives() {
    try (LiveReplicas world = new LiveReplicas(3, 3);
        LiveReplicas.Client first = world.new Client(FOR_EVER);
        LiveReplicas.Client second = world.new Client(FOR_EVER);
        LiveReplicas.Client third = world.new Client(FOR_EVER)) {
      // A replica relays frames of capsules that it holds.
      first.client.know(world.capsule.signedMetadata);
      Set<String> heardByFirst = listen(first, false);
      Set<String> heardBySecond = listen(second, true);
      assertThat(arrives(first, "one", heardBySecond)).isTrue();
      assertThat(arrives(second, "two", heardByFirst)).isTrue();
      assertThat(heardByFirst).containsExactly("two");
      // Who does not listen may speak.
      assertThat(arrives(third, "three", heardBySecond)).isTrue();
      assertThat(eventually(() -> first.client.othersNeedRelays())).isTrue();
      assertThat(second.client.othersNeedRelays()).isFalse();
      for (int i = 0; i < 2; i++) {
        int stopped = i;
        world.at(
            () -> {
              world.replicas.get(stopped).stop();
              return true;
            });
        assertThat(arrives(first, "without " + i, heardBySecond)).isTrue();
      }
      listen(second, false);
      assertThat(eventually(() -> !first.client.othersNeedRelays())).isTrue();
    }
  }
}
