package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rotation of a running node's keys, asked for by a client. */
class KeyRotationTest {

  private static final Node.PassphraseSource NO_PASSPHRASE = isProtected -> null;

  @TempDir private Path directory;

  private Node start(String keyDirectory, Node.PassphraseSource passphrases) {
    ServeOptions options =
        ServeOptions.builder()
            .set(ServeSetting.DATA, "data", directory)
            .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
            .set(ServeSetting.HTTP, "none", directory)
            .set(ServeSetting.KEY_DIRECTORY, keyDirectory, directory)
            .set(ServeSetting.MEMTABLE_MB, "32", directory)
            .build();
    return Node.start(options, passphrases, "test", () -> {});
  }

  private static RespClient connect(Node node) {
    return RespClient.open(
        ClientOptions.builder()
            .address(new HostPort("127.0.0.1", node.address().getPort()))
            .build());
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static long rotate(RespClient client) {
    return ((Reply.Count) client.update(ascii("CAPSULE.ROTATE"))).value();
  }

  @ParameterizedTest
  @ValueSource(strings = {"roster", "derived"})
  void everythingIsThereAfterRotationsAndRestarts(String keyDirectory) {
    for (int life = 0; life < 3; life++) {
      try (Node node = start(keyDirectory, NO_PASSPHRASE);
          RespClient client = connect(node)) {
        for (int i = 0; i < 2; i++) {
          long generation = rotate(client);
          assertThat(generation).isEqualTo(2L * life + i + 1);
          client.update(ascii("SET"), ascii("of " + generation), ascii("value " + generation));
        }
        for (int generation = 1; generation <= 2 * life + 2; generation++) {
          assertThat(client.query(ascii("GET"), ascii("of " + generation)).text())
              .isEqualTo("value " + generation);
        }
        client.update(ascii("CAPSULE.FLUSH"));
      }
      OfflineVerification.Result result =
          OfflineVerification.run(
              directory.resolve("data"), null, () -> null, null, (records, total) -> {});
      assertThat(result.clean()).as(result.toString()).isTrue();
      assertThat(result.capsules().getFirst().decrypted()).isPositive();
    }
  }

  @Test
  void clientsWriteOnWhileKeysAreRotated() {
    try (Node node = start("roster", NO_PASSPHRASE)) {
      AtomicBoolean stop = new AtomicBoolean();
      AtomicInteger written = new AtomicInteger();
      CompletableFuture<Void> writing =
          CompletableFuture.runAsync(
              () -> {
                try (RespClient client = connect(node)) {
                  while (!stop.get()) {
                    client.update(
                        ascii("SET"), ascii("k" + written.get()), ascii("v" + written.get()));
                    written.incrementAndGet();
                  }
                }
              });
      try (RespClient client = connect(node)) {
        for (int i = 1; i <= 20; i++) {
          assertThat(rotate(client)).isEqualTo(i);
          int before = written.get();
          while (written.get() == before && !writing.isDone()) {
            Thread.onSpinWait();
          }
        }
        stop.set(true);
        writing.join();
        for (int i = 0; i < written.get(); i++) {
          assertThat(client.query(ascii("GET"), ascii("k" + i)).text()).isEqualTo("v" + i);
        }
      }
    }
  }

  @Test
  void eachCallOfAProcedureHasKeysOfItsOwn() {
    ServeOptions options =
        ServeOptions.builder()
            .set(ServeSetting.DATA, "data", directory)
            .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
            .set(ServeSetting.HTTP, "none", directory)
            .set(ServeSetting.ROTATE_EACH_CALL, "yes", directory)
            .set(ServeSetting.MEMTABLE_MB, "32", directory)
            .build();
    try (Node node = Node.start(options, NO_PASSPHRASE, "test", () -> {});
        RespClient client = connect(node)) {
      client.update(
          ascii("FUNCTION"),
          ascii("LOAD"),
          ascii(
              "#!js name=count\nregister_function('more', function (keys) {"
                  + " incr(keys[0], 1); return get(keys[0], 'text') });"));
      for (int call = 1; call <= 3; call++) {
        assertThat(client.update(ascii("FCALL"), ascii("more"), ascii("1"), ascii("calls")).text())
            .isEqualTo(Integer.toString(call));
      }
      assertThat(rotate(client)).isEqualTo(4);
      assertThat(client.query(ascii("GET"), ascii("calls")).text()).isEqualTo("3");
    }
  }

  @Test
  void aKeyWhosePassphraseWasTypedInIsNotRotated() {
    AtomicBoolean typed = new AtomicBoolean(true);
    try (Node node =
            start("roster", isProtected -> typed.get() ? "open sesame".toCharArray() : null);
        RespClient client = connect(node)) {
      assertThat(rotate(client)).isEqualTo(1);
      typed.set(false);
      assertThatThrownBy(() -> rotate(client)).hasMessageContaining("--passphrase-file");
      client.update(ascii("SET"), ascii("k"), ascii("v"));
      assertThat(client.query(ascii("GET"), ascii("k")).text()).isEqualTo("v");
    }
  }
}
