package io.capsuledb.host.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Telemetry.Counter;
import io.capsuledb.core.port.Telemetry.Distribution;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class MetricsServerTest {

  private static MetricsServer start(
      PrometheusTelemetry telemetry, AtomicReference<@Nullable CapsuleException> failure) {
    return MetricsServer.start(
        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), telemetry::text, failure::get);
  }

  private static HttpResponse<String> get(MetricsServer server, String path)
      throws IOException, InterruptedException {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(
                  URI.create("http://127.0.0.1:" + server.address().getPort() + path))
              .build(),
          HttpResponse.BodyHandlers.ofString());
    }
  }

  @Test
  void aNodeThatStoppedWorkingSaysWhy() throws Exception {
    AtomicReference<@Nullable CapsuleException> failure = new AtomicReference<>();
    try (MetricsServer server = start(new PrometheusTelemetry(), failure)) {
      assertThat(get(server, "/healthz").statusCode()).isEqualTo(200);
      failure.set(new StorageException("the disk is full"));
      HttpResponse<String> health = get(server, "/healthz");
      assertThat(health.statusCode()).isEqualTo(503);
      assertThat(health.body()).isEqualTo("STORAGE: the disk is full\n");
    }
  }

  @Test
  void everyCountAndMeasurementHasASeriesFromTheBeginning() throws Exception {
    PrometheusTelemetry telemetry = new PrometheusTelemetry();
    telemetry.count(Counter.BYTES_SEALED, 7);
    telemetry.observe(Distribution.STORE_SYNC_SECONDS, 3e-4);
    try (MetricsServer server = start(telemetry, new AtomicReference<>())) {
      String body = get(server, "/metrics").body();
      assertThat(body)
          .contains("\ncapsule_sealed_bytes_total 7.0\n")
          .contains("\ncapsule_store_sync_seconds_bucket{le=\"2.5E-4\"} 0\n")
          .contains("\ncapsule_store_sync_seconds_bucket{le=\"5.0E-4\"} 1\n");
      for (Distribution distribution : Distribution.values()) {
        assertThat(body)
            .contains("\ncapsule_" + distribution.name().toLowerCase(Locale.ROOT) + "_count ");
      }
      assertThat(
              body.lines()
                  .filter(line -> line.startsWith("# TYPE capsule_") && line.endsWith(" counter")))
          .hasSize(Counter.values().length + 1);
    }
  }

  @Test
  void silentConnectionsDoNotKeepOthersOut() throws Exception {
    List<Socket> silent = new ArrayList<>();
    try (MetricsServer server = start(new PrometheusTelemetry(), new AtomicReference<>())) {
      for (int i = 0; i < 20; i++) {
        silent.add(new Socket(server.address().getAddress(), server.address().getPort()));
      }
      assertThat(get(server, "/healthz").statusCode()).isEqualTo(200);
    } finally {
      for (Socket socket : silent) {
        socket.close();
      }
    }
  }
}
