package io.capsuledb.replication.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsTransportTest extends TransportContract {

  @TempDir static Path directory;

  @BeforeAll
  static void makeFiles() {
    TlsFiles.make(directory, "one");
    TlsFiles.make(directory, "stranger");
  }

  private static TlsOptions options(String name, String authority) {
    return TlsOptions.of(
        directory.resolve(name + ".crt"),
        directory.resolve(name + ".key"),
        directory.resolve(authority + ".crt"));
  }

  @Override
  Network start(Transport.Events events) {
    return TlsTransport.start(options("one", "one"), Telemetry.NONE, events);
  }

  @Override
  String anyAddress() {
    return "127.0.0.1:0";
  }

  @Override
  String deadAddress() {
    return "tls://127.0.0.1:1";
  }

  @Test
  void whoeverHasNoCertificateOfTheAuthorityGetsNoLink() {
    RecordingEvents events = new RecordingEvents();
    Network server = open(events);
    String address = server.listen(anyAddress());
    RecordingEvents strangerEvents = new RecordingEvents();
    try (Network stranger =
        TlsTransport.start(options("stranger", "one"), Telemetry.NONE, strangerEvents)) {
      long link = stranger.connect(address);
      Await.until("the end", () -> strangerEvents.closed().containsKey(link));
    }
    RecordingEvents nobodyEvents = new RecordingEvents();
    try (Network nobody =
        TlsTransport.start(
            TlsOptions.of(null, null, directory.resolve("one.crt")),
            Telemetry.NONE,
            nobodyEvents)) {
      long link = nobody.connect(address);
      Await.until("the end", () -> nobodyEvents.closed().containsKey(link));
    }
    assertThat(events.opened()).isEmpty();
    assertThat(server.counters().get("tls.dropped.handshake")).isEqualTo(2);
  }

  @Test
  void aServerWithoutACertificateOfTheAuthorityIsNotTalkedTo() {
    RecordingEvents events = new RecordingEvents();
    try (Network server = TlsTransport.start(options("stranger", "one"), Telemetry.NONE, events)) {
      String address = server.listen(anyAddress());
      RecordingEvents clientEvents = new RecordingEvents();
      Network client = open(clientEvents);
      long link = client.connect(address);
      Await.until("the end", () -> clientEvents.closed().containsKey(link));
      assertThat(clientEvents.opened()).isEmpty();
    }
  }

  @Test
  void aCertificateWithTheKeyOfAnotherIsRefusedAtTheStart() {
    assertThatThrownBy(
            () ->
                TlsTransport.start(
                    TlsOptions.of(
                        directory.resolve("one.crt"),
                        directory.resolve("stranger.key"),
                        directory.resolve("one.crt")),
                    Telemetry.NONE,
                    new RecordingEvents()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("stranger.key is not the key of certificate");
  }

  @Test
  void listeningNeedsACertificateAndFilesHaveToBeThere() {
    Network client =
        TlsTransport.start(TlsOptions.of(null, null, null), Telemetry.NONE, new RecordingEvents());
    assertThatThrownBy(() -> client.listen(anyAddress()))
        .isInstanceOf(InvalidRequestException.class);
    client.close();
    assertThatThrownBy(
            () ->
                TlsTransport.start(
                    options("missing", "one"), Telemetry.NONE, new RecordingEvents()))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> TlsOptions.of(directory.resolve("one.crt"), null, null))
        .isInstanceOf(InvalidRequestException.class);
  }
}
