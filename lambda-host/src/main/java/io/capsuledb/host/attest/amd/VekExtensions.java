package io.capsuledb.host.attest.amd;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.verdict.Claim;
import io.capsuledb.host.attest.verdict.SnpTcb;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a VCEK or VLEK certificate says of the platform it stands for (AMD VCEK Certificate and KDS
 * Interface Specification, 1.3.6.1.4.1.3704.1).
 *
 * @param productName such as "Milan-B0"
 * @param tcb the versions that the key was derived for
 * @param hardwareId the chip, 64 bytes, or 8 on Turin; null in a VLEK
 * @param provider the cloud provider of a VLEK; empty in a VCEK
 */
record VekExtensions(String productName, SnpTcb tcb, @Nullable Octets hardwareId, String provider) {

  static final String ARC = "1.3.6.1.4.1.3704.1";

  private static final String BOOT_LOADER = ARC + ".3.1";
  private static final String TEE = ARC + ".3.2";
  private static final String SNP = ARC + ".3.3";
  private static final String MICROCODE = ARC + ".3.8";
  private static final String FMC = ARC + ".3.9";
  private static final String HARDWARE_ID = ARC + ".4";
  private static final String PROVIDER = ARC + ".5";
  private static final int MAX_VERSION = 0xFF;

  static VekExtensions of(Certificate certificate) {
    Octets name = certificate.extension(ARC + ".2");
    if (name == null) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the VEK names no product");
    }
    DerReader reader = new DerReader(name);
    String productName = reader.text();
    reader.end();
    SnpTcb tcb =
        new SnpTcb(
            certificate.extension(FMC) == null ? 0 : version(certificate, FMC),
            version(certificate, BOOT_LOADER),
            version(certificate, TEE),
            version(certificate, SNP),
            version(certificate, MICROCODE));
    Octets provider = certificate.extension(PROVIDER);
    return new VekExtensions(
        productName,
        tcb,
        hardwareId(certificate),
        provider == null ? "" : new DerReader(provider).text());
  }

  private static int version(Certificate certificate, String oid) {
    Octets value = certificate.extension(oid);
    if (value == null) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the VEK has no extension " + oid);
    }
    DerReader reader = new DerReader(value);
    int version = reader.integer(MAX_VERSION);
    reader.end();
    return version;
  }

  private static @Nullable Octets hardwareId(Certificate certificate) {
    Octets value = certificate.extension(HARDWARE_ID);
    if (value == null) {
      return null;
    }
    // Old certificates have the bytes as they are, newer ones inside an OCTET STRING.
    Octets id = value;
    if (value.length() != SnpReportLayout.CHIP_ID_BYTES && value.length() != 8) {
      DerReader reader = new DerReader(value);
      id = reader.octetString();
      reader.end();
    }
    if (id.length() != SnpReportLayout.CHIP_ID_BYTES && id.length() != 8) {
      throw malformed(
          Reason.FIELD_OUT_OF_RANGE, "the VEK's hardware id has " + id.length() + " bytes");
    }
    return id;
  }

  /** The product without its stepping: "Milan" of "Milan-B0". */
  String product() {
    int dash = productName.indexOf('-');
    return dash < 0 ? productName : productName.substring(0, dash);
  }

  List<Claim> claims() {
    return List.of(
        Claim.of("vek.product-name", productName),
        Claim.of("vek.tcb", tcb),
        Claim.of("vek.hardware-id", hardwareId == null ? "" : hardwareId),
        Claim.of("vek.provider", provider));
  }
}
