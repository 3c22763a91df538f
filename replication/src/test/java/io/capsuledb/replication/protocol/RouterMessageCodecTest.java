package io.capsuledb.replication.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.golden.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Words of routers: golden bytes, there and back, and any bytes at all. */
class RouterMessageCodecTest {

  private static final Hash32 HASH = GoldenProtocol.ascending(0x20);

  private static final Map<String, RouterMessage> SAMPLES = samples();

  private static Map<String, RouterMessage> samples() {
    Map<String, RouterMessage> samples = new LinkedHashMap<>();
    samples.put(
        "join", new RouterMessage.Join(RouterMessage.Role.ROUTER, 0x1122334455667788L, "b:7500"));
    samples.put(
        "welcome", new RouterMessage.Welcome(List.of(new RouterMessage.Hop(HASH, "a:7500"))));
    samples.put(
        "turned", new RouterMessage.Turned(RouterMessage.Reason.FULL, List.of("c:7500", "d:7500")));
    samples.put("beat", new RouterMessage.Beat());
    samples.put(
        "multicast",
        new RouterMessage.Multicast(
            HASH, 258, 3, Blob.of("a frame".getBytes(StandardCharsets.US_ASCII))));
    return samples;
  }

  @Test
  void bytesAreWhatTheyWereAndWhatTheDocumentShows() throws IOException {
    StringBuilder made = new StringBuilder();
    SAMPLES.forEach(
        (name, message) ->
            made.append(name)
                .append(' ')
                .append(HexFormat.of().formatHex(RouterMessageCodec.encode(message)))
                .append('\n'));
    try (InputStream in =
        RouterMessageCodecTest.class.getResourceAsStream("/golden/v1/router.txt")) {
      assertThat(made.toString()).isEqualTo(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
    String document = Golden.document("router.md").replaceAll("\\s", "");
    for (RouterMessage message : SAMPLES.values()) {
      byte[] bytes = RouterMessageCodec.encode(message);
      assertThat(document).contains(HexFormat.of().formatHex(bytes));
      assertThat(RouterMessageCodec.decode(bytes)).isEqualTo(Decoded.accept(message));
    }
  }

  @Test
  void aFramePassedOnHasOneHopMoreAndNothingElse() {
    RouterMessage.Multicast frame = (RouterMessage.Multicast) SAMPLES.get("multicast");
    Blob bytes = Blob.of(RouterMessageCodec.encode(frame));
    Blob onwards = RouterMessageCodec.passedOn(bytes);
    assertThat(RouterMessageCodec.decode(onwards.bytes()))
        .isEqualTo(
            Decoded.accept(
                new RouterMessage.Multicast(
                    frame.origin(), frame.counter(), frame.hops() + 1, frame.payload())));
    assertThat(bytes.bytes()).isEqualTo(RouterMessageCodec.encode(frame));
  }

  @Test
  void anyBytesGiveAWordOrARejectionAndWordsHaveOneEncoding() {
    Random random = new Random(5);
    List<byte[]> samples = SAMPLES.values().stream().map(RouterMessageCodec::encode).toList();
    int accepted = 0;
    for (int i = 0; i < 60_000; i++) {
      byte[] bytes = samples.get(random.nextInt(samples.size())).clone();
      for (int flips = random.nextInt(3); flips >= 0; flips--) {
        bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
      }
      if (random.nextInt(4) == 0) {
        bytes = java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length + 8));
      }
      if (RouterMessageCodec.decode(bytes)
          instanceof Decoded.Accepted<RouterMessage>(RouterMessage message)) {
        accepted++;
        assertThat(RouterMessageCodec.encode(message)).isEqualTo(bytes);
      }
    }
    assertThat(accepted).isGreaterThan(1000);
  }
}
