package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/**
 * Whatever any client was told, by a reply to a write or by a read, is still so after a power cut
 * at any moment.
 *
 * <p>Every key is a counter that only grows: a reply with a number tells that the key had reached
 * it.
 */
class AcknowledgedWritesCrashTest {

  private static final int CLIENTS = 3;
  private static final int KEYS = 3;

  /** What a client will be told by its next replies: a key whose value the reply is, or none. */
  private static final class Told {
    private final Wire.Client client;
    private final ArrayDeque<Integer> expected = new ArrayDeque<>();
    private final StringBuilder received = new StringBuilder();

    Told(Wire.Client client) {
      this.client = client;
    }
  }

  @Property(tries = 300)
  void nothingThatWasToldIsLost(@ForAll("actions") List<Integer> actions) {
    long[] told = new long[KEYS];
    try (Wire wire = new Wire()) {
      List<Told> clients = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        clients.add(new Told(wire.connect()));
      }
      for (int action : actions) {
        Told one = clients.get(action % CLIENTS);
        int key = action / 8 % KEYS;
        switch (action / 64 % 8) {
          case 0, 1 -> send(one, key, "INCR k" + key);
          case 2 -> send(one, key, "GET k" + key);
          case 3 -> {
            one.client.command("MULTI", "INCR k" + key, "INCR k" + key, "EXEC");
            one.expected.addAll(List.of(-1, -1, -1, -2, key, key));
          }
          case 4 -> {
            for (int i = 0; i < 20; i++) {
              send(one, key, "INCR k" + key);
            }
          }
          case 5 -> wire.pump();
          default -> wire.scheduler.step();
        }
        clients.forEach(client -> hear(client, told));
      }
      wire.pump();
      clients.forEach(client -> hear(client, told));
      try (CapsuleDb left = wire.recover()) {
        for (int key = 0; key < KEYS; key++) {
          Lookup found = left.get(("k" + key).getBytes(StandardCharsets.US_ASCII));
          long value =
              found.found()
                  ? Long.parseLong(new String(found.value(), StandardCharsets.US_ASCII))
                  : 0;
          assertThat(value).as("key %d", key).isGreaterThanOrEqualTo(told[key]);
        }
      }
    }
  }

  private static void send(Told client, int key, String command) {
    client.client.command(command);
    client.expected.add(key);
  }

  /** Takes in what a client received: one line for each reply, two for a value. */
  private static void hear(Told client, long[] told) {
    client.received.append(client.client.received());
    int end;
    while ((end = client.received.indexOf("\r\n")) >= 0) {
      String line = client.received.substring(0, end);
      client.received.delete(0, end + 2);
      if (line.startsWith("$") && !line.equals("$-1")) {
        continue;
      }
      int key = client.expected.remove();
      switch (key) {
        case -1 -> assertThat(line).isIn("+OK", "+QUEUED");
        case -2 -> assertThat(line).isEqualTo("*2");
        default -> {
          if (!line.equals("$-1")) {
            told[key] = Math.max(told[key], Long.parseLong(line.replace(":", "")));
          }
        }
      }
    }
  }

  @Provide
  Arbitrary<List<Integer>> actions() {
    return Arbitraries.integers().between(0, 1 << 20).list().ofMinSize(5).ofMaxSize(60);
  }
}
