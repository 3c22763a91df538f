package io.capsuledb.host.attest.attester;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.QuoteLayout;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Set;

/**
 * Evidence of the TDX or SEV-SNP guest this runs in, through Linux's configfs-tsm (6.7 and later;
 * Documentation/ABI/testing/configfs-tsm).
 *
 * <p>Invariant: an entry of its own is made for each piece of evidence and removed afterwards, and
 * what was read counts only if the entry's generation is the same before and after: otherwise
 * somebody else wrote to it. Thread-safe.
 */
public final class ConfigfsTsmAttester implements Attester {

  /** Where Linux has it. */
  public static final Path DIRECTORY = Path.of("/sys/kernel/config/tsm/report");

  private static final Set<String> PROVIDERS = Set.of("tdx_guest", "sev_guest");
  private static final int ATTEMPTS = 5;
  private static final int NAME_BYTES = 8;
  private static final int MAX_TEXT_BYTES = 128;
  private static final int MAX_AUXILIARY_BYTES = 1 << 20;

  private final PseudoFiles files;
  private final Path directory;
  private final Entropy entropy;

  public ConfigfsTsmAttester(PseudoFiles files, Path directory, Entropy entropy) {
    this.files = files;
    this.directory = directory;
    this.entropy = entropy;
  }

  @Override
  public Evidence attest(Octets reportData) {
    if (reportData.length() != QuoteLayout.REPORT_DATA_BYTES) {
      throw new IllegalArgumentException("report data has 64 bytes");
    }
    byte[] name = new byte[NAME_BYTES];
    entropy.fill(name);
    Path entry = directory.resolve("capsule-" + Octets.own(name).hex());
    try {
      files.createDirectory(entry);
      try {
        return read(entry, reportData);
      } finally {
        files.removeDirectory(entry);
      }
    } catch (IOException e) {
      throw new UnavailableException("configfs-tsm in " + directory + " gives no evidence", e);
    }
  }

  private Evidence read(Path entry, Octets reportData) throws IOException {
    String provider = text(entry.resolve("provider"));
    if (!PROVIDERS.contains(provider)) {
      throw new UnavailableException("configfs-tsm's provider is '" + provider + "'");
    }
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      files.write(entry.resolve("inblob"), reportData);
      String before = text(entry.resolve("generation"));
      Octets evidence = files.read(entry.resolve("outblob"), QuoteLayout.MAX_BYTES);
      Octets auxiliary = auxiliary(entry.resolve("auxblob"));
      if (before.equals(text(entry.resolve("generation"))) && evidence.length() > 0) {
        return new Evidence(evidence, auxiliary);
      }
    }
    throw new UnavailableException(
        "somebody else keeps writing to " + entry + ", or it gives nothing");
  }

  private Octets auxiliary(Path file) throws IOException {
    try {
      return files.read(file, MAX_AUXILIARY_BYTES);
    } catch (NoSuchFileException _) {
      // Providers without certificates have no such file.
      return Octets.EMPTY;
    }
  }

  private String text(Path file) throws IOException {
    return new String(files.read(file, MAX_TEXT_BYTES).toArray(), StandardCharsets.UTF_8).strip();
  }

  @Override
  public String name() {
    return "linux-configfs-tsm";
  }
}
