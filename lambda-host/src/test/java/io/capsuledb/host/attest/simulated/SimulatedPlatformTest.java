package io.capsuledb.host.attest.simulated;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.EvidenceVerifier;
import io.capsuledb.host.attest.amd.AmdCollateral;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.TcbStatus;
import io.capsuledb.host.attest.verdict.Verdict;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SimulatedPlatformTest {

  private static final Instant NOW = Instant.parse("2030-06-15T12:00:00Z");
  private static final Octets WORKER = Octets.ofHex("42".repeat(32));
  private static final Octets DATA = Octets.ofHex("5a".repeat(64));

  private final Entropy entropy = new Random(7)::nextBytes;
  private final SimulatedCpu cpu = cpu(1);
  private final SimulatedPlatform platform = new SimulatedPlatform(cpu, entropy, NOW);

  private SimulatedCpu cpu(int secret) {
    byte[] bytes = new byte[SimulatedCpu.SECRET_BYTES];
    bytes[0] = (byte) secret;
    return new SimulatedCpu(SecretBytes.own(bytes), entropy);
  }

  private Octets target() {
    return platform.targetInfo().slice(0, 32);
  }

  private static EvidencePolicy policy() {
    return EvidencePolicy.builder("test").allow(Allowed.MRENCLAVE, WORKER).reportData(DATA).build();
  }

  private Verdict judge(TrustRoots roots, Octets quote, Instant now) {
    return new EvidenceVerifier(roots)
        .verify(quote, new Collateral(platform.collateral(NOW), AmdCollateral.NONE), now, policy());
  }

  @Test
  void aSimulatedQuoteIsJudgedByTheSameVerifierUnderItsOwnRootOnly() {
    SimulatedAttester attester =
        new SimulatedAttester(cpu, WORKER, platform.targetInfo(), platform::quote);
    assertThat(attester.name()).isEqualTo("insecure-simulated");
    Octets quote = attester.attest(DATA).bytes();
    Verdict verdict = judge(TrustRoots.insecureSimulated(platform.root()), quote, NOW);
    assertThat(verdict.accepted()).as(verdict.toString()).isTrue();
    assertThat(verdict.simulated()).isTrue();
    assertThat(verdict.anchor()).isEqualTo("insecure-simulated");
    assertThat(verdict.tcbStatus()).isEqualTo(TcbStatus.UP_TO_DATE);
    Verdict production = judge(TrustRoots.production(), quote, NOW);
    assertThat(production.accepted()).isFalse();
    assertThat(production.simulated()).isFalse();
    assertThat(production.check("root-key").reason()).contains("not one that is trusted");
    assertThat(
            judge(
                    TrustRoots.insecureSimulated(platform.root()),
                    quote,
                    NOW.plus(Duration.ofDays(31)))
                .accepted())
        .isFalse();
  }

  @Test
  void aSimulatedRootCannotBeGivenAsAnother() {
    assertThatThrownBy(() -> TrustRoots.given(List.of(platform.root())))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("simulated");
    assertThat(platform.root().subjectCommonName()).startsWith("insecure-simulated");
  }

  @Test
  void localAttestationWorksBothWaysAndOnOneMachineOnly() {
    Octets toWorker = platform.report(WORKER, DATA);
    assertThat(cpu.verify(WORKER, toWorker)).isTrue();
    assertThat(toWorker.slice(64, 32)).isEqualTo(SimulatedPlatform.MEASUREMENT);
    assertThat(cpu.verify(SimulatedPlatform.MEASUREMENT, toWorker)).isFalse();
    assertThat(cpu(2).verify(WORKER, toWorker)).isFalse();
    assertThatThrownBy(() -> platform.quote(cpu(2).report(WORKER, target(), DATA)))
        .isInstanceOf(DeniedException.class);
    assertThatThrownBy(() -> platform.quote(cpu.report(WORKER, WORKER, DATA)))
        .isInstanceOf(DeniedException.class);
    Octets good = cpu.report(WORKER, target(), DATA);
    for (int at = 0; at < good.length(); at += 7) {
      byte[] bytes = good.toArray();
      bytes[at] ^= 1;
      assertThatThrownBy(() -> platform.quote(Octets.own(bytes)))
          .isInstanceOf(DeniedException.class);
    }
    assertThatThrownBy(() -> platform.quote(good.slice(0, 431)))
        .isInstanceOf(DeniedException.class);
  }

  @Test
  void cmacAgreesWithRfc4493() {
    SecretBytes key = SecretBytes.own(Octets.ofHex("2b7e151628aed2a6abf7158809cf4f3c").toArray());
    String message =
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
            + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
    assertThat(AesCmac.mac(key, Octets.EMPTY).hex()).isEqualTo("bb1d6929e95937287fa37d129b756746");
    assertThat(AesCmac.mac(key, Octets.ofHex(message.substring(0, 32))).hex())
        .isEqualTo("070a16b46b4d4144f79bdd9dd04a287c");
    assertThat(AesCmac.mac(key, Octets.ofHex(message.substring(0, 80))).hex())
        .isEqualTo("dfa66747de9ae63030ca32611497c827");
    assertThat(AesCmac.mac(key, Octets.ofHex(message)).hex())
        .isEqualTo("51f0bebf7e3b9d92fc49741779363cfe");
  }

  @TempDir private Path directory;

  private Path jar(String name, long time, String... files) throws IOException {
    Path path = directory.resolve(name);
    try (OutputStream out = Files.newOutputStream(path);
        JarOutputStream jar = new JarOutputStream(out)) {
      for (String file : files) {
        String[] parts = file.split("=", 2);
        JarEntry entry = new JarEntry(parts[0]);
        entry.setTime(time);
        jar.putNextEntry(entry);
        jar.write(parts[1].getBytes(StandardCharsets.UTF_8));
        jar.closeEntry();
      }
    }
    return path;
  }

  @Test
  void oneChangedClassChangesTheMeasurementAndNothingElseDoes() throws IOException {
    Path first = jar("a.jar", 1_000_000_000_000L, "a/A.class=1", "b/B.class=2");
    Octets measured = CodeMeasurement.of(List.of(first));
    assertThat(
            CodeMeasurement.of(
                List.of(jar("b.jar", 1_700_000_000_000L, "b/B.class=2", "a/A.class=1"))))
        .isEqualTo(measured);
    for (Path other :
        List.of(
            jar("c.jar", 0, "a/A.class=1", "b/B.class=3"),
            jar("d.jar", 0, "a/A.class=1", "b/C.class=2"),
            jar("e.jar", 0, "a/A.class=1"),
            jar("f.jar", 0, "a/A.class=1", "b/B.class=2", "c/C.class="))) {
      assertThat(CodeMeasurement.of(List.of(other))).isNotEqualTo(measured);
    }
    Path folder = Files.createDirectories(directory.resolve("classes"));
    Files.createDirectories(folder.resolve("a"));
    Files.createDirectories(folder.resolve("b"));
    Files.writeString(folder.resolve("a/A.class"), "1");
    Files.writeString(folder.resolve("b/B.class"), "2");
    assertThat(CodeMeasurement.of(List.of(folder))).isEqualTo(measured);
    // The first of two counts, as for the JVM.
    assertThat(CodeMeasurement.of(List.of(first, directory.resolve("c.jar")))).isEqualTo(measured);
    assertThat(CodeMeasurement.of(List.of(directory.resolve("c.jar"), first)))
        .isNotEqualTo(measured);
    assertThatThrownBy(() -> CodeMeasurement.of(List.of(directory.resolve("none.jar"))))
        .isInstanceOf(InvalidRequestException.class);
  }
}
