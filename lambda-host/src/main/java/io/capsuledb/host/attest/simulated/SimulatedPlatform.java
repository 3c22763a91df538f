package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.DerWriter;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.intel.PckExtension;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.CertificateWriter;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.pki.Pem;
import io.capsuledb.host.attest.pki.TrustRoots;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The logic of the assertion-generating enclave of an insecure-simulated machine: it checks local
 * reports, makes quotes of version 3 from them, and has the platform's certificates, TCB info,
 * enclave identity and revocation lists signed by a vendor that is itself made up.
 *
 * <p>Invariants: nothing is quoted that the simulated CPU did not report to this enclave; every
 * name in its certificates says that it is simulated; its keys live in this process and nowhere
 * else. Thread-safe.
 */
public final class SimulatedPlatform {

  /** MRSIGNER of every simulated enclave, itself included: the hash of these words. */
  static final Octets SIGNER = hash("insecure-simulated signer");

  /** MRENCLAVE of the assertion-generating enclave. */
  public static final Octets MEASUREMENT = hash("insecure-simulated assertion-generating enclave");

  /** Bytes of TARGETINFO, of which the first 32 are the measurement. */
  public static final int TARGET_INFO_BYTES = 512;

  private static final String NAMES = "insecure-simulated SGX";
  private static final String FMSPC = "00515af0c000";
  private static final Duration CERTIFICATES = Duration.ofDays(3650);
  private static final Duration DOCUMENTS = Duration.ofDays(30);
  private static final int AUTH_BYTES = 32;
  private static final int COORDINATE_BYTES = 32;
  private static final int SERIAL_BYTES = 16;
  private static final int EVALUATION = 1;

  private final SimulatedCpu cpu;
  private final SecureRandom random;
  private final KeyPair rootKey;
  private final KeyPair authorityKey;
  private final KeyPair pckKey;
  private final KeyPair signerKey;
  private final KeyPair attestationKey;
  private final Certificate root;
  private final Certificate authority;
  private final Certificate pck;
  private final Certificate signer;
  private final Octets authData;
  private final Octets qeReport;
  private final Octets qeReportSignature;

  /** A new platform, with new keys, from {@code now} on. */
  public SimulatedPlatform(SimulatedCpu cpu, Entropy entropy, Instant now) {
    this.cpu = cpu;
    this.random = new EntropyRandom(entropy);
    Instant from = now.truncatedTo(ChronoUnit.SECONDS);
    Instant to = from.plus(CERTIFICATES);
    rootKey = newKey();
    authorityKey = newKey();
    pckKey = newKey();
    signerKey = newKey();
    attestationKey = newKey();
    root =
        writer(TrustRoots.SIMULATED_NAME, rootKey, from, to)
            .authority(1)
            .sign(TrustRoots.SIMULATED_NAME, rootKey.getPrivate());
    authority =
        writer(NAMES + " PCK Platform CA", authorityKey, from, to)
            .authority(0)
            .sign(TrustRoots.SIMULATED_NAME, rootKey.getPrivate());
    pck =
        writer(NAMES + " PCK Certificate", pckKey, from, to)
            .leaf()
            .extension(PckExtension.OID, false, pckExtension())
            .sign(NAMES + " PCK Platform CA", authorityKey.getPrivate());
    signer =
        writer(NAMES + " TCB Signing", signerKey, from, to)
            .leaf()
            .sign(TrustRoots.SIMULATED_NAME, rootKey.getPrivate());
    authData = random(AUTH_BYTES);
    qeReport =
        SimulatedCpu.body(
            MEASUREMENT,
            Digests.sha256(point(attestationKey), authData)
                .paddedTo(QuoteLayout.REPORT_DATA_BYTES));
    qeReportSignature = sign(pckKey.getPrivate(), qeReport);
  }

  private static Octets hash(String words) {
    return Digests.sha256(ascii(words));
  }

  private static Octets ascii(String text) {
    return Octets.own(text.getBytes(StandardCharsets.US_ASCII));
  }

  private KeyPair newKey() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"), random);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has P-256", e);
    }
  }

  private Octets random(int bytes) {
    byte[] value = new byte[bytes];
    random.nextBytes(value);
    return Octets.own(value);
  }

  private CertificateWriter writer(String name, KeyPair key, Instant from, Instant to) {
    return new CertificateWriter(name, key.getPublic())
        .serial(new BigInteger(1, random(SERIAL_BYTES).toArray()))
        .valid(from, to);
  }

  /** The explicit root under which its evidence can be judged, and under no other. */
  public Certificate root() {
    return root;
  }

  /** TARGETINFO for local reports to this enclave. */
  public Octets targetInfo() {
    return MEASUREMENT.paddedTo(TARGET_INFO_BYTES);
  }

  /**
   * This enclave's own report for a peer on the machine, so that the peer knows who will quote it.
   *
   * @param target the peer's measurement
   */
  public Octets report(Octets target, Octets reportData) {
    return cpu.report(MEASUREMENT, target, reportData);
  }

  /**
   * A quote of version 3 about the enclave that made {@code report}.
   *
   * @throws DeniedException if the report is not of this machine, or was not made for this enclave
   */
  public Octets quote(Octets report) {
    if (!cpu.verify(MEASUREMENT, report)) {
      throw new DeniedException(
          "the local report does not verify: it is of another machine, or for another enclave");
    }
    byte[] bytes = new byte[QuoteLayout.HEADER_BYTES];
    ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    header.putShort(QuoteLayout.VERSION, (short) 3);
    header.putShort(QuoteLayout.KEY_TYPE, (short) QuoteLayout.ECDSA_P256);
    header.putShort(QuoteLayout.QE_SVN, (short) 1);
    header.putShort(QuoteLayout.PCE_SVN, (short) 1);
    header.put(QuoteLayout.QE_VENDOR, Octets.ofHex(QuoteLayout.INTEL_QE_VENDOR).toArray());
    Octets signed = Octets.own(bytes).then(report.slice(0, QuoteLayout.SGX_BODY_BYTES));
    Octets chain = chain(pck, authority, root);
    Octets data =
        sign(attestationKey.getPrivate(), signed)
            .then(point(attestationKey))
            .then(qeReport)
            .then(qeReportSignature)
            .then(number(2, authData.length()))
            .then(authData)
            .then(number(2, QuoteLayout.CERTIFICATION_CHAIN))
            .then(number(4, chain.length()))
            .then(chain);
    return signed.then(number(4, data.length())).then(data);
  }

  private static Octets number(int bytes, int value) {
    return Octets.own(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array())
        .slice(0, bytes);
  }

  private static Octets chain(Certificate... certificates) {
    StringBuilder pem = new StringBuilder();
    for (Certificate certificate : certificates) {
      pem.append(Pem.block("CERTIFICATE", certificate.encoded()));
    }
    return ascii(pem.toString());
  }

  /** What its quotes are judged with, issued at {@code now} and valid for 30 days. */
  public IntelCollateral collateral(Instant now) {
    Instant from = now.truncatedTo(ChronoUnit.SECONDS);
    Instant to = from.plus(DOCUMENTS);
    Octets signers = chain(signer, root);
    return new IntelCollateral(
        document("tcbInfo", tcbInfo(from, to)),
        signers,
        document("enclaveIdentity", identity(from, to)),
        signers,
        CertificateWriter.revocationList(
            TrustRoots.SIMULATED_NAME, rootKey.getPrivate(), from, to, List.of()),
        CertificateWriter.revocationList(
            NAMES + " PCK Platform CA", authorityKey.getPrivate(), from, to, List.of()),
        null);
  }

  private static String tcbInfo(Instant from, Instant to) {
    String components = "{\"svn\":1}" + ",{\"svn\":1}".repeat(QuoteLayout.SVN_COMPONENTS - 1);
    return """
        {"id":"SGX","version":3,"issueDate":"%s","nextUpdate":"%s","fmspc":"%s","pceId":"0000",\
        "tcbType":0,"tcbEvaluationDataNumber":%d,"tcbLevels":[{"tcb":{"sgxtcbcomponents":[%s],\
        "pcesvn":1},"tcbDate":"%s","tcbStatus":"UpToDate"}]}"""
        .formatted(from, to, FMSPC, EVALUATION, components, from);
  }

  private static String identity(Instant from, Instant to) {
    return """
        {"id":"QE","version":2,"issueDate":"%s","nextUpdate":"%s","tcbEvaluationDataNumber":%d,\
        "miscselect":"00000000","miscselectMask":"FFFFFFFF",\
        "attributes":"01000000000000000000000000000000",\
        "attributesMask":"FBFFFFFFFFFFFFFF0000000000000000","mrsigner":"%s","isvprodid":0,\
        "tcbLevels":[{"tcb":{"isvsvn":1},"tcbDate":"%s","tcbStatus":"UpToDate"}]}"""
        .formatted(from, to, EVALUATION, SIGNER, from);
  }

  private Octets document(String member, String value) {
    Octets signature = sign(signerKey.getPrivate(), ascii(value));
    return ascii("{\"" + member + "\":" + value + ",\"signature\":\"" + signature + "\"}");
  }

  /** The SGX extension of a PCK certificate whose every version is 1. */
  private Octets pckExtension() {
    List<Octets> tcb = new ArrayList<>();
    String oid = PckExtension.OID;
    for (int i = 1; i <= QuoteLayout.SVN_COMPONENTS + 1; i++) {
      tcb.add(pair(oid + ".2." + i, DerWriter.integer(1)));
    }
    byte[] ones = new byte[QuoteLayout.SVN_COMPONENTS];
    Arrays.fill(ones, (byte) 1);
    tcb.add(pair(oid + ".2.18", DerWriter.octetString(Octets.own(ones))));
    return DerWriter.sequence(
        pair(oid + ".1", DerWriter.octetString(random(16))),
        pair(oid + ".2", DerWriter.sequence(tcb.toArray(Octets[]::new))),
        pair(oid + ".3", DerWriter.octetString(Octets.own(new byte[2]))),
        pair(oid + ".4", DerWriter.octetString(Octets.ofHex(FMSPC))),
        pair(oid + ".5", DerWriter.enumerated(0)));
  }

  private static Octets pair(String oid, Octets value) {
    return DerWriter.sequence(DerWriter.objectIdentifier(oid), value);
  }

  private Octets sign(PrivateKey key, Octets message) {
    try {
      Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
      signature.initSign(key, random);
      signature.update(message.buffer());
      return Octets.own(signature.sign());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK signs on P-256", e);
    }
  }

  private static Octets point(KeyPair pair) {
    ECPublicKey key = (ECPublicKey) pair.getPublic();
    return coordinate(key.getW().getAffineX()).then(coordinate(key.getW().getAffineY()));
  }

  private static Octets coordinate(BigInteger value) {
    byte[] bytes = value.toByteArray();
    byte[] fixed = new byte[COORDINATE_BYTES];
    int length = Math.min(bytes.length, COORDINATE_BYTES);
    System.arraycopy(bytes, bytes.length - length, fixed, COORDINATE_BYTES - length, length);
    return Octets.own(fixed);
  }

  /** The port, in the form that the JDK's key generators want. */
  private static final class EntropyRandom extends SecureRandom {
    private static final long serialVersionUID = 1L;

    private final transient Entropy entropy;

    EntropyRandom(Entropy entropy) {
      super(null, null);
      this.entropy = entropy;
    }

    @Override
    public void nextBytes(byte[] bytes) {
      entropy.fill(bytes);
    }
  }
}
