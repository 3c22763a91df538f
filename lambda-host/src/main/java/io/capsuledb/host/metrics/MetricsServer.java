package io.capsuledb.host.metrics;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Serves {@code /metrics} in Prometheus' text format and {@code /healthz}, which is 200 while the
 * node works and 503 with the reason when it does not. Loopback only: there is no TLS and no
 * password here.
 *
 * <p>Two threads, at most {@value #MAX_CONNECTIONS} connections, and a limit on how long one may
 * take to ask and to listen, so that nobody can hold it up for others.
 */
public final class MetricsServer implements AutoCloseable {

  private static final int THREADS = 2;
  private static final int MAX_CONNECTIONS = 32;
  private static final int BACKLOG = 16;
  private static final String MAX_EXCHANGE_SECONDS = "10";
  private static final String TEXT = "text/plain; charset=utf-8";

  static {
    // The JDK's server takes its bounds from here, once.
    System.setProperty("jdk.httpserver.maxConnections", Integer.toString(MAX_CONNECTIONS));
    System.setProperty("sun.net.httpserver.maxReqTime", MAX_EXCHANGE_SECONDS);
    System.setProperty("sun.net.httpserver.maxRspTime", MAX_EXCHANGE_SECONDS);
  }

  private final HttpServer server;
  private final ThreadPoolExecutor executor;

  private MetricsServer(HttpServer server, ThreadPoolExecutor executor) {
    this.server = server;
    this.executor = executor;
  }

  /**
   * Starts serving.
   *
   * @param address loopback; port 0 takes any free one
   * @param metrics all of them, in Prometheus' text format; thread-safe
   * @param failure why the node does not work, or null while it does; cheap and thread-safe
   * @throws InvalidRequestException if others could reach the address
   * @throws UnavailableException if the address is taken
   */
  public static MetricsServer start(
      InetSocketAddress address,
      Supplier<byte[]> metrics,
      Supplier<@Nullable CapsuleException> failure) {
    if (!address.getAddress().isLoopbackAddress()) {
      throw new InvalidRequestException(
          "http is '"
              + address.getAddress().getHostAddress()
              + ":"
              + address.getPort()
              + "', which others can reach, and metrics have neither TLS nor passwords: allowed are"
              + " loopback addresses such as 127.0.0.1:7380, or none");
    }
    HttpServer server;
    try {
      server = HttpServer.create(address, BACKLOG);
    } catch (IOException e) {
      throw new UnavailableException(
          "cannot listen on "
              + address
              + " for metrics ("
              + e.getMessage()
              + "): choose another address with --http, or none",
          e);
    }
    AtomicInteger number = new AtomicInteger();
    ThreadPoolExecutor executor =
        new ThreadPoolExecutor(
            THREADS,
            THREADS,
            0,
            TimeUnit.SECONDS,
            // As many as there can be connections, so nothing is ever turned away here.
            new ArrayBlockingQueue<>(MAX_CONNECTIONS),
            task -> {
              Thread thread = new Thread(task, "capsule-http-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
    server.setExecutor(executor);
    server.createContext("/metrics", handler("/metrics", exchange -> metrics(exchange, metrics)));
    server.createContext("/healthz", handler("/healthz", exchange -> health(exchange, failure)));
    server.createContext("/", exchange -> text(exchange, 404, "there are /metrics and /healthz\n"));
    server.start();
    return new MetricsServer(server, executor);
  }

  /** Where it listens. */
  public InetSocketAddress address() {
    return server.getAddress();
  }

  private static HttpHandler handler(String path, HttpHandler get) {
    return exchange -> {
      if (!path.equals(exchange.getRequestURI().getPath())) {
        text(exchange, 404, "there are /metrics and /healthz\n");
      } else if (!exchange.getRequestMethod().equals("GET")) {
        exchange.getResponseHeaders().set("Allow", "GET");
        text(exchange, 405, "only GET\n");
      } else {
        get.handle(exchange);
      }
    };
  }

  private static void metrics(HttpExchange exchange, Supplier<byte[]> metrics) throws IOException {
    byte[] body;
    try {
      body = metrics.get();
    } catch (CapsuleException e) {
      text(exchange, 503, e.code() + ": " + e.getMessage() + "\n");
      return;
    }
    send(exchange, 200, PrometheusTextFormatWriter.CONTENT_TYPE, body);
  }

  private static void health(HttpExchange exchange, Supplier<@Nullable CapsuleException> failure)
      throws IOException {
    CapsuleException reason = failure.get();
    if (reason == null) {
      text(exchange, 200, "ok\n");
    } else {
      text(exchange, 503, reason.code() + ": " + reason.getMessage() + "\n");
    }
  }

  private static void text(HttpExchange exchange, int status, String body) throws IOException {
    send(exchange, status, TEXT, body.getBytes(StandardCharsets.UTF_8));
  }

  private static void send(HttpExchange exchange, int status, String type, byte[] body)
      throws IOException {
    try (exchange) {
      exchange.getResponseHeaders().set("Content-Type", type);
      exchange.sendResponseHeaders(status, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  /** Stops at once. Idempotent. */
  @Override
  public void close() {
    server.stop(0);
    executor.shutdownNow();
  }
}
