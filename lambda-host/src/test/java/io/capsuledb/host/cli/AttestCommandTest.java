package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.pki.Pem;
import io.capsuledb.host.attest.simulated.SimulatedCpu;
import io.capsuledb.host.attest.simulated.SimulatedPlatform;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AttestCommandTest {

  private static final Instant NOW = Instant.parse("2030-06-15T12:00:00Z");
  private static final String WORKER = "42".repeat(32);
  private static final String DATA = "5a".repeat(64);

  @TempDir private Path directory;

  @BeforeEach
  void simulatedEvidence() throws IOException {
    Random random = new Random(3);
    SimulatedCpu cpu =
        new SimulatedCpu(SecretBytes.own(new byte[SimulatedCpu.SECRET_BYTES]), random::nextBytes);
    SimulatedPlatform platform = new SimulatedPlatform(cpu, random::nextBytes, NOW);
    Octets report =
        cpu.report(Octets.ofHex(WORKER), platform.targetInfo().slice(0, 32), Octets.ofHex(DATA));
    write("quote.bin", platform.quote(report));
    IntelCollateral files = platform.collateral(NOW);
    write("tcb_info.json", files.tcbInfo());
    write("tcb_info_issuer_chain.pem", files.tcbInfoChain());
    write("qe_identity.json", files.qeIdentity());
    write("qe_identity_issuer_chain.pem", files.qeIdentityChain());
    write("root_ca_crl.der", files.rootCrl());
    write("pck_crl.der", files.pckCrl());
    Files.writeString(
        directory.resolve("root.pem"), Pem.block("CERTIFICATE", platform.root().encoded()));
    policy("policy.toml", "");
  }

  private void write(String name, Octets contents) throws IOException {
    Files.write(directory.resolve(name), contents.toArray());
  }

  private void policy(String name, String more) throws IOException {
    Files.writeString(
        directory.resolve(name),
        "mrenclave = [\""
            + WORKER
            + "\"]\nreport-data = \""
            + DATA
            + "\"\ninsecure-simulated-root = \"root.pem\"\n"
            + more);
  }

  private String path(String name) {
    return directory.resolve(name).toString();
  }

  private static CliRun attest(int exitCode, String... arguments) {
    String[] all = new String[arguments.length + 1];
    all[0] = "attest";
    System.arraycopy(arguments, 0, all, 1, arguments.length);
    CliRun run = CliRun.of(all);
    assertThat(run.exitCode()).as(run.toString()).isEqualTo(exitCode);
    return run;
  }

  private CliRun verify(int exitCode, String policy, String... more) {
    String[] all = new String[more.length + 6];
    System.arraycopy(
        new String[] {"verify", path("quote.bin"), "--at", NOW.toString(), "--policy", policy},
        0,
        all,
        0,
        6);
    System.arraycopy(more, 0, all, 6, more.length);
    return attest(exitCode, all);
  }

  @Test
  void aPolicyThatNamesTheSimulatedRootAcceptsAndSaysWhatItIs() {
    assertThat(verify(0, path("policy.toml")).out())
        .contains(
            "ok  quote-signature: ",
            "-   tdx-module: ",
            "type        sgx-quote-v3",
            "WARNING     insecure-simulated",
            "TCB status  UpToDate",
            "verdict     accepted");
    Json json =
        Json.parse(
            "output",
            Octets.own(
                verify(0, path("policy.toml"), "--json")
                    .out()
                    .strip()
                    .getBytes(StandardCharsets.UTF_8)));
    assertThat(json.get("type").text()).isEqualTo("sgx-quote-v3");
    assertThat(json.get("verdict").text()).isEqualTo("ACCEPT");
    assertThat(json.get("tcbStatus").text()).isEqualTo("UpToDate");
    assertThat(json.get("advisories").elements(9)).isEmpty();
    assertThat(json.get("debug").raw().hex()).isEqualTo("66616c7365");
    assertThat(json.get("anchor").text()).isEqualTo("insecure-simulated");
    assertThat(json.get("claims").get("mrenclave").text()).isEqualTo(WORKER);
    Json check = json.get("checks").elements(99).getFirst();
    assertThat(check.get("name").text()).isEqualTo("quote-format");
    assertThat(check.get("outcome").text()).isEqualTo("passed");
    assertThat(check.get("reason").text()).isNotEmpty();
  }

  @Test
  void everythingElseIsRejected() {
    for (String name : new String[] {"strict", "lenient"}) {
      assertThat(verify(4, name, "--json").out())
          .contains("\"verdict\":\"REJECT\"", "\"tcbStatus\":null", "\"simulated\":false");
    }
    assertThat(verify(4, path("policy.toml"), "--report-data", "01").out())
        .contains("no  report-data: ", "verdict     rejected");
  }

  @Test
  void collateralIsTakenFromWhereItIsSaidToBe() throws IOException {
    Path empty = Files.createDirectory(directory.resolve("empty"));
    assertThat(verify(4, path("policy.toml"), "--collateral", empty.toString()).out())
        .contains("no  root-crl: the revocation list is missing");
    verify(0, path("policy.toml"), "--collateral", directory.toString());
    assertThat(verify(2, path("policy.toml"), "--collateral", path("none")).err())
        .contains("is not a folder of collateral");
  }

  @Test
  void withoutAPolicyMeasurementAndReportDataAreRequired() {
    String at = NOW.toString();
    String quote = path("quote.bin");
    assertThat(attest(2, "verify", quote, "--at", at).err()).contains("no measurement");
    assertThat(attest(2, "verify", quote, "--at", at, "--measurement", WORKER).err())
        .contains("no report data");
    assertThat(
            attest(4, "verify", quote, "--at", at, "--measurement", WORKER, "--report-data", DATA)
                .out())
        .contains("ok  identity: ", "ok  report-data: ", "no  root-key: ");
  }

  @Test
  void evidenceMayBeWrittenAsText() throws IOException {
    byte[] quote = Files.readAllBytes(directory.resolve("quote.bin"));
    String hex = HexFormat.of().formatHex(quote);
    for (String text :
        List.of(
            hex + "\n",
            "0x" + hex.toUpperCase(Locale.ROOT),
            Base64.getMimeEncoder().encodeToString(quote),
            Base64.getUrlEncoder().withoutPadding().encodeToString(quote))) {
      Files.writeString(directory.resolve("quote.bin"), text);
      verify(0, path("policy.toml"));
      verify(4, "strict");
    }
    for (String text : List.of(hex.substring(1), "=" + hex, hex + "!")) {
      Files.writeString(directory.resolve("quote.bin"), text);
      verify(2, path("policy.toml"));
    }
  }

  @Test
  void whatCannotBeReadIsAWrongCommandLine() throws IOException {
    Files.writeString(directory.resolve("text"), "hello");
    Files.write(directory.resolve("nothing"), new byte[0]);
    for (String name : new String[] {"text", "nothing", "root.none"}) {
      attest(2, "verify", path(name), "--policy", "strict");
      attest(2, "show", path(name));
    }
    verify(2, path("none.toml"));
    verify(2, "strict", "--root", path("text"));
    // A simulated root is trusted by a policy that names it as that, and by nothing else.
    assertThat(verify(2, "strict", "--root", path("root.pem")).err()).contains("simulated");
    assertThat(attest(2, "verify", path("quote.bin"), "--policy", "strict", "--at", "now").err())
        .contains("--at");
    for (String wrong :
        new String[] {
          "mesurement = []",
          "tcb-status = [\"uptodate\"]",
          "tcb-status = []",
          "roots = [\"root.pem\"]",
          "max-collateral-age-days = 0",
          "nonce = \"00\"",
          "mrtd = [\"00\"]",
          "signer = [{mrsigner = \"" + WORKER + "\"}]",
          "signer = [{mrsigner = \"" + WORKER + "\", product-id = 65536, min-svn = 0}]",
          "[snp]\nmax-vmpl = 4",
          "[snp]\nmin-tcb.Naples = {snp = 1}",
          "[snp]\nmin-tcb.Milan = {snp = 256}",
          "[snp]\nvmpl = 1"
        }) {
      policy("wrong.toml", wrong + "\n");
      verify(2, path("wrong.toml"));
    }
    assertThat(attest(2).err()).contains("verify or show?");
  }

  @Test
  void aWholePolicyFileIsRead() throws IOException {
    policy(
        "whole.toml",
        """
        signer = [{mrsigner = "%1$s", product-id = 1, min-svn = 2}]
        mrtd = ["%2$s"]
        rtmr0 = ["%2$s"]
        mrconfigid = ["%2$s"]
        tcb-status = ["UpToDate", "SWHardeningNeeded"]
        mitigated-advisories = ["INTEL-SA-00615"]
        max-collateral-age-days = 30
        min-tcb-evaluation-number = 1
        debug-allowed = false
        production-attributes = true
        bound-to-certificate = false
        [snp]
        measurement = ["%2$s"]
        host-data = ["%1$s"]
        id-key-digest = ["%2$s"]
        author-key-digest = ["%2$s"]
        min-report-version = 3
        max-vmpl = 0
        min-guest-svn = 1
        smt-allowed = false
        alias-check-required = true
        revocation-list-required = true
        [snp.min-tcb]
        Milan = {boot-loader = 4, tee = 0, snp = 24, microcode = 219}
        Turin = {fmc = 1, boot-loader = 1, tee = 1, snp = 4, microcode = 81}
        """
            .formatted(WORKER, "24".repeat(48)));
    assertThat(verify(0, path("whole.toml")).out())
        .contains("ok  tcb-evaluation-number: ", "ok  collateral-age: ", "ok  advisories: ");
    policy("any.toml", "mitigated-advisories = \"any\"\n");
    assertThat(verify(0, path("any.toml")).out()).contains("-   advisories: ");
  }

  @Test
  void showPrintsEveryFieldAndJudgesNone() throws IOException {
    assertThat(attest(0, "show", path("quote.bin")).out())
        .contains("mrenclave", WORKER, "report-data", DATA, "pck.fmspc", "chain.2.subject");
    assertThat(attest(0, "show", path("quote.bin"), "--json").out())
        .contains("\"mrenclave\":\"" + WORKER + "\"");
    byte[] cut = Files.readAllBytes(directory.resolve("quote.bin"));
    Files.write(directory.resolve("cut.bin"), Arrays.copyOf(cut, 600));
    assertThat(attest(4, "show", path("cut.bin")).err()).contains("malformed");
    assertThat(attest(4, "verify", path("cut.bin"), "--policy", "strict", "--json").out())
        .contains("\"debug\":null", "\"type\":\"sgx-quote-v3\"");
  }
}
