package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.DerWriter;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.verdict.Claim;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a PCK certificate says of its platform (Intel SGX PCK Certificate and CRL Profile, 1.2.840.
 * 113741.1.13.1).
 *
 * @param ppid the platform's provisioning id, 16 bytes
 * @param componentSvn versions of the TCB's components, 16 bytes
 * @param pceSvn version of the provisioning certification enclave
 * @param cpuSvn the TCB's versions in the CPU's own form, 16 bytes
 * @param pceId which provisioning certification enclave, 2 bytes
 * @param fmspc family, model, stepping, platform type, 6 bytes
 * @param sgxType 0 standard, 1 scalable, 2 scalable with integrity
 * @param platformInstance of a platform with several packages, 16 bytes; null where there is none
 * @param configuration what may change while it runs; empty where the certificate does not say
 */
public record PckExtension(
    Octets ppid,
    Octets componentSvn,
    int pceSvn,
    Octets cpuSvn,
    Octets pceId,
    Octets fmspc,
    int sgxType,
    @Nullable Octets platformInstance,
    Map<String, Boolean> configuration) {

  /** The extension, and the arc of what is in it. */
  public static final String OID = "1.2.840.113741.1.13.1";

  private static final String TCB = OID + ".2";
  private static final String PCE_SVN = TCB + ".17";
  private static final String CPU_SVN = TCB + ".18";
  private static final String CONFIGURATION = OID + ".7";
  private static final Map<String, String> SETTINGS =
      Map.of(
          CONFIGURATION + ".1", "dynamic-platform",
          CONFIGURATION + ".2", "cached-keys",
          CONFIGURATION + ".3", "smt-enabled");

  private static final int MAX_FIELDS = 64;
  private static final int MAX_SVN = 0xFF;
  private static final int MAX_PCE_SVN = 0xFFFF;

  public PckExtension {
    configuration = Map.copyOf(configuration);
  }

  /**
   * Reads the extension of a certificate.
   *
   * @throws io.capsuledb.core.error.IntegrityException if it has none, or one that is not whole
   */
  public static PckExtension of(Certificate certificate) {
    Octets extension = certificate.extension(OID);
    if (extension == null) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the certificate has no SGX extension");
    }
    return parse(extension);
  }

  static PckExtension parse(Octets extension) {
    DerReader outer = new DerReader(extension);
    Map<String, Octets> fields = fields(outer.read(DerReader.SEQUENCE));
    outer.end();
    Map<String, Octets> tcb = fields(contents(fields, TCB, DerReader.SEQUENCE));
    byte[] components = new byte[QuoteLayout.SVN_COMPONENTS];
    for (int i = 0; i < components.length; i++) {
      components[i] = (byte) value(tcb, TCB + "." + (i + 1)).integer(MAX_SVN);
    }
    Octets instance = fields.get(OID + ".6");
    Map<String, Boolean> settings = new LinkedHashMap<>();
    if (fields.containsKey(CONFIGURATION)) {
      fields(contents(fields, CONFIGURATION, DerReader.SEQUENCE))
          .forEach(
              (oid, value) -> {
                String name = SETTINGS.get(oid);
                if (name != null) {
                  settings.put(name, new DerReader(value).bool());
                }
              });
    }
    return new PckExtension(
        octets(fields, OID + ".1", 16),
        Octets.own(components),
        value(tcb, PCE_SVN).integer(MAX_PCE_SVN),
        octets(tcb, CPU_SVN, QuoteLayout.SVN_COMPONENTS),
        octets(fields, OID + ".3", 2),
        octets(fields, OID + ".4", 6),
        value(fields, OID + ".5").enumerated(2),
        instance == null ? null : octets(fields, OID + ".6", 16),
        settings);
  }

  /** The pairs of object identifier and value in a SEQUENCE, each value with its tag and length. */
  private static Map<String, Octets> fields(Octets contents) {
    Map<String, Octets> fields = new LinkedHashMap<>();
    DerReader pairs = new DerReader(contents);
    while (!pairs.atEnd()) {
      Octets pair = pairs.read(DerReader.SEQUENCE);
      DerReader reader = new DerReader(pair);
      String oid = reader.objectIdentifier();
      int tag = reader.nextTag();
      Octets value = DerWriter.element(tag, reader.readAny());
      reader.end();
      if (fields.put(oid, value) != null || fields.size() > MAX_FIELDS) {
        throw malformed(Reason.FIELD_OUT_OF_RANGE, "SGX extension: " + oid + " comes twice");
      }
    }
    return fields;
  }

  private static DerReader value(Map<String, Octets> fields, String oid) {
    Octets value = fields.get(oid);
    if (value == null) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "SGX extension: no " + oid);
    }
    return new DerReader(value);
  }

  private static Octets contents(Map<String, Octets> fields, String oid, int tag) {
    return value(fields, oid).read(tag);
  }

  private static Octets octets(Map<String, Octets> fields, String oid, int bytes) {
    Octets contents = contents(fields, oid, DerReader.OCTET_STRING);
    if (contents.length() != bytes) {
      throw malformed(
          Reason.FIELD_OUT_OF_RANGE,
          "SGX extension: " + oid + " has " + contents.length() + " bytes instead of " + bytes);
    }
    return contents;
  }

  /** Every field. */
  public List<Claim> claims() {
    List<Claim> claims = new ArrayList<>();
    claims.add(Claim.of("pck.ppid", ppid));
    claims.add(Claim.of("pck.component-svn", componentSvn));
    claims.add(Claim.of("pck.pcesvn", pceSvn));
    claims.add(Claim.of("pck.cpusvn", cpuSvn));
    claims.add(Claim.of("pck.pceid", pceId));
    claims.add(Claim.of("pck.fmspc", fmspc));
    claims.add(
        Claim.of(
            "pck.sgx-type",
            List.of("standard", "scalable", "scalable-with-integrity").get(sgxType)));
    if (platformInstance != null) {
      claims.add(Claim.of("pck.platform-instance-id", platformInstance));
    }
    for (String name : List.of("dynamic-platform", "cached-keys", "smt-enabled")) {
      Boolean on = configuration.get(name);
      if (on != null) {
        claims.add(Claim.of("pck." + name, on));
      }
    }
    return List.copyOf(claims);
  }
}
