package io.capsuledb.host.pair;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Transport;
import io.capsuledb.enclave.ring.Ring;
import io.capsuledb.enclave.ring.RingOptions;
import io.capsuledb.replication.session.Network;
import io.capsuledb.scl.resp.ClientDoor;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * The process with sockets and disks, for one life of the trusted process: does what that one asks.
 * Thread-safe.
 */
public final class HostSide implements AutoCloseable {

  private static final int THREADS = 8;
  private static final int QUEUE = 4096;
  private static final int MAX_METRICS_BYTES = 16 << 20;
  private static final int MAX_HEALTH_BYTES = 8 << 10;
  private static final long STOP_MS = 5_000;

  /**
   * What the host has for the enclave.
   *
   * @param stores of the node's directory; the caller closes them
   * @param links makes what carries frames to replicas
   * @param routers the same among workers and routers, given how many links there may be
   * @param door clients' sockets; the caller closes it
   * @param http where metrics are served, or null
   */
  public record Means(
      CapsuleStores stores,
      Function<Transport.Events, Network> links,
      IntFunction<Function<Transport.Events, Network>> routers,
      ClientDoor door,
      @Nullable InetSocketAddress http) {}

  private final Means means;
  private final Ring toHost;
  private final Ring toEnclave;
  private final HostStores stores;
  private final ThreadPoolExecutor working = EnclaveSide.pool("host-work", THREADS, QUEUE);
  private final Runnable onReady;
  private final Consumer<CapsuleException> onLost;
  private @Nullable PairLink link;
  private @Nullable PairCalls calls;
  private @Nullable HostNetworks networks;
  private volatile boolean ready;

  private HostSide(
      Means means,
      Ring toHost,
      Ring toEnclave,
      Runnable onReady,
      Consumer<CapsuleException> onLost) {
    this.means = means;
    this.toHost = toHost;
    this.toEnclave = toEnclave;
    this.stores = new HostStores(means.stores());
    this.onReady = onReady;
    this.onLost = onLost;
  }

  /**
   * Makes the shared memory for an enclave process that is to be started.
   *
   * @param onReady told when it serves
   * @param onLost told when it is gone, or breaks the rules; on the link's thread
   */
  public static HostSide prepare(Means means, Runnable onReady, Consumer<CapsuleException> onLost) {
    RingOptions size = new RingOptions(PairLayout.RING_BYTES, PairLayout.MAX_FRAME_BYTES);
    Ring toHost = Ring.create(size);
    boolean made = false;
    try {
      HostSide side = new HostSide(means, toHost, Ring.create(size), onReady, onLost);
      made = true;
      return side;
    } finally {
      if (!made) {
        toHost.close();
      }
    }
  }

  /** What the enclave reads. */
  public Path toEnclave() {
    return toEnclave.path();
  }

  /** What the enclave writes. */
  public Path toHost() {
    return toHost.path();
  }

  /** Begins to listen to the enclave process. */
  public void start(BooleanSupplier enclaveLives) {
    PairLink made = new PairLink("host", toHost, toEnclave, enclaveLives);
    link = made;
    calls = new PairCalls(made, PairCalls.ANSWER_MS);
    networks = new HostNetworks(made, means.links(), means.routers());
    made.start(new Incoming());
  }

  private PairLink link() {
    return java.util.Objects.requireNonNull(link);
  }

  /** The enclave's metrics; empty if it has none to tell. */
  public byte[] metrics() {
    PairCalls known = calls;
    if (!ready || known == null) {
      return new byte[0];
    }
    PairReader answer = known.call(PairOp.METRICS);
    byte[] text = answer.bytes(MAX_METRICS_BYTES);
    answer.end();
    return text;
  }

  /** Why the node does not work, or null. */
  public @Nullable CapsuleException trouble() {
    PairCalls known = calls;
    if (!ready || known == null) {
      return new StorageException("the enclave process does not serve");
    }
    try {
      PairReader answer = known.call(PairOp.HEALTH);
      String text = answer.text(MAX_HEALTH_BYTES);
      answer.end();
      return text.isEmpty() ? null : new StorageException(text);
    } catch (CapsuleException e) {
      return e;
    }
  }

  /** Ends the link, and what was begun for the enclave. */
  @Override
  public void close() {
    ready = false;
    PairLink known = link;
    if (known == null) {
      toHost.close();
      toEnclave.close();
      return;
    }
    means.door().desert();
    working.shutdown();
    try {
      if (!working.awaitTermination(STOP_MS, TimeUnit.MILLISECONDS)) {
        working.shutdownNow();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    HostNetworks open = networks;
    if (open != null) {
      open.close();
    }
    known.close();
    if (calls != null) {
      calls.lost();
    }
  }

  private final class Incoming implements PairLink.Receiver {
    @Override
    public void received(PairKind kind, long number, byte[] body) {
      if (kind == PairKind.CALL) {
        asked(number, body);
      } else if (kind == PairKind.ANSWER) {
        java.util.Objects.requireNonNull(calls).answered(number, body);
      } else if (!java.util.Objects.requireNonNull(networks).received(kind, number, body)
          && !PairStreams.pass(kind, number, body, means.door())) {
        throw PairReader.rejected(Rejection.Reason.MISPLACED, "message of kind " + kind);
      }
    }

    @Override
    public void lost(CapsuleException why) {
      java.util.Objects.requireNonNull(calls).lost();
      onLost.accept(why);
    }
  }

  private void asked(long number, byte[] body) {
    try {
      working.execute(
          () -> {
            PairWriter answer;
            try {
              answer = answer(new PairReader(body));
            } catch (CapsuleException e) {
              answer = PairCalls.failed(e);
            } catch (RuntimeException e) {
              System.getLogger(HostSide.class.getName())
                  .log(System.Logger.Level.ERROR, "event=pair.defect", e);
              answer = PairCalls.failed(new StorageException("the host met a defect"));
            }
            if (!link().isOver()) {
              link().send(PairKind.ANSWER, number, answer.toBytes());
            }
          });
    } catch (RejectedExecutionException e) {
      link()
          .send(
              PairKind.ANSWER,
              number,
              PairCalls.failed(new StorageException("the host has too much to do")).toBytes());
    }
  }

  private PairWriter answer(PairReader question) {
    PairOp op = PairOp.of(question.u8());
    return switch (op) {
      case null -> throw new InvalidRequestException("there is no such operation");
      case HELLO -> {
        List<InetSocketAddress> addresses = means.door().addresses();
        PairWriter answer = PairCalls.ok().u32(addresses.size());
        addresses.forEach(address -> PairStreams.write(answer, address));
        yield answer;
      }
      case READY -> {
        ready = true;
        means.door().serve(new PairStreams(link()));
        onReady.run();
        InetSocketAddress http = means.http();
        PairWriter answer = PairCalls.ok().u8(http == null ? 0 : 1);
        if (http != null) {
          PairStreams.write(answer, http);
        }
        yield answer;
      }
      case NET_START, NET_LISTEN, NET_CONNECT, NET_COUNTERS, NET_CLOSE ->
          java.util.Objects.requireNonNull(networks).answer(op, question);
      case METRICS, HEALTH -> throw new InvalidRequestException("hosts answer no " + op);
      default -> stores.answer(op, question);
    };
  }
}
