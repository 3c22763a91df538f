package io.capsuledb.host.pair;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.enclave.ring.Ring;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.replication.session.Network;
import io.capsuledb.scl.resp.ClientStreams;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The trusted process: a node's outside is what the other process does for it. Everything that
 * comes from there is taken for hostile. Thread-safe.
 */
public final class EnclaveSide implements Outside, AutoCloseable {

  private static final int MAX_ADDRESSES = 64;
  private static final int ANSWER_THREADS = 2;
  private static final int ANSWER_QUEUE = 64;
  private static final int MAX_METRICS_BYTES = 16 << 20;

  private final PairLink link;
  private final PairCalls calls;
  private final PairStreams streams;
  private final PairedNetworks networks;
  private final Consumer<CapsuleException> onLost;
  private final ThreadPoolExecutor answering;
  private final Supplier<Map<String, String>> sealing;
  private volatile Map<String, String> info = Map.of();
  private volatile @Nullable Serving serving;

  private EnclaveSide(
      PairLink link,
      Consumer<CapsuleException> onLost,
      Supplier<Map<String, String>> sealing,
      long answerMs,
      ThreadPoolExecutor answering) {
    this.sealing = sealing;
    this.link = link;
    this.calls = new PairCalls(link, answerMs);
    this.streams = new PairStreams(link);
    this.networks = new PairedNetworks(link, calls);
    this.onLost = onLost;
    this.answering = answering;
  }

  /**
   * Opens the link to the process that has made it.
   *
   * @param in the ring to read
   * @param out the ring to write
   * @param hostLives whether the other process is there
   * @param sealing what the process does to itself when everything is open and before the first
   *     client: what came of it is the {@link #info}
   * @param onLost told once, on the link's thread, when the other process is gone or breaks the
   *     rules: nothing can be made durable any more
   */
  public static EnclaveSide open(
      Path in,
      Path out,
      BooleanSupplier hostLives,
      Supplier<Map<String, String>> sealing,
      Consumer<CapsuleException> onLost) {
    return open(in, out, hostLives, sealing, onLost, PairCalls.ANSWER_MS);
  }

  /** As the public method, with a bound of the caller's for the host's answers. */
  static EnclaveSide open(
      Path in,
      Path out,
      BooleanSupplier hostLives,
      Supplier<Map<String, String>> sealing,
      Consumer<CapsuleException> onLost,
      long answerMs) {
    Ring reading = Ring.open(in);
    boolean opened = false;
    try {
      PairLink link = new PairLink("enclave", reading, Ring.open(out), hostLives);
      EnclaveSide side =
          new EnclaveSide(
              link,
              onLost,
              sealing,
              answerMs,
              pool("enclave-answer", ANSWER_THREADS, ANSWER_QUEUE));
      link.start(side.new Incoming());
      opened = true;
      return side;
    } finally {
      if (!opened) {
        reading.close();
      }
    }
  }

  static ThreadPoolExecutor pool(String name, int threads, int queue) {
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            threads,
            threads,
            1,
            TimeUnit.MINUTES,
            new ArrayBlockingQueue<>(queue),
            Thread.ofPlatform().daemon().name(name + "-", 0).factory());
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }

  // ------------------------------------------------------------------ what the node has

  @Override
  public CapsuleStores stores(boolean cache) {
    return new PairedStores(calls);
  }

  @Override
  public Function<Transport.Events, Network> links(LinkSecurity security, Telemetry telemetry) {
    // How they are secured the host knows from the same settings.
    return events -> networks.start(HostNetworks.FOR_REPLICAS, events);
  }

  @Override
  public Function<Transport.Events, Network> routers(
      LinkSecurity security, int maxLinks, Telemetry telemetry) {
    return events -> networks.start(maxLinks, events);
  }

  @Override
  public Map<String, String> info() {
    return info;
  }

  @Override
  public ClientStreams door() {
    return streams;
  }

  @Override
  public List<InetSocketAddress> listen(List<InetSocketAddress> asked) {
    PairReader answer = calls.call(PairOp.HELLO);
    int count = answer.count(MAX_ADDRESSES);
    List<InetSocketAddress> bound = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      InetSocketAddress address = PairStreams.address(answer);
      // Whether clients need TLS and passwords depends on it, and is not for the host to say.
      if (i >= asked.size() || !address.getAddress().equals(asked.get(i).getAddress())) {
        throw PairReader.rejected(
            Rejection.Reason.MISPLACED, "the host listens elsewhere than it was told");
      }
      bound.add(address);
    }
    answer.end();
    if (bound.size() != asked.size()) {
      throw PairReader.rejected(Rejection.Reason.MISPLACED, "the host does not listen");
    }
    return bound;
  }

  @Override
  public @Nullable InetSocketAddress serving(Serving node) {
    serving = node;
    Map<String, String> measures = new LinkedHashMap<>();
    measures.put("enclave_mode", "process");
    measures.put("enclave_pid", Long.toString(ProcessHandle.current().pid()));
    measures.putAll(sealing.get());
    info = Collections.unmodifiableMap(measures);
    PairReader answer = calls.call(PairOp.READY);
    InetSocketAddress http = answer.u8() == 0 ? null : PairStreams.address(answer);
    answer.end();
    return http;
  }

  /** Ends the link. */
  @Override
  public void close() {
    link.close();
    calls.lost();
    answering.shutdownNow();
  }

  // ------------------------------------------------------------------ what comes

  private final class Incoming implements PairLink.Receiver {
    @Override
    public void received(PairKind kind, long number, byte[] body) {
      Serving node = serving;
      if (kind == PairKind.ANSWER) {
        calls.answered(number, body);
      } else if (kind == PairKind.CALL) {
        asked(number, body);
      } else if (!networks.received(kind, number, body)) {
        ClientStreams clients = node == null ? null : node.clients();
        if (clients == null || !PairStreams.pass(kind, number, body, clients)) {
          throw PairReader.rejected(Rejection.Reason.MISPLACED, "message of kind " + kind);
        }
      }
    }

    @Override
    public void lost(CapsuleException why) {
      calls.lost();
      networks.lost();
      onLost.accept(why);
    }
  }

  private void asked(long number, byte[] body) {
    try {
      answering.execute(
          () -> {
            PairWriter answer;
            try {
              answer = answer(new PairReader(body));
            } catch (CapsuleException e) {
              answer = PairCalls.failed(e);
            }
            if (!link.isOver()) {
              link.send(PairKind.ANSWER, number, answer.toBytes());
            }
          });
    } catch (RejectedExecutionException e) {
      throw PairReader.rejected(Rejection.Reason.TOO_LARGE, "the host asks too much");
    }
  }

  private PairWriter answer(PairReader question) {
    PairOp op = PairOp.of(question.u8());
    question.end();
    Serving node = serving;
    if (node == null) {
      throw new io.capsuledb.core.error.UnavailableException("the node does not serve yet");
    }
    if (op == PairOp.METRICS) {
      byte[] metrics = node.metrics().get();
      return PairCalls.ok().bytes(metrics.length > MAX_METRICS_BYTES ? new byte[0] : metrics);
    }
    if (op == PairOp.HEALTH) {
      CapsuleException trouble = node.trouble().get();
      return PairCalls.ok()
          .text(trouble == null ? "" : trouble.code() + ": " + trouble.getMessage());
    }
    throw new io.capsuledb.core.error.InvalidRequestException("enclaves answer no " + op);
  }
}
