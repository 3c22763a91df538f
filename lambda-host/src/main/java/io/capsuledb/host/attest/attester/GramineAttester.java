package io.capsuledb.host.attest.attester;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.QuoteLayout;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Quotes of the SGX enclave this process runs in, through Gramine's pseudo-files.
 *
 * <p>Invariant: the files belong to the whole process, so one lock is held from writing the report
 * data to having read the quote. Thread-safe, if it is the only one of its process.
 */
public final class GramineAttester implements Attester {

  /** Where Gramine has them. */
  public static final Path DIRECTORY = Path.of("/dev/attestation");

  private static final int MAX_TYPE_BYTES = 64;

  private final PseudoFiles files;
  private final Path directory;
  private final Lock lock = new ReentrantLock();

  public GramineAttester(PseudoFiles files, Path directory) {
    this.files = files;
    this.directory = directory;
  }

  @Override
  public Evidence attest(Octets reportData) {
    if (reportData.length() != QuoteLayout.REPORT_DATA_BYTES) {
      throw new IllegalArgumentException("report data has 64 bytes");
    }
    lock.lock();
    try {
      String type =
          new String(
                  files.read(directory.resolve("attestation_type"), MAX_TYPE_BYTES).toArray(),
                  StandardCharsets.UTF_8)
              .strip();
      if (!type.equals("dcap")) {
        throw new UnavailableException(
            "Gramine's attestation type is '"
                + type
                + "', not dcap: set sgx.remote_attestation = \"dcap\" in the manifest");
      }
      files.write(directory.resolve("user_report_data"), reportData);
      Octets quote = files.read(directory.resolve("quote"), QuoteLayout.MAX_BYTES);
      if (quote.length() == 0) {
        throw new UnavailableException("Gramine gave an empty quote");
      }
      return new Evidence(quote, Octets.EMPTY);
    } catch (IOException e) {
      throw new UnavailableException("Gramine's " + directory + " gives no quote", e);
    } finally {
      lock.unlock();
    }
  }

  @Override
  public String name() {
    return "gramine-sgx-dcap";
  }
}
