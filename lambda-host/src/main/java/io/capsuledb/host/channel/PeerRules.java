package io.capsuledb.host.channel;

import io.capsuledb.core.port.Clock;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.EvidenceVerifier;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.verdict.Check;
import io.capsuledb.host.attest.verdict.Claim;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.Verdict;
import java.time.Instant;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Whom one side takes for the other: a policy, the roots it trusts, and where collateral comes
 * from. Thread-safe.
 */
public final class PeerRules {

  /** The claims that say which code it is. */
  private static final Set<String> MEASUREMENTS = Set.of("mrenclave", "mrtd", "measurement");

  private final EvidenceVerifier verifier;
  private final EvidencePolicy policy;
  private final Supplier<Collateral> collateral;
  private final Clock clock;

  /**
   * Rules.
   *
   * @param policy bound to certificates
   * @param collateral read for each verdict, so that it may be renewed
   */
  public PeerRules(
      TrustRoots roots, EvidencePolicy policy, Supplier<Collateral> collateral, Clock clock) {
    this.verifier = new EvidenceVerifier(roots);
    this.policy = policy;
    this.collateral = collateral;
    this.clock = clock;
  }

  /** Judges a certificate that carries evidence. */
  Verdict certificate(Certificate certificate) {
    return verifier.certificate(certificate, collateral.get(), now(), policy);
  }

  /**
   * Judges evidence that was made for one channel.
   *
   * @param reportData what it has to be bound to
   */
  Verdict answer(Octets evidence, Octets reportData) {
    return verifier.verify(evidence, collateral.get(), now(), policy.boundTo(reportData));
  }

  private Instant now() {
    return Instant.ofEpochMilli(clock.wallMs());
  }

  /** What a verdict is refused for, with the measurement of who was judged. */
  public static String describe(Verdict verdict) {
    String failed =
        verdict.checks().stream()
            .filter(check -> check.outcome() == Check.Outcome.FAILED)
            .map(check -> check.name() + ": " + check.reason())
            .limit(3)
            .collect(Collectors.joining("; "));
    return "evidence " + verdict.type() + " of " + measurement(verdict) + " is refused: " + failed;
  }

  /** The measurement that evidence claims, or that it claims none. */
  public static String measurement(Verdict verdict) {
    return verdict.claims().stream()
        .filter(claim -> MEASUREMENTS.contains(claim.name()))
        .map(Claim::value)
        .findFirst()
        .orElse("unknown code");
  }
}
