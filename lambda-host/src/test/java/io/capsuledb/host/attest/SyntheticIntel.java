package io.capsuledb.host.attest;

import io.capsuledb.host.attest.amd.AmdCollateral;
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
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/**
 * A quote with everything it is judged with, under keys made here: right in all, until a test
 * changes one thing. What is changed before signing is signed as changed.
 */
final class SyntheticIntel {

  static final Instant NOW = Instant.parse("2030-06-15T12:00:00Z");
  static final Octets FMSPC = Octets.ofHex("00a1b2c3d4e5");
  static final Octets QE_SIGNER = Octets.ofHex("ab".repeat(32));
  static final Octets REPORT_DATA = Octets.ofHex("5a".repeat(64));
  static final Octets MEASUREMENT_SGX = Octets.ofHex("11".repeat(32));
  static final Octets MEASUREMENT_TDX = Octets.ofHex("22".repeat(48));
  static final Octets SIGNER = Octets.ofHex("33".repeat(32));

  static final KeyPair ROOT = key("secp256r1");
  static final KeyPair OTHER_ROOT = key("secp256r1");
  static final KeyPair AUTHORITY = key("secp256r1");
  static final KeyPair PCK = key("secp256r1");
  static final KeyPair TCB_SIGNER = key("secp256r1");
  static final KeyPair ATTESTATION = key("secp256r1");

  static final BigInteger AUTHORITY_SERIAL = BigInteger.valueOf(11);
  static final BigInteger PCK_SERIAL = BigInteger.valueOf(12);
  static final BigInteger TCB_SIGNER_SERIAL = BigInteger.valueOf(13);

  static final int MODULE_SVN = 5;
  static final int QE_SVN = 8;

  final int version;
  final int bodyType;

  KeyPair rootKey = ROOT;
  String rootName = "Intel SGX Root CA";
  String authorityName = "Intel SGX PCK Platform CA";
  String pckName = "Intel SGX PCK Certificate";
  String signerName = "Intel SGX TCB Signing";
  Instant from = NOW.minus(Duration.ofDays(10));
  Instant to = NOW.plus(Duration.ofDays(10));
  Instant documentsFrom = from;
  Instant documentsTo = to;
  Instant pckTo = to;
  Instant rootCrlTo = to;
  Instant pckCrlFrom = from;
  boolean authorityIsOne = true;
  PrivateKey pckIssuer = AUTHORITY.getPrivate();
  PrivateKey crlSigner = AUTHORITY.getPrivate();
  String crlIssuer = "Intel SGX PCK Platform CA";
  List<BigInteger> revokedByRoot = List.of();
  List<BigInteger> revokedByAuthority = List.of();
  UnaryOperator<Octets> pckExtension = extension -> extension;
  Consumer<byte[]> header = bytes -> {};
  Consumer<byte[]> body = bytes -> {};
  Consumer<byte[]> qeReport = bytes -> {};
  PrivateKey qeReportSigner = PCK.getPrivate();
  PrivateKey quoteSigner = ATTESTATION.getPrivate();
  UnaryOperator<String> tcbInfo = text -> text;
  UnaryOperator<String> identity = text -> text;
  UnaryOperator<String> signedTcbInfo = text -> text;
  UnaryOperator<String> signedIdentity = text -> text;
  UnaryOperator<Octets> whole = quote -> quote;
  UnaryOperator<IntelCollateral> files = collateral -> collateral;
  boolean rootInTheMiddle;

  SyntheticIntel(int version, int bodyType) {
    this.version = version;
    this.bodyType = bodyType;
  }

  static KeyPair key(String curve) {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec(curve));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  boolean tdx() {
    return bodyType != QuoteLayout.BODY_SGX;
  }

  /** Sets the version of the TDX module: its SVN, its major version, and that of its loader. */
  static void moduleSvn(byte[] body, int offset, int svn, int major, int loader) {
    body[offset] = (byte) svn;
    body[offset + 1] = (byte) major;
    body[offset + 2] = (byte) loader;
  }

  private byte[] plainBody() {
    int size =
        switch (bodyType) {
          case QuoteLayout.BODY_SGX -> QuoteLayout.SGX_BODY_BYTES;
          case QuoteLayout.BODY_TD_10 -> QuoteLayout.TD_10_BYTES;
          default -> QuoteLayout.TD_15_BYTES;
        };
    byte[] bytes = new byte[size];
    if (tdx()) {
      moduleSvn(bytes, 0, MODULE_SVN, 1, 3);
      bytes[QuoteLayout.TD_ATTRIBUTES + 3] = 0x10;
      MEASUREMENT_TDX.buffer().get(bytes, QuoteLayout.TD_MRTD, 48);
      REPORT_DATA.buffer().get(bytes, QuoteLayout.TD_REPORT_DATA, 64);
      if (bodyType == QuoteLayout.BODY_TD_15) {
        moduleSvn(bytes, QuoteLayout.TD_TCB_SVN2, MODULE_SVN, 1, 3);
      }
    } else {
      bytes[QuoteLayout.SGX_ATTRIBUTES] = 0x05;
      MEASUREMENT_SGX.buffer().get(bytes, QuoteLayout.SGX_MRENCLAVE, 32);
      SIGNER.buffer().get(bytes, QuoteLayout.SGX_MRSIGNER, 32);
      bytes[QuoteLayout.SGX_PRODUCT] = 7;
      bytes[QuoteLayout.SGX_SVN] = 4;
      REPORT_DATA.buffer().get(bytes, QuoteLayout.SGX_REPORT_DATA, 64);
    }
    return bytes;
  }

  static Octets sign(PrivateKey key, Octets message, String algorithm) {
    try {
      Signature signature = Signature.getInstance(algorithm);
      signature.initSign(key);
      signature.update(message.buffer());
      return Octets.own(signature.sign());
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static Octets sign(PrivateKey key, Octets message) {
    return sign(key, message, "SHA256withECDSAinP1363Format");
  }

  static Octets point(KeyPair pair) {
    ECPublicKey key = (ECPublicKey) pair.getPublic();
    return coordinate(key.getW().getAffineX()).then(coordinate(key.getW().getAffineY()));
  }

  private static Octets coordinate(BigInteger value) {
    byte[] bytes = value.toByteArray();
    return bytes.length > 32
        ? Octets.own(bytes).from(bytes.length - 32)
        : Octets.own(new byte[32 - bytes.length]).then(Octets.own(bytes));
  }

  static Octets number(int bytes, int value) {
    return Octets.own(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array())
        .slice(0, bytes);
  }

  static Octets ascii(String text) {
    return Octets.own(text.getBytes(StandardCharsets.US_ASCII));
  }

  private Certificate root() {
    return new CertificateWriter(rootName, rootKey.getPublic())
        .valid(from, to)
        .authority(1)
        .sign(rootName, rootKey.getPrivate());
  }

  TrustRoots roots() {
    return TrustRoots.given(
        List.of(
            new CertificateWriter("Intel SGX Root CA", ROOT.getPublic())
                .valid(from, to)
                .authority(1)
                .sign("Intel SGX Root CA", ROOT.getPrivate())));
  }

  private Octets extension() {
    String oid = PckExtension.OID;
    List<Octets> tcb = new ArrayList<>();
    for (int i = 1; i <= 16; i++) {
      tcb.add(pair(oid + ".2." + i, DerWriter.integer(10)));
    }
    tcb.add(pair(oid + ".2.17", DerWriter.integer(11)));
    tcb.add(pair(oid + ".2.18", DerWriter.octetString(Octets.ofHex("0a".repeat(16)))));
    return DerWriter.sequence(
        pair(oid + ".1", DerWriter.octetString(Octets.ofHex("77".repeat(16)))),
        pair(oid + ".2", DerWriter.sequence(tcb.toArray(Octets[]::new))),
        pair(oid + ".3", DerWriter.octetString(Octets.ofHex("0000"))),
        pair(oid + ".4", DerWriter.octetString(FMSPC)),
        pair(oid + ".5", DerWriter.enumerated(1)),
        pair(oid + ".6", DerWriter.octetString(Octets.ofHex("88".repeat(16)))));
  }

  static Octets pair(String oid, Octets value) {
    return DerWriter.sequence(DerWriter.objectIdentifier(oid), value);
  }

  private Octets chain() {
    CertificateWriter authority =
        new CertificateWriter(authorityName, AUTHORITY.getPublic())
            .serial(AUTHORITY_SERIAL)
            .valid(from, to);
    authority = authorityIsOne ? authority.authority(0) : authority.leaf();
    Certificate pck =
        new CertificateWriter(pckName, PCK.getPublic())
            .serial(PCK_SERIAL)
            .valid(from, pckTo)
            .leaf()
            .extension(PckExtension.OID, false, pckExtension.apply(extension()))
            .sign(authorityName, pckIssuer);
    Certificate middle = authority.sign(rootName, rootKey.getPrivate());
    return rootInTheMiddle ? pem(pck, root(), middle) : pem(pck, middle, root());
  }

  static Octets pem(Certificate... certificates) {
    StringBuilder text = new StringBuilder();
    for (Certificate certificate : certificates) {
      text.append(Pem.block("CERTIFICATE", certificate.encoded()));
    }
    return ascii(text.toString());
  }

  Octets quote() {
    byte[] head = new byte[QuoteLayout.HEADER_BYTES];
    head[0] = (byte) version;
    head[2] = 2;
    head[4] = (byte) (tdx() ? QuoteLayout.TEE_TDX : 0);
    Octets.ofHex(QuoteLayout.INTEL_QE_VENDOR).buffer().get(head, QuoteLayout.QE_VENDOR, 16);
    header.accept(head);
    byte[] bytes = plainBody();
    body.accept(bytes);
    Octets signed = Octets.own(head);
    if (version == 5) {
      signed = signed.then(number(2, bodyType)).then(number(4, bytes.length));
    }
    signed = signed.then(Octets.own(bytes));
    Octets auth = Octets.ofHex("99".repeat(32));
    byte[] qe = new byte[QuoteLayout.SGX_BODY_BYTES];
    qe[QuoteLayout.SGX_ATTRIBUTES] = 0x15;
    QE_SIGNER.buffer().get(qe, QuoteLayout.SGX_MRSIGNER, 32);
    qe[QuoteLayout.SGX_PRODUCT] = (byte) (tdx() ? 2 : 1);
    qe[QuoteLayout.SGX_SVN] = QE_SVN;
    Digests.sha256(point(ATTESTATION), auth).buffer().get(qe, QuoteLayout.SGX_REPORT_DATA, 32);
    qeReport.accept(qe);
    Octets chain = chain();
    Octets certification =
        Octets.own(qe)
            .then(sign(qeReportSigner, Octets.own(qe)))
            .then(number(2, auth.length()))
            .then(auth)
            .then(number(2, QuoteLayout.CERTIFICATION_CHAIN))
            .then(number(4, chain.length()))
            .then(chain);
    Octets data = sign(quoteSigner, signed).then(point(ATTESTATION));
    data =
        version == 3
            ? data.then(certification)
            : data.then(number(2, QuoteLayout.CERTIFICATION_QE_REPORT))
                .then(number(4, certification.length()))
                .then(certification);
    return whole.apply(signed.then(number(4, data.length())).then(data));
  }

  private static String components(int... svn) {
    StringBuilder text = new StringBuilder("[");
    for (int i = 0; i < 16; i++) {
      text.append(i == 0 ? "" : ",").append("{\"svn\":").append(i < svn.length ? svn[i] : 0);
      text.append('}');
    }
    return text.append(']').toString();
  }

  private String level(int sgx, int pce, int module, String status, String advisory) {
    int[] all = new int[16];
    Arrays.fill(all, sgx);
    return "{\"tcb\":{\"sgxtcbcomponents\":"
        + components(all)
        + ",\"pcesvn\":"
        + pce
        + (tdx() ? ",\"tdxtcbcomponents\":" + components(module, 0, 3) : "")
        + "},\"tcbDate\":\"2030-01-01T00:00:00Z\",\"tcbStatus\":\""
        + status
        + "\""
        + (advisory.isEmpty() ? "" : ",\"advisoryIDs\":[\"" + advisory + "\"]")
        + "}";
  }

  private String tcbInfoText() {
    String module =
        "\"mrsigner\":\"%s\",\"attributes\":\"%s\",\"attributesMask\":\"%s\""
            .formatted("00".repeat(48), "00".repeat(8), "FF".repeat(8));
    return tcbInfo.apply(
        "{\"id\":\""
            + (tdx() ? "TDX" : "SGX")
            + "\",\"version\":3,\"issueDate\":\""
            + documentsFrom
            + "\",\"nextUpdate\":\""
            + documentsTo
            + "\",\"fmspc\":\""
            + FMSPC
            + "\",\"pceId\":\"0000\",\"tcbType\":0,\"tcbEvaluationDataNumber\":20,"
            + (tdx()
                ? "\"tdxModule\":{"
                    + module
                    + "},\"tdxModuleIdentities\":[{\"id\":\"TDX_01\","
                    + module
                    + ",\"tcbLevels\":[{\"tcb\":{\"isvsvn\":5},\"tcbDate\":\"2030-01-01T00:00:00Z\","
                    + "\"tcbStatus\":\"UpToDate\"},{\"tcb\":{\"isvsvn\":3},"
                    + "\"tcbDate\":\"2029-01-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\","
                    + "\"advisoryIDs\":[\"INTEL-SA-MODULE\"]},{\"tcb\":{\"isvsvn\":2},"
                    + "\"tcbDate\":\"2028-01-01T00:00:00Z\",\"tcbStatus\":\"Revoked\"}]}],"
                : "")
            + "\"tcbLevels\":["
            + level(10, 11, 5, "UpToDate", "")
            + ","
            + level(6, 9, 4, "OutOfDate", "INTEL-SA-OLD")
            + ","
            + level(2, 5, 2, "Revoked", "INTEL-SA-OLDER")
            + "]}");
  }

  private String identityText() {
    return identity.apply(
        "{\"id\":\""
            + (tdx() ? "TD_QE" : "QE")
            + "\",\"version\":2,\"issueDate\":\""
            + documentsFrom
            + "\",\"nextUpdate\":\""
            + documentsTo
            + "\",\"tcbEvaluationDataNumber\":20,\"miscselect\":\"00000000\","
            + "\"miscselectMask\":\"FFFFFFFF\",\"attributes\":\"11000000000000000000000000000000\","
            + "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\""
            + QE_SIGNER
            + "\",\"isvprodid\":"
            + (tdx() ? 2 : 1)
            + ",\"tcbLevels\":[{\"tcb\":{\"isvsvn\":8},\"tcbDate\":\"2030-01-01T00:00:00Z\","
            + "\"tcbStatus\":\"UpToDate\"},{\"tcb\":{\"isvsvn\":6},"
            + "\"tcbDate\":\"2029-01-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\","
            + "\"advisoryIDs\":[\"INTEL-SA-QE\"]},{\"tcb\":{\"isvsvn\":5},"
            + "\"tcbDate\":\"2028-01-01T00:00:00Z\",\"tcbStatus\":\"Revoked\"}]}");
  }

  private static Octets document(String member, String value, UnaryOperator<String> after) {
    Octets signature = sign(TCB_SIGNER.getPrivate(), ascii(value));
    return ascii(
        "{\"" + member + "\":" + after.apply(value) + ",\"signature\":\"" + signature + "\"}");
  }

  Collateral collateral() {
    Certificate signer =
        new CertificateWriter(signerName, TCB_SIGNER.getPublic())
            .serial(TCB_SIGNER_SERIAL)
            .valid(from, to)
            .leaf()
            .sign(rootName, rootKey.getPrivate());
    Octets chain = pem(signer, root());
    IntelCollateral all =
        new IntelCollateral(
            document("tcbInfo", tcbInfoText(), signedTcbInfo),
            chain,
            document("enclaveIdentity", identityText(), signedIdentity),
            chain,
            CertificateWriter.revocationList(
                rootName, rootKey.getPrivate(), from, rootCrlTo, revokedByRoot),
            CertificateWriter.revocationList(
                crlIssuer, crlSigner, pckCrlFrom, to, revokedByAuthority),
            null);
    return new Collateral(files.apply(all), AmdCollateral.NONE);
  }
}
