package io.capsuledb.host.attest.pki;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.encoding.Octets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The public keys at which chains of evidence may end. What is pinned is the key: certificates for
 * one key differ (Intel's root has two), and a name proves nothing.
 *
 * <p>There are three ways to have anchors, and no switch between them: {@link #production}, which
 * holds the vendors' keys and nothing else; {@link #given}, for keys somebody names; and {@link
 * #insecureSimulated}, which holds one key that says of itself that it is simulated, and no other.
 * The first two refuse a key of the third kind. Immutable.
 */
public final class TrustRoots {

  /** What the common name of every simulated root begins with. */
  public static final String SIMULATED_NAME = "insecure-simulated SGX Root CA";

  private static final String EC_P256_INFO =
      "3059301306072a8648ce3d020106082a8648ce3d03010703420004";

  /** The Intel SGX Root CA's key, P-256, as a point. */
  private static final String INTEL_POINT =
      "0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5"
          + "67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394";

  /** SHA-256 of the AMD root keys' SubjectPublicKeyInfo: RSA-4096. */
  private static final String ARK_MILAN =
      "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9";

  private static final String ARK_GENOA =
      "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831";
  private static final String ARK_TURIN =
      "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08";

  /** Whose evidence an anchor vouches for. */
  public enum Vendor {
    INTEL,
    AMD
  }

  /**
   * One anchor.
   *
   * @param name what verdicts call it
   * @param vendor whose evidence it vouches for
   * @param product of AMD's anchors the only product ("Milan"); empty if any
   * @param keyHash SHA-256 of its SubjectPublicKeyInfo
   * @param commonNamePrefix what the names in its chains begin with: "Intel SGX", or another for
   *     the simulated ones
   * @param simulated whether nothing but a test vouches for it
   */
  public record Anchor(
      String name,
      Vendor vendor,
      String product,
      Octets keyHash,
      String commonNamePrefix,
      boolean simulated) {}

  private static final String INTEL_NAMES = "Intel SGX";
  private static final String SIMULATED_NAMES = "insecure-simulated SGX";

  private static final TrustRoots PRODUCTION =
      new TrustRoots(
          List.of(
              new Anchor(
                  "intel-sgx-root-ca",
                  Vendor.INTEL,
                  "",
                  Digests.sha256(Octets.ofHex(EC_P256_INFO + INTEL_POINT)),
                  INTEL_NAMES,
                  false),
              amd("Milan", ARK_MILAN),
              amd("Genoa", ARK_GENOA),
              amd("Turin", ARK_TURIN)));

  private static Anchor amd(String product, String keyHash) {
    return new Anchor(
        "amd-ark-" + product.toLowerCase(Locale.ROOT),
        Vendor.AMD,
        product,
        Octets.ofHex(keyHash),
        "",
        false);
  }

  private final List<Anchor> anchors;

  private TrustRoots(List<Anchor> anchors) {
    this.anchors = List.copyOf(anchors);
  }

  /** The vendors' own: Intel's root and AMD's for Milan, Genoa and Turin. */
  public static TrustRoots production() {
    return PRODUCTION;
  }

  /**
   * These roots and no others, for both vendors: a key on P-256 vouches for Intel's evidence, any
   * other for AMD's.
   *
   * @throws InvalidRequestException if there is none, or one is simulated
   */
  public static TrustRoots given(List<Certificate> roots) {
    List<Anchor> anchors = new ArrayList<>();
    for (Certificate root : roots) {
      if (isSimulated(root)) {
        throw new InvalidRequestException(
            "the root '"
                + root.subjectCommonName()
                + "' is simulated: a policy has to name it as insecure-simulated-root");
      }
      boolean intel = "EC".equals(root.publicKey().getAlgorithm());
      anchors.add(
          new Anchor(
              "given-root",
              intel ? Vendor.INTEL : Vendor.AMD,
              "",
              Digests.sha256(root.publicKeyInfo()),
              intel ? INTEL_NAMES : "",
              false));
    }
    if (anchors.isEmpty()) {
      throw new InvalidRequestException("there is no certificate to trust");
    }
    return new TrustRoots(anchors);
  }

  /**
   * One simulated root, and nothing else.
   *
   * @throws InvalidRequestException if its name does not say that it is simulated
   */
  public static TrustRoots insecureSimulated(Certificate root) {
    if (!isSimulated(root)) {
      throw new InvalidRequestException(
          "the root '"
              + root.subjectCommonName()
              + "' is not a simulated one: those are called '"
              + SIMULATED_NAME
              + "'");
    }
    return new TrustRoots(
        List.of(
            new Anchor(
                "insecure-simulated",
                Vendor.INTEL,
                "",
                Digests.sha256(root.publicKeyInfo()),
                SIMULATED_NAMES,
                true)));
  }

  private static boolean isSimulated(Certificate root) {
    return root.subjectCommonName().startsWith(SIMULATED_NAMES);
  }

  /** The anchor whose key {@code root} has, or null. */
  public @Nullable Anchor find(Vendor vendor, Certificate root) {
    Octets hash = Digests.sha256(root.publicKeyInfo());
    for (Anchor anchor : anchors) {
      if (anchor.vendor() == vendor && anchor.keyHash().equals(hash)) {
        return anchor;
      }
    }
    return null;
  }

  /** Whether every anchor is simulated. */
  public boolean simulated() {
    return anchors.stream().allMatch(Anchor::simulated);
  }
}
