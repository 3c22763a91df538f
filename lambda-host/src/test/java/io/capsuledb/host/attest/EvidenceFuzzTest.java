package io.capsuledb.host.attest;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.attest.amd.AmdCollateral;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.pki.CertificateWriter;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.ratls.CertificateEvidence;
import io.capsuledb.host.attest.verdict.Claim;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.Verdict;
import java.security.KeyPair;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Mutated quotes, reports, certificates and collateral: nothing throws, and what is still accepted
 * says the same as before.
 */
class EvidenceFuzzTest {

  private static final int FILES = 11;

  /** Accepted evidence, and everything it was accepted with. */
  private record Sample(
      String name, List<Octets> files, EvidenceVerifier verifier, Instant now, Set<Claim> meaning) {

    Verdict judge(List<Octets> with) {
      return verifier.verify(with.get(0), collateral(with), now, EvidencePolicy.lenient().build());
    }

    private static Collateral collateral(List<Octets> f) {
      return new Collateral(
          new IntelCollateral(f.get(1), f.get(2), f.get(3), f.get(4), f.get(5), f.get(6), f.get(7)),
          new AmdCollateral(f.get(8), f.get(9), f.get(10), null));
    }
  }

  /** What a verdict says that anybody could act upon. */
  private static Set<Claim> meaning(Verdict verdict) {
    Set<Claim> meaning =
        verdict.claims().stream()
            // How long the buffer was, and r and s of signatures, of which there are several.
            .filter(claim -> !claim.name().endsWith("padding-bytes"))
            .filter(claim -> !claim.name().endsWith("signature"))
            .collect(Collectors.toSet());
    meaning.add(Claim.of("status", String.valueOf(verdict.tcbStatus())));
    meaning.add(Claim.of("advisories", verdict.advisories()));
    meaning.add(Claim.of("debug", String.valueOf(verdict.debug())));
    meaning.add(Claim.of("anchor", verdict.anchor()));
    return meaning;
  }

  private static @Nullable Sample sample(
      String name, Octets evidence, Collateral with, TrustRoots roots, Instant now) {
    IntelCollateral intel = with.intel();
    List<Octets> files =
        Arrays.asList(
            evidence,
            intel.tcbInfo(),
            intel.tcbInfoChain(),
            intel.qeIdentity(),
            intel.qeIdentityChain(),
            intel.rootCrl(),
            intel.pckCrl(),
            intel.pckChain(),
            with.amd().vek(),
            with.amd().ask(),
            with.amd().ark());
    EvidenceVerifier verifier = new EvidenceVerifier(roots);
    Sample bare = new Sample(name, files, verifier, now, Set.of());
    Verdict verdict = bare.judge(files);
    return verdict.accepted() ? new Sample(name, files, verifier, now, meaning(verdict)) : null;
  }

  private static List<Sample> samples() {
    List<Sample> samples = new ArrayList<>();
    for (int[] shape :
        new int[][] {
          {3, QuoteLayout.BODY_SGX}, {4, QuoteLayout.BODY_TD_10}, {5, QuoteLayout.BODY_TD_15}
        }) {
      SyntheticIntel intel = new SyntheticIntel(shape[0], shape[1]);
      samples.add(
          sample(
              "intel v" + shape[0],
              intel.quote(),
              intel.collateral(),
              intel.roots(),
              SyntheticIntel.NOW));
    }
    SyntheticSnp snp = new SyntheticSnp(5, "Genoa");
    samples.add(sample("snp", snp.report(), snp.collateral(), snp.roots(), SyntheticSnp.NOW));
    KeyPair key = SyntheticIntel.key("secp256r1");
    Octets claims =
        CertificateEvidence.encodeClaims(Octets.copyOf(key.getPublic().getEncoded()), null);
    SyntheticIntel inside = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    inside.body =
        body ->
            Digests.sha256(claims).paddedTo(64).buffer().get(body, QuoteLayout.SGX_REPORT_DATA, 64);
    samples.add(
        sample(
            "ra-tls",
            new CertificateWriter("worker", key.getPublic())
                .valid(SyntheticIntel.NOW.minusSeconds(9), SyntheticIntel.NOW.plusSeconds(9))
                .leaf()
                .extension(
                    CertificateEvidence.DICE_WRAPPER,
                    false,
                    CertificateEvidence.encodeQuote(inside.quote(), claims))
                .sign("worker", key.getPrivate())
                .encoded(),
            inside.collateral(),
            inside.roots(),
            SyntheticIntel.NOW));
    assertThat(samples).doesNotContainNull();
    RealEvidence.cases()
        .map(
            item ->
                sample(item.name(), item.evidence(), item.collateral(), item.roots(), item.time()))
        .filter(sample -> sample != null)
        .forEach(samples::add);
    return samples;
  }

  private static final byte[] INTERESTING = {0, 1, 2, 0x30, 0x7F, (byte) 0x80, (byte) 0xFF, '"'};

  private static Octets mutate(Octets file, Random random) {
    byte[] bytes = file.toArray();
    int changes = 1 + (random.nextInt(4) == 0 ? random.nextInt(8) : 0);
    for (int i = 0; i < changes && bytes.length > 0; i++) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(7)) {
        case 0, 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at] = INTERESTING[random.nextInt(INTERESTING.length)];
        case 3 -> bytes[at] = (byte) random.nextInt(256);
        case 4 -> bytes = Arrays.copyOf(bytes, at);
        case 5 -> {
          int count = Math.min(1 + random.nextInt(16), bytes.length - at);
          System.arraycopy(bytes, random.nextInt(bytes.length - count + 1), bytes, at, count);
        }
        default -> {
          int extra = 1 + random.nextInt(16);
          byte[] longer = Arrays.copyOf(bytes, bytes.length + extra);
          System.arraycopy(bytes, at, longer, at + extra, bytes.length - at);
          bytes = longer;
        }
      }
    }
    return Octets.own(bytes);
  }

  private static void fuzz(int rounds, long seed) {
    List<Sample> samples = samples();
    Random random = new Random(seed);
    int accepted = 0;
    for (int round = 0; round < rounds; round++) {
      Sample sample = samples.get(random.nextInt(samples.size()));
      List<Octets> files = new ArrayList<>(sample.files());
      int which = random.nextInt(2) == 0 ? 0 : random.nextInt(FILES);
      while (files.get(which) == null) {
        which = random.nextInt(FILES);
      }
      files.set(which, mutate(files.get(which), random));
      Verdict verdict;
      try {
        verdict = sample.judge(files);
        // Showing reads the same bytes without any of the checks.
        EvidenceFields.of(files.get(0));
      } catch (RuntimeException | Error e) {
        throw new AssertionError(
            sample.name() + " file " + which + " seed " + seed + " round " + round, e);
      }
      if (verdict.accepted()) {
        accepted++;
        assertThat(meaning(verdict))
            .as(sample.name() + " file " + which + " seed " + seed + " round " + round)
            .isEqualTo(sample.meaning());
      }
    }
    System.out.println(
        rounds + " mutations of " + samples.size() + " samples: " + accepted + " equal in meaning");
  }

  @Test
  void mutationsAreRejectedOrMeanTheSame() {
    fuzz(2_000, 1);
  }

  @Test
  @Tag("long")
  void aMillionMutationsAreRejectedOrMeanTheSame() {
    fuzz(
        Integer.getInteger("capsule.fuzz.rounds", 1_000_000), Long.getLong("capsule.fuzz.seed", 2));
  }
}
