package io.capsuledb.host.pair;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.enclave.ring.Ring;
import io.capsuledb.enclave.ring.RingOptions;
import io.capsuledb.scl.resp.ClientDoor;
import io.capsuledb.scl.resp.ClientStreams;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;

/**
 * The other process does with the shared memory whatever it likes: the enclave's calls end with an
 * answer or a typed failure, its link with a reason, and nothing hangs or breaks.
 */
class HostilePeerFuzzTest {

  private static final byte[] NAME = new byte[32];
  private static final int CALLS = 400;
  private static final int MAX_UNANSWERED = 4;
  private static final long ANSWER_MS = 500;
  private static final long PATIENCE_SECONDS = 60;
  private static final int RECORD_BYTES = 3000;

  /** One capsule on a simulated disk. */
  private record Simulated(RecordStore store) implements CapsuleStores {
    @Override
    public RecordStore capsule(byte[] name) {
      return store;
    }

    @Override
    public List<byte[]> capsules() {
      return List.of(NAME);
    }

    @Override
    public long sizeBytes() {
      return store.sizeBytes();
    }

    @Override
    public void close() {}
  }

  private static StoredRecord record(int sequence) {
    byte[] hash = new byte[Hash32.BYTES];
    hash[0] = (byte) sequence;
    hash[1] = (byte) (sequence >> 8);
    byte[] bytes = new byte[RECORD_BYTES];
    new Random(sequence).nextBytes(bytes);
    return new StoredRecord(1, sequence, Hash32.of(hash), bytes);
  }

  private static int length(byte @Nullable [] bytes) {
    return bytes == null ? 0 : bytes.length;
  }

  private static void scribble(Path memory, Random random, AtomicBoolean done) throws Exception {
    try (FileChannel file =
        FileChannel.open(memory, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MappedByteBuffer all = file.map(FileChannel.MapMode.READ_WRITE, 0, file.size());
      while (!done.get()) {
        // The words at the beginning decide most.
        int at = random.nextInt(random.nextBoolean() ? 1024 : all.capacity());
        all.put(at, (byte) random.nextInt());
        TimeUnit.NANOSECONDS.sleep(random.nextInt(200_000));
      }
    }
  }

  @Property(tries = 6)
  void whoScribblesOverTheMemoryHarmsOnlyItself(@ForAll int seed) throws Exception {
    Random random = new Random(seed);
    RecordStore disk = new SimDisk().open();
    AtomicBoolean done = new AtomicBoolean();
    CompletableFuture<CapsuleException> lost = new CompletableFuture<>();
    AtomicInteger answered = new AtomicInteger();
    AtomicLong readBytes = new AtomicLong();
    InetSocketAddress loopback = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    try (ClientDoor door = ClientDoor.open(List.of(loopback), 1, 16, 16);
        HostSide host =
            HostSide.prepare(
                new HostSide.Means(
                    new Simulated(disk),
                    events -> {
                      throw new UnavailableException("no links here");
                    },
                    maxLinks ->
                        events -> {
                          throw new UnavailableException("no routers here");
                        },
                    door,
                    null),
                () -> {},
                why -> {})) {
      Path toEnclave = host.toEnclave();
      Path toHost = host.toHost();
      try (EnclaveSide enclave =
          EnclaveSide.open(toEnclave, toHost, () -> true, Map::of, lost::complete, ANSWER_MS)) {
        host.start(() -> true);
        CompletableFuture<Void> scribbler = new CompletableFuture<>();
        CompletableFuture<Void> traffic = new CompletableFuture<>();
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  RecordStore store = enclave.stores(false).capsule(NAME);
                  int unanswered = 0;
                  for (int i = 1;
                      i <= CALLS && unanswered < MAX_UNANSWERED && !lost.isDone();
                      i++) {
                    try {
                      store.append(List.of(record(i)));
                      readBytes.addAndGet(length(store.read(1, i)));
                      store.scan(1, Math.max(1, i - 4L), (writer, sequence, bytes) -> true);
                      answered.incrementAndGet();
                    } catch (CapsuleException typed) {
                      // What it may end with.
                      unanswered += "STORAGE".equals(typed.code()) ? 1 : 0;
                    } catch (Throwable other) {
                      traffic.completeExceptionally(other);
                      return;
                    }
                  }
                  traffic.complete(null);
                });
        while (answered.get() < CALLS / 10 && !traffic.isDone()) {
          Thread.onSpinWait();
        }
        assertThat(answered.get()).as("it works while nobody disturbs it").isPositive();
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try {
                    scribble(random.nextBoolean() ? toEnclave : toHost, random, done);
                    scribbler.complete(null);
                  } catch (Exception e) {
                    scribbler.completeExceptionally(e);
                  }
                });
        try {
          traffic.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } finally {
          done.set(true);
        }
        scribbler.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertThat(readBytes.get()).isGreaterThanOrEqualTo(RECORD_BYTES);
      }
    }
  }

  @Property(tries = 200)
  void messagesThatMakeNoSenseEndTheLink(@ForAll int seed) throws Exception {
    Random random = new Random(seed);
    RingOptions size = new RingOptions(1 << 16, 1 << 12);
    CompletableFuture<CapsuleException> lost = new CompletableFuture<>();
    int streams = 0;
    try (Ring toEnclave = Ring.create(size);
        Ring toHost = Ring.create(size);
        EnclaveSide enclave =
            EnclaveSide.open(toEnclave.path(), toHost.path(), () -> true, Map::of, lost::complete);
        var out = toEnclave.writer(() -> true)) {
      assertThat(enclave.door()).isNotNull();
      for (int i = 0; i < 50 && !lost.isDone(); i++) {
        byte[] message = new byte[random.nextInt(64)];
        random.nextBytes(message);
        if (message.length >= PairLayout.HEADER_BYTES) {
          PairKind[] kinds = PairKind.values();
          message[PairLayout.KIND_AT] = (byte) kinds[random.nextInt(kinds.length)].number();
          message[PairLayout.FLAGS_AT] = (byte) random.nextInt(2);
          if (random.nextInt(4) > 0) {
            for (int at = PairLayout.RESERVED_AT; at < PairLayout.NUMBER_AT; at++) {
              message[at] = 0;
            }
          }
        }
        if (!out.send(message, TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS))) {
          throw new AssertionError("the enclave does not read");
        }
        streams++;
      }
      // A frame without a header ends it, whatever came before.
      boolean sent = lost.isDone() || out.send(new byte[1], 1000);
      assertThat(sent || lost.isDone()).isTrue();
      CapsuleException why = lost.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
      assertThat(why).isNotNull();
      assertThat(streams).isPositive();
    }
  }

  @Property(tries = 300)
  void clientsThatTheHostMakesUpDoNoHarm(@ForAll int seed) {
    Random random = new Random(seed);
    AtomicInteger told = new AtomicInteger();
    ClientStreams server =
        new ClientStreams() {
          @Override
          public void opened(long stream, InetSocketAddress remote, InetSocketAddress local) {
            told.incrementAndGet();
          }

          @Override
          public void bytes(long stream, byte[] bytes) {
            assertThat(bytes.length).isBetween(1, MAX_CHUNK_BYTES);
          }

          @Override
          public void taken(long stream, int bytes) {
            told.incrementAndGet();
          }

          @Override
          public void ended(long stream) {
            told.incrementAndGet();
          }

          @Override
          public void closed(long stream) {
            told.incrementAndGet();
          }
        };
    for (int i = 0; i < 20; i++) {
      byte[] body = new byte[random.nextInt(64)];
      random.nextBytes(body);
      PairKind[] kinds = PairKind.values();
      PairKind kind = kinds[random.nextInt(kinds.length)];
      try {
        boolean about = PairStreams.pass(kind, random.nextLong(), body, server);
        assertThat(about || kind.number() >= PairKind.CALL.number()).isTrue();
      } catch (CapsuleException typed) {
        assertThat(typed.code()).isEqualTo("INTEGRITY");
      }
    }
  }
}
