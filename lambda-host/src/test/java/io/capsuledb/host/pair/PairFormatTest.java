package io.capsuledb.host.pair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Transport;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.enclave.ring.Ring;
import io.capsuledb.enclave.ring.RingOptions;
import io.capsuledb.enclave.ring.RingReader;
import io.capsuledb.enclave.ring.RingWriter;
import io.capsuledb.replication.session.Network;
import io.capsuledb.scl.resp.ClientDoor;
import io.capsuledb.scl.resp.ClientStreams;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * The messages of docs/format/pair.md, byte by byte, as {@code pair.hex} has them: each line is a
 * frame, {@code >} to the host and {@code <} to the enclave. Either process is played by the file
 * while the other is the real one.
 */
class PairFormatTest {

  private static final RingOptions SIZE = new RingOptions(1 << 16, 1 << 12);
  private static final long PATIENCE_MS = 20_000;
  private static final byte[] NAME = filled(32, 0xaa);
  private static final byte[] HASH = filled(32, 0xbb);
  private static final byte[] RECORD = {'r', 'e', 'c'};

  private static byte[] filled(int length, int value) {
    byte[] bytes = new byte[length];
    Arrays.fill(bytes, (byte) value);
    return bytes;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static List<String> golden(String file) throws IOException {
    try (InputStream in = PairFormatTest.class.getResourceAsStream("/golden/v1/" + file)) {
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII)
          .lines()
          .filter(line -> line.startsWith("<") || line.startsWith(">"))
          .toList();
    }
  }

  private static byte[] frame(String line) {
    return HexFormat.of().parseHex(line.substring(2));
  }

  private static String take(RingReader from) {
    byte[] into = new byte[SIZE.maxMessageBytes()];
    int length = from.take(into, PATIENCE_MS);
    return length < 0 ? "nothing" : HexFormat.of().formatHex(into, 0, length);
  }

  private static String took(RingReader from, int maxMessage) {
    byte[] into = new byte[maxMessage];
    int length = from.take(into, PATIENCE_MS);
    return length < 0 ? "nothing" : HexFormat.of().formatHex(into, 0, length);
  }

  /** What an enclave asks in the golden dialogue, and what it makes of the answers. */
  private static void ask(EnclaveSide enclave, BlockingQueue<String> told) {
    CapsuleStores stores = enclave.stores(false);
    RecordStore store = stores.capsule(NAME);
    assertThat(store.metadata()).isNull();
    store.initialize(ascii("meta"));
    assertThat(store.metadata()).isEqualTo(ascii("meta"));
    store.append(List.of(new StoredRecord(1, 1, Hash32.of(HASH), RECORD)));
    assertThat(store.read(1, 1)).isEqualTo(RECORD);
    assertThat(store.read(1, 2)).isNull();
    assertThat(store.read(Hash32.of(HASH))).isEqualTo(RECORD);
    assertThat(store.writers()).containsExactly(1L);
    assertThat(store.newestSequence(1)).isEqualTo(1);
    List<String> scanned = new ArrayList<>();
    store.scan(
        1,
        1,
        (writer, sequence, bytes) ->
            scanned.add(writer + " " + sequence + " " + new String(bytes, StandardCharsets.UTF_8)));
    assertThat(scanned).containsExactly("1 1 rec");
    store.truncate(1, 1);
    store.reclaim();
    assertThat(stores.capsules()).hasSize(1);
    assertThat(stores.capsules().getFirst()).isEqualTo(NAME);
    assertThat(stores.sizeBytes()).isEqualTo(4711);
    assertThatThrownBy(() -> store.release(List.of()))
        .isInstanceOf(UnavailableException.class)
        .hasMessage("not now");
    Transport.Events events =
        new Transport.Events() {
          @Override
          public void opened(long link) {
            told.add("opened " + Long.toHexString(link));
          }

          @Override
          public void received(long link, byte[] frame) {
            told.add("received " + new String(frame, StandardCharsets.UTF_8));
          }

          @Override
          public void closed(long link, String reason) {
            told.add("closed " + reason);
          }
        };
    Network replicas = enclave.links(null, null).apply(events);
    Network routers = enclave.routers(null, 64, null).apply(events);
    assertThat(routers.listen("a:0")).isEqualTo("a:9");
    long link = replicas.connect("b:1");
    assertThat(link).isEqualTo(0x0001_0000_0000_0005L);
    assertThat(replicas.counters()).isEqualTo(Map.of("sent", 3L));
    routers.close();
  }

  /** A store that a test can predict. */
  private static final class Stores implements CapsuleStores {
    private final RecordStore disk = new SimDisk().open();

    @Override
    public RecordStore capsule(byte[] name) {
      assertThat(name).isEqualTo(NAME);
      return new Released(disk);
    }

    @Override
    public List<byte[]> capsules() {
      return List.of(NAME);
    }

    @Override
    public long sizeBytes() {
      return 4711;
    }

    @Override
    public void close() {
      disk.close();
    }
  }

  /** A disk that releases nothing. */
  private record Released(RecordStore disk) implements RecordStore {
    @Override
    public byte[] metadata() {
      return disk.metadata();
    }

    @Override
    public void initialize(byte[] metadata) {
      disk.initialize(metadata);
    }

    @Override
    public void append(List<StoredRecord> batch) {
      disk.append(batch);
    }

    @Override
    public void release(List<StoredRecord> stubs) {
      throw new UnavailableException("not now");
    }

    @Override
    public void truncate(long writer, long after) {
      disk.truncate(writer, after);
    }

    @Override
    public void reclaim() {
      disk.reclaim();
    }

    @Override
    public byte[] read(long writer, long sequence) {
      return disk.read(writer, sequence);
    }

    @Override
    public byte[] read(Hash32 hash) {
      return disk.read(hash);
    }

    @Override
    public long[] writers() {
      return disk.writers();
    }

    @Override
    public long newestSequence(long writer) {
      return disk.newestSequence(writer);
    }

    @Override
    public void scan(long writer, long fromSequence, Visitor visitor) {
      disk.scan(writer, fromSequence, visitor);
    }

    @Override
    public void audit(Consumer<String> findings) {
      disk.audit(findings);
    }

    @Override
    public long sizeBytes() {
      return disk.sizeBytes();
    }

    @Override
    public void close() {
      disk.close();
    }
  }

  /** Links that lead nowhere. */
  private record Links(Transport.Events events) implements Network {
    @Override
    public String listen(String address) {
      assertThat(address).isEqualTo("a:0");
      return "a:9";
    }

    @Override
    public long connect(String address) {
      assertThat(address).isEqualTo("b:1");
      return 5;
    }

    @Override
    public void admit(long link) {
      assertThat(link).isEqualTo(5);
    }

    @Override
    public Map<String, Long> counters() {
      return Map.of("sent", 3L);
    }

    @Override
    public boolean send(long link, byte[] frame) {
      return true;
    }

    @Override
    public void drop(long link) {
      assertThat(link).isEqualTo(5);
    }

    @Override
    public void close() {
      assertThat(events).isNotNull();
    }
  }

  @Test
  void theEnclaveAsksAsWrittenAndUnderstandsTheAnswers() throws Exception {
    List<String> dialogue = golden("pair.hex");
    CompletableFuture<CapsuleException> lost = new CompletableFuture<>();
    BlockingQueue<String> told = new LinkedBlockingQueue<>();
    try (Ring toEnclave = Ring.create(SIZE);
        Ring toHost = Ring.create(SIZE);
        EnclaveSide enclave =
            EnclaveSide.open(toEnclave.path(), toHost.path(), () -> true, Map::of, lost::complete);
        RingWriter out = toEnclave.writer(() -> true);
        RingReader in = toHost.reader(() -> true)) {
      CompletableFuture<Void> asking =
          CompletableFuture.runAsync(
              () -> ask(enclave, told), task -> Thread.ofPlatform().daemon().start(task));
      List<String> happened = new ArrayList<>();
      for (String line : dialogue) {
        if (line.startsWith(">")) {
          happened.add("> " + take(in));
          assertThat(happened).isEqualTo(dialogue.subList(0, happened.size()));
        } else {
          assertThat(out.offer(frame(line), 0, frame(line).length)).isTrue();
          happened.add(line);
        }
      }
      asking.get(PATIENCE_MS, TimeUnit.MILLISECONDS);
      assertThat(lost).isNotDone();
    }
  }

  @Test
  void theHostAnswersAsWritten() throws Exception {
    List<String> dialogue = golden("pair.hex");
    InetSocketAddress loopback = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    CompletableFuture<CapsuleException> lost = new CompletableFuture<>();
    try (ClientDoor door = ClientDoor.open(List.of(loopback), 1, 16, 16);
        HostSide host =
            HostSide.prepare(
                new HostSide.Means(new Stores(), Links::new, maxLinks -> Links::new, door, null),
                () -> {},
                lost::complete);
        Ring toEnclave = Ring.open(host.toEnclave());
        Ring toHost = Ring.open(host.toHost());
        RingWriter out = toHost.writer(() -> true);
        RingReader in = toEnclave.reader(() -> true)) {
      host.start(() -> true);
      List<String> happened = new ArrayList<>();
      for (String line : dialogue) {
        if (line.startsWith("<")) {
          happened.add("< " + took(in, toEnclave.options().maxMessageBytes()));
          assertThat(happened).isEqualTo(dialogue.subList(0, happened.size()));
        } else {
          assertThat(out.offer(frame(line), 0, frame(line).length)).isTrue();
          happened.add(line);
        }
      }
      assertThat(lost).isNotDone();
    }
  }

  /** What clients and links do, in both directions: no answers belong to it. */
  @Test
  void clientsAndLinksAreToldAsWritten() throws Exception {
    List<String> golden = golden("pair-streams.hex");
    BlockingQueue<String> heard = new LinkedBlockingQueue<>();
    ClientStreams hears =
        new ClientStreams() {
          @Override
          public void opened(long stream, InetSocketAddress remote, InetSocketAddress local) {
            heard.add("opened " + stream + " " + remote + " " + local);
          }

          @Override
          public void bytes(long stream, byte[] bytes) {
            heard.add("bytes " + stream + " " + bytes.length);
          }

          @Override
          public void taken(long stream, int bytes) {
            heard.add("taken " + stream + " " + bytes);
          }

          @Override
          public void ended(long stream) {
            heard.add("ended " + stream);
          }

          @Override
          public void closed(long stream) {
            heard.add("closed " + stream);
          }
        };
    PairLink.Receiver receiver =
        new PairLink.Receiver() {
          @Override
          public void received(PairKind kind, long number, byte[] body) {
            if (!PairStreams.pass(kind, number, body, hears)) {
              heard.add(kind + " " + Long.toHexString(number) + " " + body.length);
            }
          }

          @Override
          public void lost(CapsuleException why) {
            heard.add("lost " + why);
          }
        };
    RingOptions small = new RingOptions(1 << 12, 64);
    List<String> written = new ArrayList<>();
    try (Ring out = Ring.create(small);
        Ring back = Ring.create(small);
        RingReader reads = out.reader(() -> true);
        PairLink link =
            new PairLink("writes", Ring.open(back.path()), Ring.open(out.path()), () -> true)) {
      PairStreams streams = new PairStreams(link);
      streams.opened(
          1,
          new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), 40_000),
          new InetSocketAddress(InetAddress.getByAddress(new byte[16]), 6380));
      streams.bytes(1, ascii("PING\r\n"));
      // Longer than a frame of this ring: three of them.
      streams.bytes(1, filled(100, 'x'));
      streams.taken(1, 106);
      streams.ended(1);
      streams.closed(1);
      for (PairKind kind : PairKind.values()) {
        if (kind.number() >= PairKind.CALL.number()) {
          link.send(kind, 0x0001_0000_0000_0007L, new byte[] {1, 2, 3, 4});
        }
      }
      for (String text = took0(reads); !text.isEmpty(); text = took0(reads)) {
        written.add("> " + text);
      }
    }
    assertThat(written).isEqualTo(golden);
    try (Ring in = Ring.create(small);
        Ring back = Ring.create(small);
        RingWriter writes = in.writer(() -> true);
        PairLink link =
            new PairLink("reads", Ring.open(in.path()), Ring.open(back.path()), () -> true)) {
      link.start(receiver);
      for (String line : golden) {
        assertThat(writes.send(frame(line), PATIENCE_MS)).isTrue();
      }
      List<String> all = new ArrayList<>();
      while (all.size() < 6 + 8) {
        String one = heard.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
        assertThat(one).isNotNull();
        all.add(one);
      }
      assertThat(all)
          .containsExactly(
              "opened 1 /127.0.0.1:40000 /[0:0:0:0:0:0:0:0]:6380",
              "bytes 1 6",
              "bytes 1 100",
              "taken 1 106",
              "ended 1",
              "closed 1",
              "CALL 1000000000007 4",
              "ANSWER 1000000000007 4",
              "LINK_OPENED 1000000000007 4",
              "LINK_RECEIVED 1000000000007 4",
              "LINK_CLOSED 1000000000007 4",
              "LINK_SEND 1000000000007 4",
              "LINK_DROP 1000000000007 4",
              "LINK_ROOM 1000000000007 4");
    }
  }

  private static String took0(RingReader from) {
    byte[] into = new byte[64];
    int length = from.poll(into);
    return length < 0 ? "" : HexFormat.of().formatHex(into, 0, length);
  }
}
