package io.capsuledb.host.channel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.CertificateWriter;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.ratls.CertificateEvidence;
import io.capsuledb.host.attest.simulated.AgeServer;
import io.capsuledb.host.attest.simulated.SimulatedMachine;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.config.HostPort;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Attested channels over real sockets, and everything that has to be refused. */
class ChannelTest {

  private static final Octets LEADER = Octets.ofHex("aa".repeat(32));
  private static final Octets WORKER = Octets.ofHex("bb".repeat(32));
  private static final Octets TAMPERED = Octets.ofHex("cc".repeat(32));
  private static final Octets EXPORTER = Octets.ofHex("01".repeat(32));

  private final Entropy entropy = new SystemEntropy();
  private final Clock clock = new SystemClock();
  @TempDir private Path directory;
  private SimulatedMachine machine;
  private AgeServer age;
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeEach
  void start() {
    machine = new SimulatedMachine(directory.resolve("m"));
    age = AgeServer.start(machine, clock, entropy);
  }

  @AfterEach
  void stop() throws Exception {
    for (AutoCloseable one : open) {
      one.close();
    }
    age.close();
  }

  private Attester attester(Octets measurement) {
    return machine.enclave(measurement, entropy);
  }

  private PeerRules rules(Octets... measurements) {
    return rules(clock, measurements);
  }

  private PeerRules rules(Clock at, Octets... measurements) {
    EvidencePolicy.Builder policy = EvidencePolicy.builder("test").boundToCertificate();
    for (Octets measurement : measurements) {
      policy.allow(Allowed.MRENCLAVE, measurement);
    }
    try {
      return new PeerRules(
          TrustRoots.insecureSimulated(
              Certificate.parseFile(
                  Octets.own(
                      Files.readAllBytes(machine.directory().resolve(SimulatedMachine.ROOT))))),
          policy.build(),
          () -> CollateralFolder.read(machine.directory()),
          at);
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Keeps what it hears. */
  private static class Heard implements Link.Events {
    final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    volatile Link link;

    @Override
    public void opened(Link now) {
      link = now;
      events.add("opened");
    }

    @Override
    public void message(byte[] message) {
      events.add("message " + new String(message, StandardCharsets.UTF_8));
    }

    @Override
    public void closed(String reason) {
      events.add("closed " + reason);
    }

    String next() throws InterruptedException {
      return String.valueOf(events.poll(30, TimeUnit.SECONDS));
    }
  }

  private int serve(LinkServer.Security security, Heard heard) {
    LinkServer server =
        LinkServer.start(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
            security,
            entropy,
            () -> heard);
    open.add(server);
    return server.port();
  }

  private Heard connect(int port, Octets own, PeerRules rules) {
    Heard heard = new Heard();
    LinkClient.open(
        new HostPort("127.0.0.1", port),
        new LinkClient.Security(own == null ? null : new EnclaveKeys(attester(own), clock), rules),
        entropy,
        heard);
    return heard;
  }

  @Test
  void bothSidesAreAttestedBeforeAMessagePasses() throws InterruptedException {
    Heard server = new Heard();
    int port =
        serve(
            new LinkServer.Security(new EnclaveKeys(attester(LEADER), clock), rules(WORKER), true),
            server);
    Heard client = connect(port, WORKER, rules(LEADER));
    assertThat(client.next()).isEqualTo("opened");
    assertThat(server.next()).isEqualTo("opened");
    assertThat(PeerRules.measurement(client.link.peer())).isEqualTo(LEADER.hex());
    assertThat(PeerRules.measurement(server.link.peer())).isEqualTo(WORKER.hex());
    assertThat(client.link.binding()).isEqualTo(server.link.binding());
    client.link.send("up".getBytes(StandardCharsets.UTF_8));
    assertThat(server.next()).isEqualTo("message up");
    byte[] large = "x".repeat(3 << 20).getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < 5; i++) {
      server.link.send(large);
    }
    for (int i = 0; i < 5; i++) {
      assertThat(client.next()).hasSize("message ".length() + large.length);
    }
    // By stricter rules than those it was let in by.
    assertThat(server.link.judge(rules(WORKER)).accepted()).isTrue();
    assertThat(server.link.judge(rules(TAMPERED)).accepted()).isFalse();
    server.link.close("enough");
    assertThat(client.next()).contains("enough");
    assertThat(server.next()).startsWith("closed");
  }

  @Test
  void aClientWithoutEvidenceIsLetInOnlyWhereThatIsAllowed() throws InterruptedException {
    Heard server = new Heard();
    int lenient =
        serve(
            new LinkServer.Security(new EnclaveKeys(attester(LEADER), clock), rules(WORKER), true),
            server);
    Heard client = connect(lenient, null, rules(LEADER));
    assertThat(client.next()).isEqualTo("opened");
    assertThat(server.next()).isEqualTo("opened");
    assertThat(server.link.peer()).isNull();
    int strict =
        serve(
            new LinkServer.Security(new EnclaveKeys(attester(LEADER), clock), rules(WORKER), false),
            new Heard());
    assertThat(connect(strict, null, rules(LEADER)).next()).startsWith("closed");
  }

  @Test
  void tamperedCodeIsRefusedAndNamedOnBothSides() throws InterruptedException {
    Heard server = new Heard();
    int port =
        serve(
            new LinkServer.Security(new EnclaveKeys(attester(LEADER), clock), rules(WORKER), true),
            server);
    assertThat(connect(port, TAMPERED, rules(LEADER)).next()).startsWith("closed");
    int fake =
        serve(
            new LinkServer.Security(
                new EnclaveKeys(attester(TAMPERED), clock), rules(WORKER), true),
            server);
    assertThat(connect(fake, WORKER, rules(LEADER)).next())
        .startsWith("closed")
        .contains(TAMPERED.hex());
    assertThat(server.events).isEmpty();
  }

  @Test
  void tlsBelow13IsRefused() throws Exception {
    int port =
        serve(
            new LinkServer.Security(new EnclaveKeys(attester(LEADER), clock), rules(WORKER), true),
            new Heard());
    SSLContext anybody = SSLContext.getInstance("TLS");
    anybody.init(null, new TrustManager[] {new TrustsAll()}, null);
    try (SSLSocket old = (SSLSocket) anybody.getSocketFactory().createSocket("127.0.0.1", port)) {
      old.setEnabledProtocols(new String[] {"TLSv1.2"});
      assertThatThrownBy(old::startHandshake).isInstanceOf(SSLException.class);
    }
  }

  private static final class TrustsAll implements X509TrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {
      // It is the server that is to refuse.
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {
      // It is the server that is to refuse.
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }

  // ------------------------------------------------------------------ certificates

  private static void present(PeerRules rules, Certificate certificate)
      throws CertificateException {
    new EvidenceTrust(rules)
        .checkServerTrusted(new X509Certificate[] {EnclaveKeys.toJdk(certificate)}, "UNKNOWN");
  }

  @Test
  void certificatesThatAreExpiredSwappedOrDowngradedAreRefused() throws CertificateException {
    KeyPair key = EnclaveKeys.newKey();
    Instant now = Instant.now();
    Instant from = now.minusSeconds(60);
    Attester attester = attester(LEADER);
    present(rules(LEADER), EnclaveKeys.certificate(attester, key, from, now.plusSeconds(3600)));

    assertThatThrownBy(
            () ->
                present(
                    rules(LEADER),
                    EnclaveKeys.certificate(attester, key, from, now.minusSeconds(1))))
        .hasMessageContaining("certificate-validity");
    // Collateral that has run out.
    assertThatThrownBy(
            () ->
                present(
                    rules(later(40), LEADER),
                    EnclaveKeys.certificate(
                        attester, key, from, now.plus(50, java.time.temporal.ChronoUnit.DAYS))))
        .hasMessageContaining("is refused");

    Octets info = Octets.copyOf(key.getPublic().getEncoded());
    Octets claims = CertificateEvidence.encodeClaims(info, null);
    Octets quote = attester.attest(Digests.sha256(claims).paddedTo(64)).bytes();
    KeyPair other = EnclaveKeys.newKey();
    assertThatThrownBy(
            () ->
                present(
                    rules(LEADER),
                    certificate(other, CertificateEvidence.encodeQuote(quote, claims))))
        .hasMessageContaining("key-binding");
    assertThatThrownBy(() -> present(rules(LEADER), certificate(other, null)))
        .hasMessageContaining("carries no evidence");
    // The old form without claims is read, and binds to the key alone; another key is refused.
    Octets legacy = attester.attest(Digests.sha256(info).paddedTo(64)).bytes();
    present(rules(LEADER), gramine(key, legacy));
    assertThatThrownBy(() -> present(rules(LEADER), gramine(other, legacy)))
        .hasMessageContaining("report-data");
  }

  private Clock later(int days) {
    return new Clock() {
      @Override
      public long wallMs() {
        return clock.wallMs() + TimeUnit.DAYS.toMillis(days);
      }

      @Override
      public long monotonicNanos() {
        return clock.monotonicNanos();
      }
    };
  }

  private static Certificate gramine(KeyPair key, Octets quote) {
    return writer(key)
        .extension("1.2.840.113741.1337.6", false, quote)
        .sign("test", key.getPrivate());
  }

  private static Certificate certificate(KeyPair key, Octets evidence) {
    CertificateWriter writer = writer(key);
    if (evidence != null) {
      writer.extension(CertificateEvidence.DICE_WRAPPER, false, evidence);
    }
    return writer.sign("test", key.getPrivate());
  }

  private static CertificateWriter writer(KeyPair key) {
    return new CertificateWriter("test", key.getPublic())
        .valid(Instant.now().minusSeconds(60), Instant.now().plusSeconds(3600))
        .leaf();
  }

  // ------------------------------------------------------------------ the challenge

  private TlsFacts facts(boolean server, KeyPair own, KeyPair peer, Octets exporter) {
    return new TlsFacts(
        server, Octets.copyOf(own.getPublic().getEncoded()), certificate(peer, null), exporter);
  }

  private ChannelAttestation side(TlsFacts facts, Octets own, Octets peer) {
    return new ChannelAttestation(
        facts, own == null ? null : attester(own), rules(peer), false, entropy);
  }

  @Test
  void anAnswerIsForOneConnectionOneNonceAndOneRole() {
    KeyPair leaderKey = EnclaveKeys.newKey();
    KeyPair workerKey = EnclaveKeys.newKey();
    ChannelAttestation worker = side(facts(false, workerKey, leaderKey, EXPORTER), WORKER, LEADER);
    ChannelAttestation leader = side(facts(true, leaderKey, workerKey, EXPORTER), LEADER, WORKER);
    Octets answer = leader.take(worker.challenge());
    assertThat(worker.take(answer)).isNull();
    assertThat(worker.established()).isFalse();
    assertThat(leader.take(worker.take(leader.challenge()))).isNull();
    assertThat(worker.established()).isTrue();
    assertThat(leader.established()).isTrue();
    assertThatThrownBy(() -> worker.take(answer)).hasMessageContaining("second");

    // Replayed into another session of the same keys: another nonce.
    ChannelAttestation again = side(facts(false, workerKey, leaderKey, EXPORTER), WORKER, LEADER);
    assertThatThrownBy(() -> again.take(answer))
        .isInstanceOf(DeniedException.class)
        .hasMessageContaining("report-data");
    // Relayed: the worker's nonce is answered by the real leader, over the attacker's connection.
    // The attacker even has the leader's key.
    ChannelAttestation victim = side(facts(false, workerKey, leaderKey, EXPORTER), WORKER, LEADER);
    ChannelAttestation far =
        side(facts(true, leaderKey, workerKey, Octets.ofHex("02".repeat(32))), LEADER, WORKER);
    Octets relayed = far.take(victim.challenge());
    assertThatThrownBy(() -> victim.take(relayed)).hasMessageContaining("report-data");
    // Swapped key: the attacker's certificate in place of the leader's.
    ChannelAttestation swapped =
        side(facts(false, workerKey, EnclaveKeys.newKey(), EXPORTER), WORKER, LEADER);
    ChannelAttestation genuine = side(facts(true, leaderKey, workerKey, EXPORTER), LEADER, WORKER);
    Octets other = genuine.take(swapped.challenge());
    assertThatThrownBy(() -> swapped.take(other)).hasMessageContaining("report-data");
    // Reflected: a side's own answer sent back to it.
    ChannelAttestation mirror = side(facts(false, workerKey, leaderKey, EXPORTER), WORKER, WORKER);
    Octets own = mirror.take(mirror.challenge());
    assertThatThrownBy(() -> mirror.take(own)).hasMessageContaining("report-data");
    // Downgraded: none at all.
    ChannelAttestation naked = side(facts(false, workerKey, leaderKey, EXPORTER), WORKER, LEADER);
    assertThatThrownBy(
            () ->
                naked.take(ChannelAttestation.frame(ChannelAttestation.NO_EVIDENCE, Octets.EMPTY)))
        .hasMessageContaining("no evidence");
    assertThatThrownBy(
            () -> naked.take(ChannelAttestation.frame(ChannelAttestation.MESSAGE, Octets.EMPTY)))
        .hasMessageContaining("before both sides");
  }
}
