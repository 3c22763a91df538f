package io.capsuledb.host.attest.simulated;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.EvidenceVerifier;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.verdict.Check;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.Verdict;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Local attestation in both directions, and what comes of it. */
class AgeServerTest {

  private static final Octets DATA = Octets.ofHex("5a".repeat(64));

  private final Entropy entropy = new SystemEntropy();
  @TempDir private Path directory;

  private AgeServer start(SimulatedMachine machine) {
    return AgeServer.start(machine, new SystemClock(), entropy);
  }

  private static Verdict judge(SimulatedMachine machine, Octets measurement, Octets quote)
      throws IOException {
    TrustRoots roots =
        TrustRoots.insecureSimulated(
            Certificate.parseFile(
                Octets.own(
                    Files.readAllBytes(machine.directory().resolve(SimulatedMachine.ROOT)))));
    EvidencePolicy policy =
        EvidencePolicy.builder("test")
            .allow(Allowed.MRENCLAVE, measurement)
            .reportData(DATA)
            .build();
    return new EvidenceVerifier(roots)
        .verify(quote, CollateralFolder.read(machine.directory()), Instant.now(), policy);
  }

  @Test
  void quotesOfAnEnclaveAreAcceptedUntilOneClassChanges() throws IOException {
    SimulatedMachine machine = new SimulatedMachine(directory.resolve("m"));
    Path code = directory.resolve("classes");
    Files.createDirectories(code.resolve("a"));
    Files.write(code.resolve("a/One.class"), new byte[] {1});
    Files.write(code.resolve("a/Two.class"), new byte[] {2});
    Octets genuine = CodeMeasurement.of(List.of(code));
    try (AgeServer server = start(machine)) {
      assertThat(server).isNotNull();
      Attester attester = machine.enclave(genuine, entropy);
      assertThat(attester.name()).isEqualTo("insecure-simulated");
      Verdict good = judge(machine, genuine, attester.attest(DATA).bytes());
      assertThat(good.accepted()).as(good.toString()).isTrue();
      assertThat(good.simulated()).isTrue();

      Files.write(code.resolve("a/Two.class"), new byte[] {3});
      Octets tampered = CodeMeasurement.of(List.of(code));
      assertThat(tampered).isNotEqualTo(genuine);
      Verdict bad =
          judge(machine, genuine, machine.enclave(tampered, entropy).attest(DATA).bytes());
      assertThat(bad.accepted()).isFalse();
      assertThat(bad.check("identity").outcome()).isEqualTo(Check.Outcome.FAILED);
    }
    assertThatThrownBy(() -> machine.enclave(genuine, entropy))
        .isInstanceOf(UnavailableException.class)
        .hasMessageContaining("capsule age");
  }

  @Test
  void anEnclaveOfAnotherMachineGetsNoQuote() {
    SimulatedMachine machine = new SimulatedMachine(directory.resolve("m"));
    try (AgeServer server = start(machine)) {
      assertThat(server).isNotNull();
      SimulatedCpu other = new SimulatedCpu(SecretBytes.own(new byte[32]), entropy);
      Octets self = Octets.ofHex("42".repeat(32));
      // It does not know the enclave that answers, and would not be known by it either.
      assertThatThrownBy(() -> AgeClient.attest(machine.socket(), other, self, entropy))
          .isInstanceOf(IntegrityException.class)
          .hasMessageContaining("not of this machine");
      AgeClient good = AgeClient.attest(machine.socket(), machine.cpu(entropy), self, entropy);
      Octets target = good.targetInfo().slice(0, 32);
      assertThatThrownBy(() -> good.quote(other.report(self, target, DATA)))
          .isInstanceOf(UnavailableException.class)
          .hasMessageContaining("does not verify");
    }
  }

  @Test
  void whoReplaysAWelcomeIsNotTheAssertionGeneratingEnclave() throws Exception {
    SimulatedMachine machine = new SimulatedMachine(directory.resolve("m"));
    machine.create(entropy);
    SimulatedCpu cpu = machine.cpu(entropy);
    Octets self = Octets.ofHex("42".repeat(32));
    SimulatedPlatform platform = new SimulatedPlatform(cpu, entropy, Instant.now());
    Octets old =
        platform
            .targetInfo()
            .then(
                platform.report(self, AgeFrames.welcomeData(Octets.ofHex("00".repeat(32)), self)));
    Octets impostor =
        platform.targetInfo().then(cpu.report(Octets.ofHex("66".repeat(32)), self, DATA));
    for (Octets answer : List.of(old, impostor)) {
      Path socket = directory.resolve("s" + answer.hashCode());
      try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
        server.bind(UnixDomainSocketAddress.of(socket));
        Thread replaying =
            Thread.ofVirtual()
                .start(
                    () -> {
                      try (SocketChannel channel = server.accept()) {
                        AgeFrames.read(channel);
                        AgeFrames.write(channel, AgeFrames.WELCOME, answer);
                      } catch (IOException e) {
                        throw new java.io.UncheckedIOException(e);
                      }
                    });
        assertThatThrownBy(() -> AgeClient.attest(socket, cpu, self, entropy))
            .isInstanceOf(IntegrityException.class)
            .hasMessageContaining(answer.equals(old) ? "replay" : "another enclave");
        replaying.join();
      }
    }
  }

  @Test
  void ownCodeIsWhatRuns() {
    List<Path> code = OwnCode.classPath();
    assertThat(code).isNotEmpty().allSatisfy(path -> assertThat(path).exists());
    assertThat(code).anySatisfy(path -> assertThat(path.toString()).contains("grpc-netty"));
  }
}
