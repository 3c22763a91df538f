package io.capsuledb.host.attest.attester;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.attest.encoding.Octets;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Both attesters against trees that do what the kernel and Gramine were seen to do. */
class AttesterTest {

  private static final Octets DATA = Octets.ofHex("5a".repeat(64));

  @TempDir private Path directory;
  private final FakePseudoFiles files = new FakePseudoFiles();

  private static void show(Path file, String contents) throws IOException {
    Files.writeString(file, contents);
  }

  @BeforeEach
  void graminesFiles() throws IOException {
    show(directory.resolve("attestation_type"), "dcap");
    show(directory.resolve("user_report_data"), "\0".repeat(64));
    show(directory.resolve("quote"), "");
    files.written =
        file -> {
          if (file.getFileName().toString().equals("user_report_data")) {
            show(directory.resolve("quote"), "quote of " + Octets.own(Files.readAllBytes(file)));
          }
        };
  }

  @Test
  void gramineGivesAQuoteOfWhatWasWritten() {
    Attester attester = new GramineAttester(files, directory);
    Attester.Evidence evidence = attester.attest(DATA);
    assertThat(new String(evidence.bytes().toArray(), StandardCharsets.UTF_8))
        .isEqualTo("quote of " + DATA);
    assertThat(evidence.auxiliary()).isEqualTo(Octets.EMPTY);
    assertThat(files.log)
        .containsExactly("read attestation_type", "write user_report_data 64", "read quote");
    assertThatThrownBy(() -> attester.attest(Octets.ofHex("00")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void gramineWithoutDcapIsSaidToBe() throws IOException {
    Attester attester = new GramineAttester(files, directory);
    for (String type : new String[] {"none", "epid", ""}) {
      show(directory.resolve("attestation_type"), type);
      assertThatThrownBy(() -> attester.attest(DATA))
          .isInstanceOf(UnavailableException.class)
          .hasMessageContaining("'" + type + "'");
    }
    show(directory.resolve("attestation_type"), "dcap\n");
    files.written = file -> {};
    assertThatThrownBy(() -> attester.attest(DATA))
        .isInstanceOf(UnavailableException.class)
        .hasMessageContaining("empty");
    assertThatThrownBy(() -> new GramineAttester(files, directory.resolve("no")).attest(DATA))
        .isInstanceOf(UnavailableException.class);
  }

  private Attester tsm(String provider, boolean certificates) {
    AtomicInteger generation = new AtomicInteger();
    files.created =
        entry -> {
          show(entry.resolve("provider"), provider);
          show(entry.resolve("generation"), "0\n");
          show(entry.resolve("inblob"), "");
          show(entry.resolve("outblob"), "");
          if (certificates) {
            show(entry.resolve("auxblob"), "certificates");
          }
        };
    files.written =
        file -> {
          Path entry = file.getParent();
          show(entry.resolve("generation"), generation.incrementAndGet() + "\n");
          show(
              entry.resolve("outblob"),
              "report of " + Octets.own(Files.readAllBytes(entry.resolve("inblob"))));
        };
    return new ConfigfsTsmAttester(files, directory, new Random(1)::nextBytes);
  }

  private void assertNothingIsLeft() throws IOException {
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left.filter(Files::isDirectory)).isEmpty();
    }
  }

  @Test
  void configfsTsmGivesReportsWithAndWithoutCertificates() throws IOException {
    Attester.Evidence snp = tsm("sev_guest\n", true).attest(DATA);
    assertThat(snp.auxiliary().length()).isEqualTo("certificates".length());
    assertThat(new String(snp.bytes().toArray(), StandardCharsets.UTF_8))
        .isEqualTo("report of " + DATA);
    assertNothingIsLeft();
    assertThat(tsm("tdx_guest\n", false).attest(DATA).auxiliary()).isEqualTo(Octets.EMPTY);
    assertNothingIsLeft();
  }

  @Test
  void whatSomebodyElseWroteInBetweenDoesNotCount() throws IOException {
    Attester attester = tsm("sev_guest\n", false);
    AtomicInteger disturbances = new AtomicInteger(2);
    files.beforeRead =
        file -> {
          if (file.getFileName().toString().equals("outblob")
              && disturbances.getAndDecrement() > 0) {
            show(file.resolveSibling("outblob"), "somebody else's");
            show(file.resolveSibling("generation"), "9" + disturbances + "\n");
          }
        };
    assertThat(new String(attester.attest(DATA).bytes().toArray(), StandardCharsets.UTF_8))
        .isEqualTo("report of " + DATA);
    assertNothingIsLeft();
    disturbances.set(1000);
    assertThatThrownBy(() -> attester.attest(DATA))
        .isInstanceOf(UnavailableException.class)
        .hasMessageContaining("somebody else");
    assertNothingIsLeft();
  }

  @Test
  void anUnknownProviderOrNoneIsUnavailable() throws IOException {
    assertThatThrownBy(() -> tsm("arm_cca_guest\n", false).attest(DATA))
        .isInstanceOf(UnavailableException.class)
        .hasMessageContaining("arm_cca_guest");
    assertNothingIsLeft();
    assertThatThrownBy(
            () ->
                new ConfigfsTsmAttester(files, directory.resolve("no"), new Random(1)::nextBytes)
                    .attest(DATA))
        .isInstanceOf(UnavailableException.class);
  }
}
