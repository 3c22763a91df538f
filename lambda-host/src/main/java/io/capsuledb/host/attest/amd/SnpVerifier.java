package io.capsuledb.host.attest.amd;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.host.attest.amd.SnpReport.SigningKey;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.Chain;
import io.capsuledb.host.attest.pki.Curve;
import io.capsuledb.host.attest.pki.RevocationList;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.pki.TrustRoots.Anchor;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.SnpTcb;
import io.capsuledb.host.attest.verdict.Verdict;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Judges a SEV-SNP report.
 *
 * <p>Invariants: every question of {@link #QUESTIONS} is answered in that order, or is open at the
 * end and counts as failed. One object judges one report; it reads no clock and no file.
 */
public final class SnpVerifier {

  /** The checks of a report, in their order. */
  public static final List<String> QUESTIONS =
      List.of(
          "report-format",
          "report-padding",
          "root-key",
          "vek-chain",
          "vek-revocation",
          "vek-type",
          "product",
          "vek-chip",
          "vek-tcb",
          "report-signature",
          "guest-policy",
          "debug",
          "vmpl",
          "platform-info",
          "tcb-order",
          "tcb-minimum",
          "identity",
          "guest-svn",
          "platform",
          "report-data");

  private final Verdict.Draft draft;
  private final SnpReport report;
  private final AmdCollateral collateral;
  private final Instant now;
  private final EvidencePolicy policy;
  private final TrustRoots roots;

  private SnpVerifier(
      Verdict.Draft draft,
      SnpReport report,
      AmdCollateral collateral,
      Instant now,
      EvidencePolicy policy,
      TrustRoots roots) {
    this.draft = draft;
    this.report = report;
    this.collateral = collateral;
    this.now = now;
    this.policy = policy;
    this.roots = roots;
  }

  /**
   * Answers {@link #QUESTIONS} in {@code draft}.
   *
   * @param reportData what the report has to be bound to, all 64 bytes; null if that is not known
   */
  public static void judge(
      Verdict.Draft draft,
      SnpReport report,
      AmdCollateral collateral,
      Instant now,
      EvidencePolicy policy,
      TrustRoots roots,
      @Nullable Octets reportData) {
    new SnpVerifier(draft, report, collateral, now, policy, roots).judge(reportData);
  }

  private static @Nullable Certificate certificate(@Nullable Octets file) {
    return file == null ? null : Certificate.parseFile(file);
  }

  private void judge(@Nullable Octets reportData) {
    draft.debug(report.debug());
    String format =
        report.version() < policy.minSnpReportVersion()
            ? "version " + report.version() + " is below " + policy.minSnpReportVersion()
            : null;
    draft.judge("report-format", format, report.type() + ", reserved fields are zero");
    draft.judge(
        "report-padding",
        report.padding().isZero() ? null : "bytes that are not zero follow the report",
        report.padding().length() + " zero bytes follow the report");
    String product = report.product();
    try {
      Certificate vek = certificate(collateral.vek());
      Certificate ask = certificate(collateral.ask());
      Certificate ark = certificate(collateral.ark());
      if (vek == null || ask == null || ark == null) {
        draft.fail("root-key", "a certificate is missing: VEK, ASK or ARK");
      } else {
        product = judgeChain(vek, ask, ark);
      }
    } catch (IntegrityException e) {
      draft.fail("root-key", "the certificates: " + e.rejection().detail());
    }
    draft.claims(report.claims(product));
    judgeGuest();
    judgeTcb(product);
    judgeIdentity();
    judgeReportData(reportData);
  }

  /** Judges everything about certificates; returns the product, or empty. */
  private String judgeChain(Certificate vek, Certificate ask, Certificate ark) {
    Anchor anchor = roots.find(TrustRoots.Vendor.AMD, ark);
    if (anchor != null) {
      draft.anchor(anchor.name(), anchor.simulated());
    }
    draft.judge(
        "root-key",
        anchor == null ? "the root's public key is not one that is trusted" : null,
        "the root's public key is that of " + (anchor == null ? "" : anchor.name()));
    for (Certificate certificate : List.of(vek, ask, ark)) {
      draft.validUntil(certificate.notAfter());
    }
    draft.judge(
        "vek-chain",
        Chain.fault(List.of(vek, ask, ark), now, false),
        "VEK, '" + ask.subjectCommonName() + "' and root: signatures, rights, times");
    judgeRevocation(ask, ark);
    String product = judgeType(vek, ask, ark, anchor);
    boolean curve = true;
    try {
      Curve.P384.require(vek.publicKey());
    } catch (IntegrityException _) {
      // Said by the check below.
      curve = false;
    }
    draft.judge(
        "report-signature",
        curve && Curve.P384.verify(vek.publicKey(), report.signed(), report.signature())
            ? null
            : "the report is not signed by the VEK",
        "signed by the VEK");
    return product;
  }

  private void judgeRevocation(Certificate ask, Certificate ark) {
    Octets file = collateral.crl();
    if (file == null) {
      if (policy.amdRevocationRequired()) {
        draft.fail("vek-revocation", "the root's revocation list is missing");
      } else {
        draft.notApplicable("vek-revocation", "the policy asks for no revocation list");
      }
      return;
    }
    try {
      RevocationList list = RevocationList.parseFile(file);
      Instant next = list.nextUpdate();
      if (next != null) {
        draft.validUntil(next);
      }
      String fault = list.fault(ark, now);
      if (fault == null && list.revokes(ask)) {
        fault = "'" + ask.subjectCommonName() + "' is revoked";
      }
      draft.judge("vek-revocation", fault, "not revoked, list valid until " + next);
    } catch (IntegrityException e) {
      draft.fail("vek-revocation", e.rejection().detail());
    }
  }

  /** Judges what the certificates are for against what the report says; returns the product. */
  private String judgeType(
      Certificate vek, Certificate ask, Certificate ark, @Nullable Anchor anchor) {
    SigningKey key = report.signingKey();
    String type = vek.subjectCommonName();
    boolean loaded = type.equals("SEV-VLEK");
    String fault = null;
    if (!loaded && !type.equals("SEV-VCEK")) {
      fault = "the leaf is called '" + type + "'";
    } else if (key != (loaded ? SigningKey.VLEK : SigningKey.VCEK)) {
      fault = "the report says it is signed by " + key + ", the certificate is of " + type;
    }
    draft.judge("vek-type", fault, "signed by " + type);
    VekExtensions extensions;
    try {
      extensions = VekExtensions.of(vek);
    } catch (IntegrityException e) {
      draft.fail("product", e.rejection().detail());
      return "";
    }
    draft.claims(extensions.claims());
    String product = extensions.product();
    draft.judge(
        "product",
        productFault(product, loaded, ask, ark, anchor),
        extensions.productName() + ", and the chain is of " + product);
    judgeChip(extensions, loaded, product);
    SnpTcb reported = report.reportedTcb(product);
    draft.judge(
        "vek-tcb",
        extensions.tcb().equals(reported)
            ? null
            : "the VEK is for " + extensions.tcb() + ", the report says " + reported,
        "reported TCB " + reported);
    return EvidencePolicy.SNP_PRODUCTS.contains(product) ? product : "";
  }

  private @Nullable String productFault(
      String product, boolean loaded, Certificate ask, Certificate ark, @Nullable Anchor anchor) {
    if (!EvidencePolicy.SNP_PRODUCTS.contains(product)) {
      return "unknown product '" + product + "'";
    }
    if (report.version() >= 3 && !report.product().equals(product)) {
      return "the report's CPUID is of '" + report.product() + "', the VEK of " + product;
    }
    String issuer = (loaded ? "SEV-VLEK-" : "SEV-") + product;
    if (!ask.subjectCommonName().equals(issuer)
        || !ark.subjectCommonName().equals("ARK-" + product)) {
      return "the VEK of "
          + product
          + " is issued by '"
          + ask.subjectCommonName()
          + "' under '"
          + ark.subjectCommonName()
          + "'";
    }
    return anchor == null || anchor.product().isEmpty() || anchor.product().equals(product)
        ? null
        : "the root is of " + anchor.product();
  }

  private void judgeChip(VekExtensions extensions, boolean loaded, String product) {
    if (loaded) {
      draft.notApplicable("vek-chip", "a VLEK stands for a provider, not for a chip");
      return;
    }
    Octets hardware = extensions.hardwareId();
    Octets chip = report.chipId();
    String fault = null;
    if (hardware == null) {
      fault = "the VCEK names no chip";
    } else if (report.chipMasked() || chip.isZero()) {
      fault = "the report hides its chip";
    } else if (hardware.length() == 8 && !product.equals("Turin")) {
      fault = "the VCEK's hardware id has 8 bytes";
    } else if (!hardware.paddedTo(SnpReportLayout.CHIP_ID_BYTES).equals(chip)) {
      fault = "the VCEK is of another chip";
    }
    draft.judge("vek-chip", fault, "the VCEK is of the report's chip");
  }

  private void judgeGuest() {
    String fault = null;
    if (!report.wellFormedPolicy()) {
      fault = "a bit of the guest policy that is always one is zero";
    } else if (report.migratable()) {
      fault = "a migration agent may move the guest";
    } else if (report.smt() && !policy.smtAllowed()) {
      fault = "the guest may share a core with another";
    }
    draft.judge("guest-policy", fault, "no migration");
    draft.judge(
        "debug",
        report.debug() && !policy.debugAllowed() ? "the host may read its memory" : null,
        report.debug() ? "the policy allows debugging" : "not for debugging");
    draft.judge(
        "vmpl",
        report.vmpl() > policy.maxVmpl()
            ? "asked for from privilege level " + report.vmpl() + ", above " + policy.maxVmpl()
            : null,
        "asked for from privilege level " + report.vmpl());
    if (policy.aliasCheckRequired()) {
      draft.judge(
          "platform-info",
          report.aliasCheckComplete() ? null : "the memory was not checked for aliases",
          "the memory was checked for aliases");
    } else {
      draft.notApplicable("platform-info", "the policy asks for no check of the memory");
    }
  }

  private void judgeTcb(String product) {
    if (product.isEmpty()) {
      return;
    }
    SnpTcb reported = report.reportedTcb(product);
    SnpTcb committed = report.committedTcb(product);
    SnpTcb current = report.currentTcb(product);
    boolean ordered = committed.atLeast(reported) && current.atLeast(committed);
    draft.judge(
        "tcb-order",
        ordered
            ? null
            : "reported " + reported + ", committed " + committed + ", current " + current,
        "reported, committed and current do not fall");
    SnpTcb least = policy.minSnpTcb(product);
    if (least == null) {
      draft.notApplicable("tcb-minimum", "the policy names no minimum for " + product);
      return;
    }
    SnpTcb launch = report.launchTcb(product);
    boolean enough = reported.atLeast(least) && committed.atLeast(least) && launch.atLeast(least);
    draft.judge(
        "tcb-minimum",
        enough ? null : "reported " + reported + " or launch " + launch + " is below " + least,
        "not below " + least);
  }

  private void judgeIdentity() {
    List<Allowed> lists =
        List.of(
            Allowed.SNP_MEASUREMENT,
            Allowed.HOST_DATA,
            Allowed.ID_KEY_DIGEST,
            Allowed.AUTHOR_KEY_DIGEST);
    List<Octets> values =
        List.of(
            report.measurement(),
            report.hostData(),
            report.idKeyDigest(),
            report.authorKeyDigest());
    String fault = null;
    for (int i = 0; i < lists.size(); i++) {
      Set<Octets> allowed = policy.allowed(lists.get(i));
      if (!allowed.isEmpty() && !allowed.contains(values.get(i))) {
        fault = Objects.requireNonNullElse(fault, lists.get(i) + " is not on the policy's list");
      }
    }
    if (fault != null || !policy.allowed(Allowed.SNP_MEASUREMENT).isEmpty()) {
      draft.judge("identity", fault, "what runs is on the list of policy " + policy.name());
    } else if (policy.identityRequired()) {
      draft.fail("identity", "policy " + policy.name() + " allows no evidence of this kind");
    } else {
      draft.notApplicable("identity", "policy " + policy.name() + " asks for no measurement");
    }
    if (policy.minGuestVersion() == 0) {
      draft.notApplicable("guest-svn", "the policy names no minimum");
    } else {
      draft.judge(
          "guest-svn",
          report.guestVersion() < policy.minGuestVersion()
              ? report.guestVersion() + " is below " + policy.minGuestVersion()
              : null,
          report.guestVersion() + " is not below " + policy.minGuestVersion());
    }
    Set<Octets> chips = policy.allowed(Allowed.PLATFORM);
    if (chips.isEmpty()) {
      draft.notApplicable("platform", "policy " + policy.name() + " takes any machine");
    } else {
      draft.judge(
          "platform",
          chips.contains(report.chipId()) ? null : "the machine is not on the policy's list",
          "a known machine");
    }
  }

  private void judgeReportData(@Nullable Octets expected) {
    if (expected != null) {
      draft.judge(
          "report-data",
          report.reportData().equals(expected) ? null : "the report data is not the expected one",
          "all 64 bytes are the expected ones");
    } else if (policy.reportDataRequired()) {
      draft.fail("report-data", "nothing says what the report data should be");
    } else {
      draft.notApplicable("report-data", "policy " + policy.name() + " asks for none");
    }
  }
}
