package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.Chain;
import io.capsuledb.host.attest.pki.Curve;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.pki.RevocationList;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.pki.TrustRoots.Anchor;
import io.capsuledb.host.attest.pki.VerifiedSignatures;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.TcbStatus;
import io.capsuledb.host.attest.verdict.Verdict;
import java.security.PublicKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Judges an SGX or TDX quote.
 *
 * <p>Invariants: every question of {@link #QUESTIONS} is answered in that order, or is open at the
 * end and counts as failed; a value is used for a later check only if the check that vouches for it
 * was made before, whatever came of it; the platform's status is told only if nothing that was
 * supplied was wrong. One object judges one quote; it reads no clock and no file.
 */
public final class QuoteVerifier {

  /** The checks of a quote, in their order. */
  public static final List<String> QUESTIONS =
      List.of(
          "quote-format",
          "quote-padding",
          "root-key",
          "pck-chain",
          "pck-extensions",
          "root-crl",
          "pck-crl",
          "qe-report-signature",
          "qe-report-binding",
          "quote-signature",
          "tcb-info-signature",
          "tcb-info-validity",
          "tcb-info-match",
          "qe-identity-signature",
          "qe-identity-validity",
          "qe-identity-match",
          "qe-identity",
          "tdx-module",
          "tcb-level",
          "tcb-status",
          "advisories",
          "tcb-evaluation-number",
          "collateral-age",
          "debug",
          "attributes",
          "identity",
          "platform",
          "report-data");

  private static final int PCK_CHAIN_LENGTH = 3;
  private static final int SIGNING_CHAIN_LENGTH = 2;
  private static final int SVN_MAJOR = 1;
  private static final int SVN_SEAMLDR = 2;

  private final Verdict.Draft draft;
  private final Quote quote;
  private final IntelCollateral collateral;
  private final Instant now;
  private final EvidencePolicy policy;
  private final TrustRoots roots;
  private final VerifiedSignatures signatures;

  /** Whether a file was wrong, as opposed to missing. */
  private boolean wrong;

  private @Nullable Certificate pck;
  private @Nullable Certificate authority;
  private @Nullable PckExtension platform;
  private @Nullable Anchor anchor;
  private @Nullable Certificate root;
  private @Nullable RevocationList rootList;
  private @Nullable TcbInfo tcbInfo;
  private @Nullable QeIdentity qeIdentity;

  private QuoteVerifier(
      Verdict.Draft draft,
      Quote quote,
      IntelCollateral collateral,
      Instant now,
      EvidencePolicy policy,
      TrustRoots roots,
      VerifiedSignatures signatures) {
    this.signatures = signatures;
    this.draft = draft;
    this.quote = quote;
    this.collateral = collateral;
    this.now = now;
    this.policy = policy;
    this.roots = roots;
  }

  /**
   * Answers {@link #QUESTIONS} in {@code draft}.
   *
   * @param signatures what was verified before
   * @param reportData what the quote has to be bound to, all 64 bytes; null if that is not known
   */
  public static void judge(
      Verdict.Draft draft,
      Quote quote,
      IntelCollateral collateral,
      Instant now,
      EvidencePolicy policy,
      TrustRoots roots,
      VerifiedSignatures signatures,
      @Nullable Octets reportData) {
    QuoteVerifier run = new QuoteVerifier(draft, quote, collateral, now, policy, roots, signatures);
    run.judge(reportData);
  }

  private void judge(@Nullable Octets reportData) {
    draft.claims(quote.claims());
    draft.debug(quote.debug());
    draft.pass("quote-format", quote.type() + ", every length within its bounds");
    check(
        "quote-padding",
        quote.padding().isZero() ? null : "bytes that are not zero follow the quote",
        quote.padding().length() + " zero bytes follow the quote");
    judgeChain();
    judgeRevocation();
    judgeSignatures();
    judgeTcbInfo();
    judgeQeIdentity();
    judgeLevels();
    judgePolicy();
    judgeIdentity();
    judgeReportData(reportData);
  }

  private boolean check(String name, @Nullable String fault, String good) {
    wrong |= fault != null;
    return draft.judge(name, fault, good);
  }

  private void failAll(String reason, String... names) {
    for (String name : names) {
      check(name, reason, "");
    }
  }

  // ---- 2, 3: the PCK certificate's chain.

  private void judgeChain() {
    List<Certificate> path;
    try {
      path = pckPath();
    } catch (IntegrityException e) {
      String reason = "the PCK certificate's chain: " + e.rejection().detail();
      failAll(reason, "root-key", "pck-chain", "pck-extensions");
      return;
    }
    pck = path.get(0);
    authority = path.get(1);
    root = path.get(2);
    anchor = roots.find(TrustRoots.Vendor.INTEL, path.get(2));
    if (anchor != null) {
      draft.anchor(anchor.name(), anchor.simulated());
    }
    check(
        "root-key",
        anchor == null ? "the root's public key is not one that is trusted" : null,
        "the root's public key is that of " + (anchor == null ? "" : anchor.name()));
    String prefix = anchor == null ? "Intel SGX" : anchor.commonNamePrefix();
    String fault = names(path, prefix);
    for (Certificate certificate : path) {
      draft.validUntil(certificate.notAfter());
      fault = fault == null ? curve(certificate) : fault;
    }
    check(
        "pck-chain",
        fault == null ? Chain.fault(path, now, true) : fault,
        "PCK, " + path.get(1).subjectCommonName() + " and root: names, signatures, rights, times");
    try {
      platform = PckExtension.of(path.get(0));
      draft.claims(platform.claims());
      check("pck-extensions", null, "FMSPC " + platform.fmspc() + ", PCE " + platform.pceSvn());
    } catch (IntegrityException e) {
      check("pck-extensions", e.rejection().detail(), "");
    }
  }

  private List<Certificate> pckPath() {
    Octets pem;
    if (quote.certificationType() == QuoteLayout.CERTIFICATION_CHAIN) {
      pem = quote.certificationData();
    } else if (quote.certificationType() >= 1 && quote.certificationType() <= 4) {
      pem = collateral.pckChain();
      if (pem == null) {
        throw malformed(
            Reason.FIELD_OUT_OF_RANGE,
            "the quote carries none (certification data type "
                + quote.certificationType()
                + "), and none was supplied");
      }
    } else {
      throw malformed(Reason.UNKNOWN_TYPE, "certification data type " + quote.certificationType());
    }
    List<Certificate> path = Certificate.parseChain(pem);
    if (path.size() != PCK_CHAIN_LENGTH) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, path.size() + " certificates instead of 3");
    }
    // Early quoting libraries put the root in the middle.
    Certificate middle = path.get(1);
    return middle.subject().equals(middle.issuer())
        ? List.of(path.get(0), path.get(2), middle)
        : path;
  }

  private static @Nullable String names(List<Certificate> path, String prefix) {
    String leaf = path.get(0).subjectCommonName();
    String authority = path.get(1).subjectCommonName();
    String top = path.get(2).subjectCommonName();
    if (!leaf.equals(prefix + " PCK Certificate")) {
      return "the leaf is called '" + leaf + "'";
    }
    if (!authority.equals(prefix + " PCK Platform CA")
        && !authority.equals(prefix + " PCK Processor CA")) {
      return "the authority is called '" + authority + "'";
    }
    return top.equals(prefix + " Root CA") ? null : "the root is called '" + top + "'";
  }

  private static @Nullable String curve(Certificate certificate) {
    try {
      Curve.P256.require(certificate.publicKey());
      return null;
    } catch (IntegrityException e) {
      return "'" + certificate.subjectCommonName() + "': " + e.rejection().detail();
    }
  }

  // ---- 4: revocation.

  private void judgeRevocation() {
    Certificate top = root;
    Certificate issuer = authority;
    Certificate leaf = pck;
    if (top == null || issuer == null || leaf == null) {
      return;
    }
    rootList = judgeList("root-crl", collateral.rootCrl(), top, issuer);
    judgeList("pck-crl", collateral.pckCrl(), issuer, leaf);
  }

  private @Nullable RevocationList judgeList(
      String name, @Nullable Octets file, Certificate issuer, Certificate subject) {
    if (file == null) {
      draft.fail(name, "the revocation list is missing");
      return null;
    }
    RevocationList list;
    try {
      list = RevocationList.parseFile(file);
    } catch (IntegrityException e) {
      check(name, e.rejection().detail(), "");
      return null;
    }
    String fault = list.fault(issuer, now);
    if (fault == null && list.revokes(subject)) {
      fault = "'" + subject.subjectCommonName() + "' is revoked";
    }
    Instant next = list.nextUpdate();
    if (next != null) {
      draft.validUntil(next);
    }
    boolean good = check(name, fault, "of '" + list.issuerCommonName() + "', valid until " + next);
    return good ? list : null;
  }

  // ---- 5, 6, 7: signatures.

  private void judgeSignatures() {
    Certificate leaf = pck;
    if (leaf != null) {
      boolean signed =
          curve(leaf) == null
              && signatures.verify(
                  Curve.P256, leaf.publicKey(), quote.qeReport().body(), quote.qeReportSignature());
      check(
          "qe-report-signature",
          signed ? null : "the quoting enclave's report is not signed by the PCK key",
          "signed by the PCK key");
    }
    Octets bound = quote.qeReport().reportData();
    Octets expected =
        Digests.sha256(quote.attestationKey(), quote.qeAuthData())
            .paddedTo(QuoteLayout.REPORT_DATA_BYTES);
    check(
        "qe-report-binding",
        bound.equals(expected)
            ? null
            : "the quoting enclave's report data is not the hash of the attestation key",
        "the quoting enclave vouches for the attestation key");
    check("quote-signature", quoteSignatureFault(), "signed by the attestation key");
  }

  private @Nullable String quoteSignatureFault() {
    PublicKey key;
    try {
      key = Curve.P256.publicKey(quote.attestationKey());
    } catch (IntegrityException e) {
      return "the attestation key: " + e.rejection().detail();
    }
    return Curve.P256.verify(key, quote.signed(), quote.signature())
        ? null
        : "the quote is not signed by its attestation key";
  }

  // ---- 8: collateral that Intel signs.

  /** Checks the signature of a document, and that its signer is in force; null if it is not. */
  private @Nullable Json judgeDocument(
      String question, String member, @Nullable Octets file, @Nullable Octets chainFile) {
    if (file == null || chainFile == null) {
      check(question, "the document or the chain of its signer is missing", "");
      return null;
    }
    try {
      Json document = Json.parse(member, file);
      if (!document.names().equals(Set.of(member, "signature"))) {
        throw malformed(Reason.FIELD_OUT_OF_RANGE, "the document has other members");
      }
      Json value = document.get(member);
      List<Certificate> path = Certificate.parseChain(chainFile);
      String fault = signerFault(path);
      if (fault == null) {
        Octets signature = document.get("signature").hex(QuoteLayout.SIGNATURE_BYTES);
        if (!signatures.verify(Curve.P256, path.get(0).publicKey(), value.raw(), signature)) {
          fault = "the signature is not of the signer over these bytes";
        }
      }
      return check(question, fault, "signed by the vendor's TCB signer") ? value : null;
    } catch (IntegrityException e) {
      check(question, e.rejection().detail(), "");
      return null;
    }
  }

  private @Nullable String signerFault(List<Certificate> path) {
    if (path.size() != SIGNING_CHAIN_LENGTH) {
      return path.size() + " certificates in the signer's chain instead of 2";
    }
    Anchor end = roots.find(TrustRoots.Vendor.INTEL, path.get(1));
    if (end == null || anchor == null || !end.equals(anchor)) {
      return "the signer's root is not the trusted root of the PCK certificate";
    }
    if (!path.get(0).subjectCommonName().equals(end.commonNamePrefix() + " TCB Signing")
        || !path.get(1).subjectCommonName().equals(end.commonNamePrefix() + " Root CA")) {
      return "the signer is called '" + path.get(0).subjectCommonName() + "'";
    }
    for (Certificate certificate : path) {
      String fault = curve(certificate);
      if (fault != null) {
        return fault;
      }
      draft.validUntil(certificate.notAfter());
    }
    if (rootList != null && rootList.revokes(path.get(0))) {
      return "the signer is revoked";
    }
    return Chain.fault(path, now, true);
  }

  private boolean judgeWindow(String question, Instant from, Instant to) {
    draft.validUntil(to);
    String fault = null;
    if (now.isBefore(from)) {
      fault = "not yet issued: " + from;
    } else if (now.isAfter(to)) {
      fault = "expired at " + to;
    }
    return check(question, fault, "from " + from + " to " + to);
  }

  private void judgeTcbInfo() {
    Json value =
        judgeDocument(
            "tcb-info-signature", "tcbInfo", collateral.tcbInfo(), collateral.tcbInfoChain());
    if (value == null) {
      return;
    }
    TcbInfo info;
    try {
      info = TcbInfo.read(value);
    } catch (IntegrityException e) {
      failAll(e.rejection().detail(), "tcb-info-validity", "tcb-info-match");
      return;
    }
    judgeWindow("tcb-info-validity", info.issued(), info.nextUpdate());
    draft.tcbEvaluationNumber(info.evaluationNumber());
    String fault = null;
    if (info.tdx() != quote.isTdx()) {
      fault = "the TCB info is for " + (info.tdx() ? "TDX" : "SGX");
    } else if (platform == null
        || !platform.fmspc().equals(info.fmspc())
        || !platform.pceId().equals(info.pceId())) {
      fault = "the TCB info is for platforms of FMSPC " + info.fmspc() + ", PCE " + info.pceId();
    }
    if (check("tcb-info-match", fault, "for FMSPC " + info.fmspc())) {
      tcbInfo = info;
    }
  }

  // ---- 9: the quoting enclave.

  private void judgeQeIdentity() {
    Json value =
        judgeDocument(
            "qe-identity-signature",
            "enclaveIdentity",
            collateral.qeIdentity(),
            collateral.qeIdentityChain());
    if (value == null) {
      return;
    }
    QeIdentity identity;
    try {
      identity = QeIdentity.read(value);
    } catch (IntegrityException e) {
      failAll(e.rejection().detail(), "qe-identity-validity", "qe-identity-match", "qe-identity");
      return;
    }
    judgeWindow("qe-identity-validity", identity.issued(), identity.nextUpdate());
    String wanted = quote.isTdx() ? "TD_QE" : "QE";
    boolean matches =
        check(
            "qe-identity-match",
            identity.id().equals(wanted)
                ? null
                : "the identity is of " + identity.id() + ", not of " + wanted,
            "the identity is of " + wanted);
    if (check(
            "qe-identity",
            identity.fault(quote.qeReport()),
            "Intel's, version " + quote.qeReport().version())
        && matches) {
      qeIdentity = identity;
    }
  }

  // ---- 10 to 13: levels.

  private void judgeLevels() {
    TcbInfo info = tcbInfo;
    TdReport domain = quote.domain();
    SvnLevel module = null;
    if (domain == null) {
      draft.notApplicable("tdx-module", "an enclave has no TDX module");
    } else if (info != null) {
      TcbInfo.Module identity = moduleOf(info, domain.tcbSvn());
      String fault = moduleFault(identity, domain);
      if (fault == null && identity != null && !identity.id().isEmpty()) {
        module = SvnLevel.of(domain.tcbSvn().unsignedByte(0), identity.levels());
        fault = module == null ? "no level matches the TDX module's version" : null;
      }
      check(
          "tdx-module",
          fault,
          module == null ? "as the TCB info has it" : "version is " + module.status());
      if (fault != null) {
        return;
      }
    }
    QeIdentity identity = qeIdentity;
    PckExtension tcb = platform;
    if (info == null || identity == null || tcb == null) {
      return;
    }
    SvnLevel qe = SvnLevel.of(quote.qeReport().version(), identity.levels());
    if (qe == null) {
      check("tcb-level", "no level matches the quoting enclave's version", "");
      return;
    }
    judgeLevels(info, tcb, module, qe);
  }

  private static TcbInfo.@Nullable Module moduleOf(TcbInfo info, Octets svn) {
    int major = svn.unsignedByte(SVN_MAJOR);
    return major == 0 ? info.module() : info.module(major);
  }

  private static @Nullable String moduleFault(TcbInfo.@Nullable Module identity, TdReport domain) {
    if (identity == null) {
      return "the TCB info knows no TDX module of major version "
          + domain.tcbSvn().unsignedByte(SVN_MAJOR);
    }
    if (!domain.moduleSigner().equals(identity.signer())) {
      return "the TDX module's signer is " + domain.moduleSigner();
    }
    Octets mask = identity.mask();
    return QeIdentity.masked(domain.moduleAttributes(), mask)
            .equals(QeIdentity.masked(identity.attributes(), mask))
        ? null
        : "the TDX module's attributes are " + domain.moduleAttributes();
  }

  private static boolean atLeast(Octets svn, Octets least, int from) {
    for (int i = from; i < QuoteLayout.SVN_COMPONENTS; i++) {
      if (svn.unsignedByte(i) < least.unsignedByte(i)) {
        return false;
      }
    }
    return true;
  }

  private void judgeLevels(TcbInfo info, PckExtension tcb, @Nullable SvnLevel module, SvnLevel qe) {
    TdReport domain = quote.domain();
    TcbInfo.Level sgxLevel = null;
    TcbInfo.Level level = null;
    for (TcbInfo.Level candidate : info.levels()) {
      if (!atLeast(tcb.componentSvn(), candidate.sgx(), 0) || tcb.pceSvn() < candidate.pceSvn()) {
        continue;
      }
      sgxLevel = sgxLevel == null ? candidate : sgxLevel;
      Octets least = candidate.tdx();
      if (domain == null || least == null || tdxAtLeast(domain.tcbSvn(), least)) {
        level = candidate;
        break;
      }
    }
    if (level == null || sgxLevel == null) {
      check("tcb-level", "no TCB level matches: the platform is not supported", "");
      return;
    }
    TcbStatus status = level.status();
    if (module != null) {
      status = status.worsenedBy(module.status());
    }
    Octets current = domain == null ? null : domain.currentTcbSvn();
    if (current != null
        && module != null
        && relaunchHelps(info, sgxLevel.status(), status, module.status(), qe.status(), current)) {
      status =
          sgxLevel.status().needsConfiguration() || status.needsConfiguration()
              ? TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
              : TcbStatus.TD_RELAUNCH_ADVISED;
    }
    status = status.worsenedBy(qe.status());
    if (sgxLevel.status() == TcbStatus.REVOKED) {
      status = TcbStatus.REVOKED;
    }
    Set<String> advisories = new TreeSet<>(level.advisories());
    advisories.addAll(qe.advisories());
    if (module != null) {
      advisories.addAll(module.advisories());
    }
    check(
        "tcb-level",
        null,
        "platform "
            + level.status()
            + (module == null ? "" : ", TDX module " + module.status())
            + ", quoting enclave "
            + qe.status()
            + ", of "
            + level.date());
    if (wrong) {
      return;
    }
    draft.status(status);
    draft.advisories(advisories);
    judgeStatus(status, advisories);
  }

  private static boolean tdxAtLeast(Octets svn, Octets least) {
    // From major version 1 on, the first two are judged with the module's identity instead.
    return atLeast(svn, least, svn.unsignedByte(SVN_MAJOR) > 0 ? 2 : 0);
  }

  /**
   * Whether a guest was started by a module that is out of date, on a platform that by now runs one
   * that is not.
   */
  private static boolean relaunchHelps(
      TcbInfo info,
      TcbStatus sgx,
      TcbStatus whole,
      TcbStatus module,
      TcbStatus qe,
      Octets current) {
    boolean platformGood =
        switch (sgx) {
          case UP_TO_DATE,
              SW_HARDENING_NEEDED,
              CONFIGURATION_NEEDED,
              CONFIGURATION_AND_SW_HARDENING_NEEDED ->
              true;
          default -> false;
        };
    boolean wholeOld =
        whole == TcbStatus.OUT_OF_DATE || whole == TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED;
    Octets newest = info.levels().getFirst().tdx();
    if (!platformGood
        || !wholeOld
        || module != TcbStatus.OUT_OF_DATE
        || qe != TcbStatus.UP_TO_DATE
        || newest == null
        || current.unsignedByte(SVN_SEAMLDR) < newest.unsignedByte(SVN_SEAMLDR)) {
      return false;
    }
    int major = current.unsignedByte(SVN_MAJOR);
    if (major == 0) {
      return current.unsignedByte(0) >= newest.unsignedByte(0);
    }
    TcbInfo.Module now = info.module(major);
    return now != null
        && !now.levels().isEmpty()
        && current.unsignedByte(0)
            >= now.levels().stream().mapToInt(SvnLevel::version).max().orElseThrow();
  }

  private void judgeStatus(TcbStatus status, Set<String> advisories) {
    draft.judge(
        "tcb-status",
        policy.statuses().contains(status)
            ? null
            : status + " is not good enough for policy " + policy.name(),
        status + " is good enough for policy " + policy.name());
    Set<String> mitigated = policy.mitigatedAdvisories();
    if (mitigated == null) {
      draft.notApplicable("advisories", "policy " + policy.name() + " leaves it to the status");
      return;
    }
    Set<String> open = new TreeSet<>(advisories);
    open.removeAll(mitigated);
    draft.judge(
        "advisories",
        open.isEmpty() ? null : "not mitigated: " + String.join(", ", open),
        advisories.isEmpty() ? "none is known" : "all are mitigated");
  }

  // ---- 14, 15: freshness and attributes.

  private void judgePolicy() {
    TcbInfo info = tcbInfo;
    QeIdentity identity = qeIdentity;
    if (info != null && identity != null) {
      int number = Math.min(info.evaluationNumber(), identity.evaluationNumber());
      if (policy.minTcbEvaluationNumber() == 0) {
        draft.notApplicable("tcb-evaluation-number", number + "; the policy names no minimum");
      } else {
        draft.judge(
            "tcb-evaluation-number",
            number >= policy.minTcbEvaluationNumber()
                ? null
                : number + " is below " + policy.minTcbEvaluationNumber(),
            number + " is not below " + policy.minTcbEvaluationNumber());
      }
      judgeAge(info, identity);
    }
    draft.judge(
        "debug",
        quote.debug() && !policy.debugAllowed() ? "the host may read its memory" : null,
        quote.debug() ? "the policy allows debugging" : "not for debugging");
    if (!policy.productionAttributes()) {
      draft.notApplicable("attributes", "policy " + policy.name() + " does not ask for them");
    } else {
      draft.judge("attributes", attributesFault(), "those of a finished product");
    }
  }

  private void judgeAge(TcbInfo info, QeIdentity identity) {
    var most = policy.maxCollateralAge();
    if (most == null) {
      draft.notApplicable("collateral-age", "the policy names no maximum");
      return;
    }
    List<Instant> issued = new ArrayList<>(List.of(info.issued(), identity.issued()));
    for (Octets file : new Octets[] {collateral.rootCrl(), collateral.pckCrl()}) {
      if (file != null && draft.passed("root-crl") && draft.passed("pck-crl")) {
        issued.add(RevocationList.parseFile(file).thisUpdate());
      }
    }
    Instant oldest = issued.stream().min(Instant::compareTo).orElseThrow();
    draft.judge(
        "collateral-age",
        now.isAfter(oldest.plus(most)) ? "the oldest was issued at " + oldest : null,
        "the oldest was issued at " + oldest);
  }

  private @Nullable String attributesFault() {
    EnclaveReport enclave = quote.enclave();
    if (enclave != null) {
      if (!enclave.initialised() || !enclave.mode64()) {
        return "the enclave is not initialised, or not of 64 bits";
      }
      return enclave.mayProvision() || enclave.mayMakeTokens()
          ? "the enclave has the provisioning key or the launch token key"
          : null;
    }
    TdReport domain = Objects.requireNonNull(quote.domain());
    if (!domain.septVeDisable()) {
      return "SEPT_VE_DISABLE is off: the host can inject exceptions";
    }
    if (domain.migratable() || domain.perfmon()) {
      return "the guest can be migrated, or has performance monitoring";
    }
    if (!domain.moduleAttributes().isZero()) {
      return "SEAMATTRIBUTES are " + domain.moduleAttributes();
    }
    Octets service = domain.serviceMeasurement();
    return service == null || service.isZero() ? null : "a service TD is bound to the guest";
  }

  // ---- 16, 17: who it is, and what it is bound to.

  private void judgeIdentity() {
    EnclaveReport enclave = quote.enclave();
    boolean asked;
    String fault;
    if (enclave != null) {
      asked = !policy.allowed(Allowed.MRENCLAVE).isEmpty() || !policy.signers().isEmpty();
      fault = isListed(enclave) ? null : "neither the measurement nor the signer is on the list";
    } else {
      asked = !policy.allowed(Allowed.MRTD).isEmpty();
      fault = domainFault(Objects.requireNonNull(quote.domain()));
      // Policies that ask for no identity may still name registers.
      asked |= fault != null;
    }
    if (asked) {
      draft.judge("identity", fault, "what runs is on the list of policy " + policy.name());
    } else if (policy.identityRequired()) {
      draft.fail("identity", "policy " + policy.name() + " allows no evidence of this kind");
    } else {
      draft.notApplicable("identity", "policy " + policy.name() + " asks for no measurement");
    }
    judgePlatform();
  }

  private boolean isListed(EnclaveReport enclave) {
    return policy.allowed(Allowed.MRENCLAVE).contains(enclave.measurement())
        || policy.signers().stream()
            .anyMatch(
                rule ->
                    rule.signer().equals(enclave.signer())
                        && rule.productId() == enclave.productId()
                        && enclave.version() >= rule.minimumVersion());
  }

  private @Nullable String domainFault(TdReport domain) {
    List<Allowed> lists =
        List.of(
            Allowed.MRTD,
            Allowed.RTMR0,
            Allowed.RTMR1,
            Allowed.RTMR2,
            Allowed.RTMR3,
            Allowed.MRCONFIGID);
    List<Octets> values =
        List.of(
            domain.measurement(),
            domain.rtmr(0),
            domain.rtmr(1),
            domain.rtmr(2),
            domain.rtmr(3),
            domain.configId());
    for (int i = 0; i < lists.size(); i++) {
      Set<Octets> allowed = policy.allowed(lists.get(i));
      if (!allowed.isEmpty() && !allowed.contains(values.get(i))) {
        return lists.get(i) + " is not on the policy's list";
      }
    }
    return null;
  }

  private void judgePlatform() {
    Set<Octets> allowed = policy.allowed(Allowed.PLATFORM);
    if (allowed.isEmpty()) {
      draft.notApplicable("platform", "policy " + policy.name() + " takes any machine");
      return;
    }
    PckExtension tcb = platform;
    Octets instance = tcb == null ? null : tcb.platformInstance();
    boolean known =
        tcb != null
            && (allowed.contains(tcb.ppid()) || (instance != null && allowed.contains(instance)));
    draft.judge(
        "platform", known ? null : "the machine is not on the policy's list", "a known machine");
  }

  private void judgeReportData(@Nullable Octets expected) {
    if (expected != null) {
      draft.judge(
          "report-data",
          quote.reportData().equals(expected) ? null : "the report data is not the expected one",
          "all 64 bytes are the expected ones");
    } else if (policy.reportDataRequired()) {
      draft.fail("report-data", "nothing says what the report data should be");
    } else {
      draft.notApplicable("report-data", "policy " + policy.name() + " asks for none");
    }
  }
}
