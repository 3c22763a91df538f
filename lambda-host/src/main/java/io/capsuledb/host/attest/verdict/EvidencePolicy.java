package io.capsuledb.host.attest.verdict;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.encoding.Octets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What evidence has to say to be accepted. What is not asked for here is still checked where it is
 * about the evidence being genuine: signatures, chains, revocation, times, identities of the
 * vendors' own enclaves.
 *
 * <p>Invariant: unless it was made by {@link #strict} or {@link #lenient}, or from one of them, a
 * policy names what may run (a measurement or a signer) and what the evidence is bound to.
 * Immutable.
 */
public final class EvidencePolicy {

  /** Bytes of report data in every kind of evidence. */
  public static final int REPORT_DATA_BYTES = 64;

  private static final int MAX_LIST = 1024;
  private static final Duration MAX_AGE = Duration.ofDays(3650);

  /** AMD's products, as signed in reports. */
  public static final Set<String> SNP_PRODUCTS = Set.of("Milan", "Genoa", "Turin");

  private static final int SHA256_BYTES = 32;
  private static final int SHA384_BYTES = 48;

  /** Lists of values of which evidence has to have one; an empty list asks for nothing. */
  public enum Allowed {
    /** MRENCLAVE of SGX. */
    MRENCLAVE(SHA256_BYTES, SHA256_BYTES),
    /** MRTD of TDX. */
    MRTD(SHA384_BYTES, SHA384_BYTES),
    RTMR0(SHA384_BYTES, SHA384_BYTES),
    RTMR1(SHA384_BYTES, SHA384_BYTES),
    RTMR2(SHA384_BYTES, SHA384_BYTES),
    RTMR3(SHA384_BYTES, SHA384_BYTES),
    MRCONFIGID(SHA384_BYTES, SHA384_BYTES),
    /** MEASUREMENT of SEV-SNP. */
    SNP_MEASUREMENT(SHA384_BYTES, SHA384_BYTES),
    HOST_DATA(SHA256_BYTES, SHA256_BYTES),
    ID_KEY_DIGEST(SHA384_BYTES, SHA384_BYTES),
    AUTHOR_KEY_DIGEST(SHA384_BYTES, SHA384_BYTES),
    /** PPID or platform instance id of Intel's platforms (16 bytes), CHIP_ID of AMD's (64). */
    PLATFORM(8, 64);

    private final int least;
    private final int most;

    Allowed(int least, int most) {
      this.least = least;
      this.most = most;
    }
  }

  private final String name;
  private final boolean identityRequired;
  private final boolean reportDataRequired;
  private final Set<TcbStatus> statuses;
  private final @Nullable Set<String> mitigatedAdvisories;
  private final @Nullable Duration maxCollateralAge;
  private final int minTcbEvaluationNumber;
  private final boolean debugAllowed;
  private final boolean productionAttributes;
  private final Map<Allowed, Set<Octets>> allowed;
  private final List<SignerRule> signers;
  private final Map<String, SnpTcb> minSnpTcb;
  private final int minSnpReportVersion;
  private final int maxVmpl;
  private final long minGuestVersion;
  private final boolean smtAllowed;
  private final boolean aliasCheckRequired;
  private final boolean amdRevocationRequired;
  private final @Nullable Octets reportData;
  private final @Nullable Octets nonce;

  private EvidencePolicy(Builder builder) {
    this.name = builder.name;
    this.identityRequired = builder.identityRequired;
    this.reportDataRequired = builder.reportDataRequired;
    this.statuses = Set.copyOf(builder.statuses);
    this.mitigatedAdvisories =
        builder.mitigatedAdvisories == null ? null : Set.copyOf(builder.mitigatedAdvisories);
    this.maxCollateralAge = builder.maxCollateralAge;
    this.minTcbEvaluationNumber = builder.minTcbEvaluationNumber;
    this.debugAllowed = builder.debugAllowed;
    this.productionAttributes = builder.productionAttributes;
    Map<Allowed, Set<Octets>> lists = new TreeMap<>();
    builder.allowed.forEach((key, values) -> lists.put(key, Set.copyOf(values)));
    this.allowed = lists;
    this.signers = List.copyOf(builder.signers);
    this.minSnpTcb = Map.copyOf(builder.minSnpTcb);
    this.minSnpReportVersion = builder.minSnpReportVersion;
    this.maxVmpl = builder.maxVmpl;
    this.minGuestVersion = builder.minGuestVersion;
    this.smtAllowed = builder.smtAllowed;
    this.aliasCheckRequired = builder.aliasCheckRequired;
    this.amdRevocationRequired = builder.amdRevocationRequired;
    this.reportData = builder.reportData;
    this.nonce = builder.nonce;
  }

  private EvidencePolicy(EvidencePolicy other, Octets reportData) {
    this.name = other.name;
    this.identityRequired = other.identityRequired;
    this.reportDataRequired = true;
    this.statuses = other.statuses;
    this.mitigatedAdvisories = other.mitigatedAdvisories;
    this.maxCollateralAge = other.maxCollateralAge;
    this.minTcbEvaluationNumber = other.minTcbEvaluationNumber;
    this.debugAllowed = other.debugAllowed;
    this.productionAttributes = other.productionAttributes;
    this.allowed = other.allowed;
    this.signers = other.signers;
    this.minSnpTcb = other.minSnpTcb;
    this.minSnpReportVersion = other.minSnpReportVersion;
    this.maxVmpl = other.maxVmpl;
    this.minGuestVersion = other.minGuestVersion;
    this.smtAllowed = other.smtAllowed;
    this.aliasCheckRequired = other.aliasCheckRequired;
    this.amdRevocationRequired = other.amdRevocationRequired;
    this.reportData = reportData;
    this.nonce = null;
  }

  /**
   * The same policy for bare evidence that was made for one occasion.
   *
   * @param expected all 64 bytes of report data, not all zero
   */
  public EvidencePolicy boundTo(Octets expected) {
    if (expected.length() != REPORT_DATA_BYTES || expected.isZero()) {
      throw new IllegalArgumentException("report data has 64 bytes that are not all zero");
    }
    return new EvidencePolicy(this, expected);
  }

  /**
   * Up to date and not for debugging; nothing is said about who it is. For tests of evidence, not
   * for deciding whom to trust.
   */
  public static Builder strict() {
    Builder builder = new Builder("strict");
    builder.identityRequired = false;
    builder.reportDataRequired = false;
    builder.productionAttributes = false;
    builder.mitigatedAdvisories = null;
    return builder;
  }

  /** As {@link #strict}, but hardening in software or configuration may be needed. */
  public static Builder lenient() {
    Builder builder = strict();
    builder.name = "lenient";
    builder.statuses =
        EnumSet.of(
            TcbStatus.UP_TO_DATE,
            TcbStatus.SW_HARDENING_NEEDED,
            TcbStatus.CONFIGURATION_NEEDED,
            TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED);
    return builder;
  }

  /** Everything is required: see the setters for what is assumed where nothing is said. */
  public static Builder builder(String name) {
    return new Builder(name);
  }

  /** What verdicts and messages call it. */
  public String name() {
    return name;
  }

  /** Whether a measurement or a signer has to match. */
  public boolean identityRequired() {
    return identityRequired;
  }

  /** Whether the evidence has to be bound to something the verifier knows. */
  public boolean reportDataRequired() {
    return reportDataRequired;
  }

  public Set<TcbStatus> statuses() {
    return statuses;
  }

  /** Weaknesses that do not matter for what is attested; null if none matters. */
  public @Nullable Set<String> mitigatedAdvisories() {
    return mitigatedAdvisories;
  }

  /** How long ago collateral may have been issued; null if as long as it is valid. */
  public @Nullable Duration maxCollateralAge() {
    return maxCollateralAge;
  }

  public int minTcbEvaluationNumber() {
    return minTcbEvaluationNumber;
  }

  public boolean debugAllowed() {
    return debugAllowed;
  }

  /** Whether the attributes have to be those of a finished product. */
  public boolean productionAttributes() {
    return productionAttributes;
  }

  /** The values of which evidence has to have one; empty if any will do. */
  public Set<Octets> allowed(Allowed what) {
    return allowed.getOrDefault(what, Set.of());
  }

  public List<SignerRule> signers() {
    return signers;
  }

  /** Least firmware of an AMD product, or null. */
  public @Nullable SnpTcb minSnpTcb(String product) {
    return minSnpTcb.get(product);
  }

  public int minSnpReportVersion() {
    return minSnpReportVersion;
  }

  /** Largest (least privileged) VM privilege level that may have asked for a report. */
  public int maxVmpl() {
    return maxVmpl;
  }

  public long minGuestVersion() {
    return minGuestVersion;
  }

  public boolean smtAllowed() {
    return smtAllowed;
  }

  public boolean aliasCheckRequired() {
    return aliasCheckRequired;
  }

  public boolean amdRevocationRequired() {
    return amdRevocationRequired;
  }

  /** All 64 bytes of report data, or null. */
  public @Nullable Octets reportData() {
    return reportData;
  }

  /** The nonce that the claims of a certificate's evidence have to carry, or null. */
  public @Nullable Octets nonce() {
    return nonce;
  }

  /** Settings of a policy. Not thread-safe. */
  public static final class Builder {

    private String name;
    private boolean identityRequired = true;
    private boolean reportDataRequired = true;
    private boolean boundByCaller;
    private Set<TcbStatus> statuses = EnumSet.of(TcbStatus.UP_TO_DATE);
    private @Nullable Set<String> mitigatedAdvisories = new HashSet<>();
    private @Nullable Duration maxCollateralAge;
    private int minTcbEvaluationNumber;
    private boolean debugAllowed;
    private boolean productionAttributes = true;
    private final Map<Allowed, Set<Octets>> allowed = new TreeMap<>();
    private final List<SignerRule> signers = new ArrayList<>();
    private final Map<String, SnpTcb> minSnpTcb = new TreeMap<>();
    private int minSnpReportVersion = 2;
    private int maxVmpl;
    private long minGuestVersion;
    private boolean smtAllowed = true;
    private boolean aliasCheckRequired;
    private boolean amdRevocationRequired;
    private @Nullable Octets reportData;
    private @Nullable Octets nonce;

    private Builder(String name) {
      this.name = name;
    }

    /** Statuses of Intel's platforms that are good enough; only up to date if not set. */
    public Builder statuses(Set<TcbStatus> good) {
      if (good.isEmpty() || good.contains(TcbStatus.REVOKED)) {
        throw wrong("tcb-status", good, "at least one status, and never Revoked");
      }
      this.statuses = EnumSet.copyOf(good);
      return this;
    }

    /** Weaknesses that do not matter; none if not set, so that each of them matters. */
    public Builder mitigatedAdvisories(Set<String> names) {
      this.mitigatedAdvisories = Set.copyOf(names);
      return this;
    }

    /** No weakness matters: the status alone decides. */
    public Builder anyAdvisory() {
      this.mitigatedAdvisories = null;
      return this;
    }

    public Builder maxCollateralAge(Duration age) {
      if (age.isNegative() || age.isZero() || age.compareTo(MAX_AGE) > 0) {
        throw wrong("max-collateral-age", age, "more than nothing and at most " + MAX_AGE);
      }
      this.maxCollateralAge = age;
      return this;
    }

    public Builder minTcbEvaluationNumber(int least) {
      this.minTcbEvaluationNumber = number("min-tcb-evaluation-number", least, 1 << 20);
      return this;
    }

    public Builder debugAllowed(boolean allow) {
      this.debugAllowed = allow;
      return this;
    }

    public Builder productionAttributes(boolean required) {
      this.productionAttributes = required;
      return this;
    }

    /** Adds a value to a list. */
    public Builder allow(Allowed what, Octets value) {
      Set<Octets> values = allowed.computeIfAbsent(what, _ -> new HashSet<>());
      if (value.length() < what.least || value.length() > what.most || values.size() == MAX_LIST) {
        throw wrong(
            what.name().toLowerCase(Locale.ROOT).replace('_', '-'),
            value,
            (what.least == what.most ? "" : what.least + " to ")
                + what.most
                + " bytes, and at most "
                + MAX_LIST
                + " of them");
      }
      values.add(value);
      return this;
    }

    public Builder signer(SignerRule rule) {
      if (rule.signer().length() != SHA256_BYTES || signers.size() == MAX_LIST) {
        throw wrong("signer", rule.signer(), "32 bytes, and at most " + MAX_LIST + " signers");
      }
      number("product-id", rule.productId(), 0xFFFF);
      number("min-svn", rule.minimumVersion(), 0xFFFF);
      signers.add(rule);
      return this;
    }

    public Builder minSnpTcb(String product, SnpTcb least) {
      if (!SNP_PRODUCTS.contains(product)) {
        throw wrong("snp.min-tcb", product, "one of " + SNP_PRODUCTS);
      }
      minSnpTcb.put(product, least);
      return this;
    }

    public Builder minSnpReportVersion(int least) {
      if (least < 2 || least > 5) {
        throw wrong("snp.min-report-version", least, "2 to 5");
      }
      this.minSnpReportVersion = least;
      return this;
    }

    public Builder maxVmpl(int most) {
      this.maxVmpl = number("snp.max-vmpl", most, 3);
      return this;
    }

    public Builder minGuestVersion(int least) {
      this.minGuestVersion = number("snp.min-guest-svn", least, Integer.MAX_VALUE);
      return this;
    }

    public Builder smtAllowed(boolean allow) {
      this.smtAllowed = allow;
      return this;
    }

    public Builder aliasCheckRequired(boolean required) {
      this.aliasCheckRequired = required;
      return this;
    }

    public Builder amdRevocationRequired(boolean required) {
      this.amdRevocationRequired = required;
      return this;
    }

    /**
     * What the evidence has to be bound to: 1 to 64 bytes, and zeros after them. Nothing but zeros
     * is refused: that is what evidence has that is bound to nothing. {@link #strict} and {@link
     * #lenient}, which decide about nobody, take it.
     */
    public Builder reportData(Octets expected) {
      if (expected.length() < 1 || expected.length() > REPORT_DATA_BYTES) {
        throw wrong("report-data", expected, "1 to 64 bytes");
      }
      if (reportDataRequired && expected.isZero()) {
        throw wrong("report-data", expected, "1 to 64 bytes that are not all zero");
      }
      this.reportData = expected.paddedTo(REPORT_DATA_BYTES);
      return this;
    }

    /** What the claims of a certificate's evidence have to carry as nonce: 8 to 64 bytes. */
    public Builder nonce(Octets expected) {
      if (expected.length() < 8 || expected.length() > 64 || expected.isZero()) {
        throw wrong("nonce", expected, "8 to 64 bytes that are not all zero");
      }
      this.nonce = expected;
      return this;
    }

    /**
     * The report data is known only with each connection: the evidence is in a certificate, and has
     * to be bound to its key. Evidence without a certificate will be rejected.
     */
    public Builder boundToCertificate() {
      this.boundByCaller = true;
      return this;
    }

    /**
     * The policy.
     *
     * @throws InvalidRequestException if it asks for nothing that identifies what runs, or for no
     *     report data, where it has to
     */
    public EvidencePolicy build() {
      boolean identity =
          !signers.isEmpty()
              || allowed.containsKey(Allowed.MRENCLAVE)
              || allowed.containsKey(Allowed.MRTD)
              || allowed.containsKey(Allowed.SNP_MEASUREMENT);
      if (identityRequired && !identity) {
        throw new InvalidRequestException(
            "policy "
                + name
                + " names no measurement (mrenclave, mrtd or snp measurement) and no signer: it"
                + " would accept anybody's code");
      }
      if (reportDataRequired && reportData == null && !boundByCaller) {
        throw new InvalidRequestException(
            "policy "
                + name
                + " names no report data: it would accept evidence that somebody else showed"
                + " before");
      }
      return new EvidencePolicy(this);
    }

    private static int number(String option, int value, int most) {
      if (value < 0 || value > most) {
        throw wrong(option, value, "0 to " + most);
      }
      return value;
    }

    private static InvalidRequestException wrong(String option, Object value, String what) {
      return new InvalidRequestException(option + " is '" + value + "': allowed is " + what);
    }
  }
}
