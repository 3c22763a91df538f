package io.capsuledb.host.attest;

import io.capsuledb.host.attest.amd.AmdCollateral;
import io.capsuledb.host.attest.amd.SnpReportLayout;
import io.capsuledb.host.attest.encoding.DerWriter;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.CertificateWriter;
import io.capsuledb.host.attest.pki.TrustRoots;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A SEV-SNP report with its certificates, under keys made here: right, until a test changes it. */
final class SyntheticSnp {

  static final Instant NOW = SyntheticIntel.NOW;
  static final Octets REPORT_DATA = SyntheticIntel.REPORT_DATA;
  static final Octets MEASUREMENT = Octets.ofHex("66".repeat(48));
  static final Octets CHIP = Octets.ofHex("c1".repeat(64));
  static final BigInteger ASK_SERIAL = BigInteger.valueOf(21);

  private static final KeyPair ARK = rsa();
  private static final KeyPair OTHER_ARK = rsa();
  private static final KeyPair ASK = rsa();
  private static final KeyPair VEK = SyntheticIntel.key("secp384r1");
  private static final String ARC = "1.3.6.1.4.1.3704.1.";

  final int version;
  final String product;
  boolean loaded;
  boolean otherRoot;
  String vekName = "SEV-VCEK";
  String productName;
  String issuerProduct;
  int microcode = 99;
  Octets hardwareId = CHIP;
  @Nullable PrivateKey vekIssuer;
  Instant vekTo = NOW.plus(Duration.ofDays(10));
  Consumer<byte[]> report = bytes -> {};
  UnaryOperator<Octets> whole = bytes -> bytes;
  UnaryOperator<AmdCollateral> files = all -> all;
  @Nullable List<BigInteger> revoked;

  SyntheticSnp(int version, String product) {
    this.version = version;
    this.product = product;
    this.productName = product + "-B0";
    this.issuerProduct = product;
    if (product.equals("Turin")) {
      hardwareId = Octets.ofHex("c1".repeat(8));
    }
  }

  private static KeyPair rsa() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
      generator.initialize(2048);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private String arkName() {
    return "ARK-" + issuerProduct;
  }

  private String askName() {
    return (loaded ? "SEV-VLEK-" : "SEV-") + issuerProduct;
  }

  private Certificate ark(KeyPair key) {
    return new CertificateWriter(arkName(), key.getPublic())
        .valid(NOW.minus(Duration.ofDays(10)), NOW.plus(Duration.ofDays(20)))
        .authority(1)
        .sign(arkName(), key.getPrivate());
  }

  TrustRoots roots() {
    return TrustRoots.given(List.of(ark(ARK)));
  }

  Octets report() {
    byte[] bytes = new byte[SnpReportLayout.BYTES];
    bytes[SnpReportLayout.VERSION] = (byte) version;
    bytes[SnpReportLayout.GUEST_SVN] = 2;
    bytes[SnpReportLayout.POLICY + 2] = 0x03;
    bytes[SnpReportLayout.SIGNATURE_ALGORITHM] = 1;
    bytes[SnpReportLayout.PLATFORM_INFO] = 0x20;
    bytes[SnpReportLayout.FLAGS] = (byte) (loaded ? 1 << 2 : 0);
    REPORT_DATA.buffer().get(bytes, SnpReportLayout.REPORT_DATA, 64);
    MEASUREMENT.buffer().get(bytes, SnpReportLayout.MEASUREMENT, 48);
    (product.equals("Turin") ? hardwareId.paddedTo(64) : CHIP)
        .buffer()
        .get(bytes, SnpReportLayout.CHIP_ID, 64);
    for (int offset :
        new int[] {
          SnpReportLayout.CURRENT_TCB,
          SnpReportLayout.REPORTED_TCB,
          SnpReportLayout.COMMITTED_TCB,
          SnpReportLayout.LAUNCH_TCB
        }) {
      tcb(bytes, offset, 24);
    }
    if (version >= 3) {
      bytes[SnpReportLayout.CPUID] = (byte) (product.equals("Turin") ? 0x1A : 0x19);
      bytes[SnpReportLayout.CPUID + 1] = (byte) (product.equals("Genoa") ? 0x11 : 0x01);
    }
    report.accept(bytes);
    Octets signature =
        SyntheticIntel.sign(
            VEK.getPrivate(),
            Octets.copyOf(bytes).slice(0, SnpReportLayout.SIGNATURE),
            "SHA384withECDSAinP1363Format");
    signature.slice(0, 48).reversed().buffer().get(bytes, SnpReportLayout.SIGNATURE_R, 48);
    signature.slice(48, 48).reversed().buffer().get(bytes, SnpReportLayout.SIGNATURE_S, 48);
    return whole.apply(Octets.own(bytes));
  }

  /** Sets the eight bytes of a TCB version, of SNP firmware {@code snp}. */
  void tcb(byte[] bytes, int offset, int snp) {
    if (product.equals("Turin")) {
      bytes[offset] = 1;
      bytes[offset + 1] = 4;
      bytes[offset + 3] = (byte) snp;
    } else {
      bytes[offset] = 4;
      bytes[offset + 6] = (byte) snp;
    }
    bytes[offset + 7] = 99;
  }

  Collateral collateral() {
    CertificateWriter vek =
        new CertificateWriter(loaded ? "SEV-VLEK" : vekName, VEK.getPublic())
            .serial(BigInteger.ZERO)
            .valid(NOW.minus(Duration.ofDays(10)), vekTo)
            .extension(ARC + "2", false, DerWriter.ia5(productName))
            .extension(ARC + "3.1", false, DerWriter.integer(4))
            .extension(ARC + "3.2", false, DerWriter.integer(0))
            .extension(ARC + "3.3", false, DerWriter.integer(24))
            .extension(ARC + "3.8", false, DerWriter.integer(microcode));
    if (product.equals("Turin")) {
      vek.extension(ARC + "3.9", false, DerWriter.integer(1));
    }
    if (loaded) {
      vek.extension(ARC + "5", false, DerWriter.ia5("cloud"));
    } else {
      vek.extension(ARC + "4", false, hardwareId);
    }
    KeyPair root = otherRoot ? OTHER_ARK : ARK;
    Certificate ask =
        new CertificateWriter(askName(), ASK.getPublic())
            .serial(ASK_SERIAL)
            .valid(NOW.minus(Duration.ofDays(10)), NOW.plus(Duration.ofDays(20)))
            .authority(0)
            .sign(arkName(), root.getPrivate());
    PrivateKey issuer = vekIssuer == null ? ASK.getPrivate() : vekIssuer;
    List<BigInteger> list = revoked;
    AmdCollateral all =
        new AmdCollateral(
            vek.sign(askName(), issuer).encoded(),
            SyntheticIntel.pem(ask),
            ark(root).encoded(),
            list == null
                ? null
                : CertificateWriter.revocationList(
                    arkName(), root.getPrivate(), NOW.minusSeconds(60), NOW.plusSeconds(60), list));
    return new Collateral(IntelCollateral.NONE, files.apply(all));
  }

  /** Signs certificates as somebody who may not. */
  static PrivateKey stranger() {
    return OTHER_ARK.getPrivate();
  }
}
