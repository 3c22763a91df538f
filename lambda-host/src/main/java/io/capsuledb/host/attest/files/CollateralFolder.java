package io.capsuledb.host.attest.files;

import io.capsuledb.core.error.Decoded.Accepted;
import io.capsuledb.core.error.Decoded.Rejected;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.amd.AmdCollateral;
import io.capsuledb.host.attest.amd.CertificateTable;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.pki.Pem;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A folder of collateral, with a fixed name for each file. What is not there is not there: the
 * verdict says whether it was needed. A root that lies beside the evidence is never trusted for
 * that.
 */
public final class CollateralFolder {

  /** Longest file that is read, in bytes. */
  public static final int MAX_BYTES = 1 << 21;

  private CollateralFolder() {}

  /**
   * Reads a folder.
   *
   * @throws InvalidRequestException if it is no folder, or a file in it cannot be read
   */
  public static Collateral read(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw new InvalidRequestException(folder + " is not a folder of collateral");
    }
    IntelCollateral intel =
        new IntelCollateral(
            find(folder, "tcb_info.json"),
            find(folder, "tcb_info_issuer_chain.pem"),
            find(folder, "qe_identity.json"),
            find(folder, "qe_identity_issuer_chain.pem"),
            find(folder, "root_ca_crl.der", "root_ca_crl.pem", "root_ca_crl.hex"),
            find(folder, "pck_crl.der", "pck_crl.pem", "pck_crl.hex"),
            find(folder, "pck_chain.pem"));
    return new Collateral(intel, amd(folder));
  }

  private static AmdCollateral amd(Path folder) {
    AmdCollateral table = AmdCollateral.NONE;
    Octets auxiliary = find(folder, "auxblob", "tsm_auxblob.bin", "auxblob.bin");
    if (auxiliary != null && !auxiliary.isZero()) {
      table =
          switch (CertificateTable.decode(auxiliary)) {
            case Accepted<AmdCollateral>(AmdCollateral read) -> read;
            // As if it were not there: the host, who wrote it, can also leave it out.
            case Rejected<AmdCollateral> _ -> AmdCollateral.NONE;
          };
    }
    AmdCollateral chain = amdChain(find(folder, "cert_chain.pem"));
    return new AmdCollateral(
        or(
            find(folder, "vek.der", "vek.pem", "vcek.der", "vcek.pem", "vlek.der", "vlek.pem"),
            table.vek()),
        or(
            find(folder, "ask.pem", "ask.der", "asvk.pem", "asvk.der"),
            or(chain.ask(), table.ask())),
        or(find(folder, "ark.pem", "ark.der"), or(chain.ark(), table.ark())),
        find(folder, "ark_crl.der", "ark_crl.pem", "amd_crl.der"));
  }

  /** ASK and ARK in one file, as AMD's service gives them. */
  private static AmdCollateral amdChain(@Nullable Octets file) {
    if (file == null) {
      return AmdCollateral.NONE;
    }
    List<Octets> certificates;
    try {
      certificates = Pem.blocks("CERTIFICATE", file);
    } catch (IntegrityException _) {
      // As if it were not there, as above.
      return AmdCollateral.NONE;
    }
    return certificates.size() == 2
        ? new AmdCollateral(null, certificates.get(0), certificates.get(1), null)
        : AmdCollateral.NONE;
  }

  private static @Nullable Octets or(@Nullable Octets first, @Nullable Octets second) {
    return first == null ? second : first;
  }

  private static @Nullable Octets find(Path folder, String... names) {
    for (String name : names) {
      try {
        return read(folder.resolve(name), MAX_BYTES);
      } catch (NoSuchFileException _) {
        // The next name, or none.
      } catch (IOException e) {
        throw new InvalidRequestException("cannot read " + folder.resolve(name), e);
      }
    }
    return null;
  }

  /**
   * Reads a file of at most {@code most} bytes.
   *
   * @throws InvalidRequestException if it is longer
   */
  public static Octets read(Path file, int most) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(most + 1);
      if (bytes.length > most) {
        throw new InvalidRequestException(file + " has more than " + most + " bytes");
      }
      return Octets.own(bytes);
    }
  }
}
