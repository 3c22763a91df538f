package io.capsuledb.host.bench.replication;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * A cluster of three etcd members with TLS for clients and, with certificates of both sides, for
 * each other. Puts go to the leader as gRPC over HTTP/2, as etcd's own client sends them, on a
 * connection for each 32 writers, from the JVM's HTTP client.
 */
final class EtcdTarget implements Target {

  private static final int MEMBERS = 3;
  private static final int WRITERS_OF_A_CONNECTION = 32;
  private static final int REQUEST_SECONDS = 60;
  private static final int GRPC_PREFIX_BYTES = 5;
  private static final int MEBI = 20;
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final Pattern MEMBER = Pattern.compile("\"member_id\":\"(\\d+)\"");
  private static final Pattern LEADER = Pattern.compile("\"leader\":\"(\\d+)\"");

  /** A put that was answered. */
  private record Answered(int writer, long began, @Nullable String failure) {}

  private final Clock clock;
  private final SSLContext tls;
  private final List<Workplace.Program> programs = new ArrayList<>();
  private final List<HttpClient> clients = new ArrayList<>();

  /** The newest put of each writer. */
  private final Map<Integer, CompletableFuture<?>> inFlight = new HashMap<>();

  private final List<Integer> ports;
  private @Nullable URI put;

  EtcdTarget(String etcd, String openssl, Workplace workplace, Clock clock) {
    this.clock = clock;
    Path directory = workplace.directory("etcd");
    boolean ready = false;
    try {
      certificates(openssl, workplace, directory);
      tls = trusting(directory.resolve("ca.pem"));
      clients.add(client());
      List<Integer> free = Workplace.freePorts(2 * MEMBERS);
      ports = free.subList(0, MEMBERS);
      List<String> cluster = new ArrayList<>();
      for (int i = 0; i < MEMBERS; i++) {
        cluster.add("m" + i + "=" + url(free.get(MEMBERS + i)));
      }
      for (int i = 0; i < MEMBERS; i++) {
        programs.add(
            workplace.start(
                "etcd-" + i,
                directory,
                command(etcd, i, ports.get(i), free.get(MEMBERS + i), cluster)));
      }
      programs.getFirst().awaitReady(this::findLeader);
      ready = true;
    } finally {
      if (!ready) {
        close();
      }
    }
  }

  private static String url(int port) {
    return "https://" + Workplace.LOOPBACK + ":" + port;
  }

  private static List<String> command(
      String etcd, int member, int port, int peerPort, List<String> cluster) {
    return List.of(
        etcd,
        "--name=m" + member,
        "--data-dir=data-" + member,
        "--listen-client-urls=" + url(port),
        "--advertise-client-urls=" + url(port),
        "--listen-peer-urls=" + url(peerPort),
        "--initial-advertise-peer-urls=" + url(peerPort),
        "--initial-cluster=" + String.join(",", cluster),
        "--initial-cluster-state=new",
        "--cert-file=leaf.pem",
        "--key-file=leaf.key",
        "--peer-cert-file=leaf.pem",
        "--peer-key-file=leaf.key",
        "--peer-trusted-ca-file=ca.pem",
        "--peer-client-cert-auth",
        "--quota-backend-bytes=" + (8192L << MEBI),
        "--log-level=error");
  }

  /** An authority and a certificate for loopback, by the program openssl. */
  private static void certificates(String openssl, Workplace workplace, Path directory) {
    List<String> common =
        List.of(
            openssl,
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2");
    List<String> authority = new ArrayList<>(common);
    authority.addAll(List.of("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench"));
    List<String> leaf = new ArrayList<>(common);
    leaf.addAll(
        List.of(
            "-keyout",
            "leaf.key",
            "-out",
            "leaf.pem",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:" + Workplace.LOOPBACK,
            "-addext",
            "extendedKeyUsage=serverAuth,clientAuth",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key"));
    workplace.start("openssl-ca", directory, authority).awaitSuccess();
    workplace.start("openssl-leaf", directory, leaf).awaitSuccess();
  }

  private static SSLContext trusting(Path authority) {
    try (InputStream in = Files.newInputStream(authority)) {
      KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
      trusted.load(null, null);
      trusted.setCertificateEntry(
          "ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
      TrustManagerFactory trust =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(trusted);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, trust.getTrustManagers(), null);
      return context;
    } catch (IOException | GeneralSecurityException e) {
      throw new UnavailableException("openssl made no usable certificate (" + e + ")", e);
    }
  }

  private HttpClient client() {
    return HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).sslContext(tls).build();
  }

  /** Whether all members answer and know the leader, who is asked from then on. */
  private boolean findLeader() {
    String leader = null;
    Map<String, Integer> members = new HashMap<>();
    for (int port : ports) {
      String status = status(port);
      Matcher member = MEMBER.matcher(status);
      Matcher led = LEADER.matcher(status);
      if (!member.find() || !led.find()) {
        return false;
      }
      members.put(member.group(1), port);
      leader = led.group(1);
    }
    Integer port = members.get(leader);
    if (port == null) {
      return false;
    }
    put = URI.create(url(port) + "/etcdserverpb.KV/Put");
    return true;
  }

  private String status(int port) {
    try {
      return clients
          .getFirst()
          .send(
              HttpRequest.newBuilder(URI.create(url(port) + "/v3/maintenance/status"))
                  .POST(BodyPublishers.ofString("{}"))
                  .timeout(Duration.ofSeconds(REQUEST_SECONDS))
                  .build(),
              BodyHandlers.ofString())
          .body();
    } catch (IOException e) {
      // Not there yet; the caller asks again, up to its deadline.
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while etcd started", e);
    }
  }

  @Override
  public String name() {
    return "etcd";
  }

  @Override
  public Sample run(Load load) {
    int connections = (load.outstanding() + WRITERS_OF_A_CONNECTION - 1) / WRITERS_OF_A_CONNECTION;
    while (clients.size() < connections) {
      clients.add(client());
    }
    Measurement measurement = new Measurement(load, clock);
    byte[] value = measurement.value();
    ConcurrentLinkedQueue<Answered> answered = new ConcurrentLinkedQueue<>();
    Thread driver = Thread.currentThread();
    int busy = load.outstanding();
    for (int writer = 0; writer < busy; writer++) {
      put(writer, measurement, value, answered, driver);
    }
    while (busy > 0) {
      Answered next = answered.poll();
      if (next == null) {
        LockSupport.parkNanos(this, LOOK_NANOS);
        continue;
      }
      if (next.failure != null) {
        throw new UnavailableException("etcd: " + next.failure);
      }
      long now = measurement.now();
      measurement.record(next.began, now);
      if (measurement.isOver(now)) {
        busy--;
      } else {
        put(next.writer, measurement, value, answered, driver);
      }
    }
    return measurement.sample();
  }

  private void put(
      int writer,
      Measurement measurement,
      byte[] value,
      ConcurrentLinkedQueue<Answered> answered,
      Thread driver) {
    URI to = put;
    if (to == null) {
      throw new IllegalStateException("a leader was found when it started");
    }
    long began = measurement.now();
    HttpRequest request =
        HttpRequest.newBuilder(to)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .timeout(Duration.ofSeconds(REQUEST_SECONDS))
            .POST(BodyPublishers.ofByteArray(message(measurement.nextKey(), value)))
            .build();
    CompletableFuture<HttpResponse<byte[]>> reply =
        clients
            .get(writer / WRITERS_OF_A_CONNECTION)
            .sendAsync(request, BodyHandlers.ofByteArray());
    inFlight.put(
        writer,
        reply.whenComplete(
            (response, failure) -> {
              answered.add(new Answered(writer, began, problem(response, failure)));
              LockSupport.unpark(driver);
            }));
  }

  /** A refusal has no message, only a status. */
  private static @Nullable String problem(
      @Nullable HttpResponse<byte[]> response, @Nullable Throwable failure) {
    if (failure != null || response == null) {
      return String.valueOf(failure);
    }
    return response.statusCode() == 200 && response.body().length > GRPC_PREFIX_BYTES
        ? null
        : "a put was refused: "
            + response.headers().firstValue("grpc-message").orElse("no reason given");
  }

  /** A {@code PutRequest} as a gRPC message: key is field 1 and value field 2. */
  private static byte[] message(byte[] key, byte[] value) {
    ByteArrayOutputStream body = new ByteArrayOutputStream(value.length + key.length + 16);
    field(body, 1, key);
    field(body, 2, value);
    return ByteBuffer.allocate(GRPC_PREFIX_BYTES + body.size())
        .put((byte) 0)
        .putInt(body.size())
        .put(body.toByteArray())
        .array();
  }

  private static void field(ByteArrayOutputStream out, int number, byte[] bytes) {
    out.write((number << 3) | 2);
    int left = bytes.length;
    while (left > 0x7f) {
      out.write((left & 0x7f) | 0x80);
      left >>>= 7;
    }
    out.write(left);
    out.writeBytes(bytes);
  }

  /** What was measured, in words. */
  static String how() {
    return "etcd: puts as gRPC over HTTP/2 with TLS to the leader, from the JVM's HTTP client";
  }

  @Override
  public void close() {
    clients.forEach(HttpClient::shutdownNow);
    programs.forEach(Workplace.Program::close);
  }
}
