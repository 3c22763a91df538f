package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.Pem;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A machine that stands for one with a real CPU: a directory that its enclaves and its
 * assertion-generating enclave share. In it:
 *
 * <ul>
 *   <li>{@code cpu-secret}: what stands for the CPU's fuses. Who can read it forges everything;
 *   <li>{@code age.sock}: where the assertion-generating enclave listens;
 *   <li>{@code root.pem}: the root that a policy has to name as {@code insecure-simulated-root};
 *   <li>collateral, by the names of docs/attestation.md.
 * </ul>
 *
 * <p>Immutable.
 */
public final class SimulatedMachine {

  /** The root, for policies. */
  public static final String ROOT = "root.pem";

  private static final String SECRET = "cpu-secret";
  private static final String SOCKET = "age.sock";

  private final Path directory;

  /** The machine of a directory. */
  public SimulatedMachine(Path directory) {
    this.directory = directory.toAbsolutePath().normalize();
  }

  /** The directory, which is also one of collateral. */
  public Path directory() {
    return directory;
  }

  Path socket() {
    return directory.resolve(SOCKET);
  }

  /** Makes the directory and the CPU, unless they are there. */
  void create(Entropy entropy) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new StorageException("cannot make the directory " + directory + " (" + e + ")", e);
    }
    if (!Files.exists(directory.resolve(SECRET))) {
      byte[] secret = new byte[SimulatedCpu.SECRET_BYTES];
      entropy.fill(secret);
      PrivateFile.write(directory.resolve(SECRET), secret, false);
      java.util.Arrays.fill(secret, (byte) 0);
    }
  }

  /**
   * Its CPU.
   *
   * @throws UnavailableException if there is none
   */
  SimulatedCpu cpu(Entropy entropy) {
    try {
      byte[] secret = Files.readAllBytes(directory.resolve(SECRET));
      if (secret.length != SimulatedCpu.SECRET_BYTES) {
        throw new InvalidRequestException(
            directory.resolve(SECRET) + " has not " + SimulatedCpu.SECRET_BYTES + " bytes");
      }
      return new SimulatedCpu(SecretBytes.own(secret), entropy);
    } catch (NoSuchFileException e) {
      throw new UnavailableException(
          directory
              + " is no simulated machine yet: start 'capsule age --machine "
              + directory
              + "'",
          e);
    } catch (IOException e) {
      throw new StorageException("cannot read the CPU of " + directory + " (" + e + ")", e);
    }
  }

  /** Puts root and collateral where verifiers look for them. */
  void publish(Certificate root, IntelCollateral collateral) {
    write(
        ROOT,
        Octets.own(Pem.block("CERTIFICATE", root.encoded()).getBytes(StandardCharsets.US_ASCII)));
    write("tcb_info.json", collateral.tcbInfo());
    write("tcb_info_issuer_chain.pem", collateral.tcbInfoChain());
    write("qe_identity.json", collateral.qeIdentity());
    write("qe_identity_issuer_chain.pem", collateral.qeIdentityChain());
    write("root_ca_crl.der", collateral.rootCrl());
    write("pck_crl.der", collateral.pckCrl());
  }

  private void write(String name, @Nullable Octets bytes) {
    if (bytes != null) {
      PrivateFile.write(directory.resolve(name), bytes.toArray(), true);
    }
  }

  /**
   * An attester for the enclave with a measurement ({@link CodeMeasurement}): makes sure, by local
   * attestation, that it talks to this machine's assertion-generating enclave.
   *
   * @throws UnavailableException if that does not run
   */
  public Attester enclave(Octets measurement, Entropy entropy) {
    SimulatedCpu cpu = cpu(entropy);
    AgeClient age = AgeClient.attest(socket(), cpu, measurement, entropy);
    return new SimulatedAttester(cpu, measurement, age.targetInfo(), age::quote);
  }

  @Override
  public String toString() {
    return "insecure-simulated " + directory;
  }
}
