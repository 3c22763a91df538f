package io.capsuledb.host.config;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.SignerRule;
import io.capsuledb.host.attest.verdict.SnpTcb;
import io.capsuledb.host.attest.verdict.TcbStatus;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlTable;

/**
 * A policy for evidence from a TOML file, described in docs/attestation.md. A name that is not
 * known is an error: a mistyped minimum would otherwise be none.
 */
public final class EvidencePolicyFile {

  /**
   * What a file says.
   *
   * @param policy its settings; what is bound to a connection can still be set
   * @param roots what it trusts: the vendors' own roots if it says nothing
   */
  public record Contents(EvidencePolicy.Builder policy, TrustRoots roots) {}

  private static final Map<String, Allowed> LISTS =
      Map.of(
          "mrenclave", Allowed.MRENCLAVE,
          "mrtd", Allowed.MRTD,
          "rtmr0", Allowed.RTMR0,
          "rtmr1", Allowed.RTMR1,
          "rtmr2", Allowed.RTMR2,
          "rtmr3", Allowed.RTMR3,
          "mrconfigid", Allowed.MRCONFIGID,
          "platforms", Allowed.PLATFORM);

  private static final Map<String, Allowed> SNP_LISTS =
      Map.of(
          "measurement", Allowed.SNP_MEASUREMENT,
          "host-data", Allowed.HOST_DATA,
          "id-key-digest", Allowed.ID_KEY_DIGEST,
          "author-key-digest", Allowed.AUTHOR_KEY_DIGEST);

  private final String file;
  private final Files files;
  private final EvidencePolicy.Builder builder;
  private TrustRoots roots = TrustRoots.production();

  private EvidencePolicyFile(String file, String name, Files files) {
    this.file = file;
    this.files = files;
    this.builder = EvidencePolicy.builder(name);
  }

  /** Reads the files that a policy names. */
  @FunctionalInterface
  public interface Files {
    /**
     * The contents of a file.
     *
     * @param name as the policy has it
     */
    Octets read(String name) throws IOException;
  }

  /**
   * Reads a file.
   *
   * @throws InvalidRequestException if it cannot be read, or says something that is not allowed
   */
  public static Contents read(Path file) {
    Path parent = file.toAbsolutePath().getParent();
    Path base = parent == null ? Path.of("") : parent;
    return contents(
        ServeOptionsFile.parse(file),
        new EvidencePolicyFile(
            file.toString(),
            String.valueOf(file.getFileName()),
            name -> CollateralFolder.read(base.resolve(name), Certificate.MAX_BYTES)));
  }

  /**
   * Reads a policy that came as a text.
   *
   * @param name what messages call it
   * @throws InvalidRequestException if it is none, or says something that is not allowed
   */
  public static Contents parse(String text, String name, Files files) {
    TomlParseResult toml = Toml.parse(text);
    if (toml.hasErrors()) {
      throw new InvalidRequestException(
          name + ": not TOML: " + toml.errors().getFirst().getMessage());
    }
    return contents(toml, new EvidencePolicyFile(name, name, files));
  }

  private static Contents contents(TomlParseResult toml, EvidencePolicyFile reading) {
    String file = reading.file;
    if (toml.contains("roots") && toml.contains("insecure-simulated-root")) {
      throw new InvalidRequestException(
          file + ": roots and insecure-simulated-root cannot both be trusted");
    }
    for (String key : toml.keySet()) {
      reading.apply(key, toml.get(List.of(key)));
    }
    return new Contents(reading.builder, reading.roots);
  }

  private void apply(String key, @Nullable Object value) {
    Allowed list = LISTS.get(key);
    if (list != null) {
      addAll(list, key, value);
      return;
    }
    switch (key) {
      case "signer" -> {
        for (Object signer : array(key, value).toList()) {
          signer(table(key, signer));
        }
      }
      case "tcb-status" -> builder.statuses(statuses(key, value));
      case "mitigated-advisories" -> {
        if ("any".equals(value)) {
          builder.anyAdvisory();
        } else {
          builder.mitigatedAdvisories(new HashSet<>(texts(key, value)));
        }
      }
      case "max-collateral-age-days" ->
          builder.maxCollateralAge(Duration.ofDays(number(key, value)));
      case "min-tcb-evaluation-number" -> builder.minTcbEvaluationNumber(number(key, value));
      case "debug-allowed" -> builder.debugAllowed(flag(key, value));
      case "production-attributes" -> builder.productionAttributes(flag(key, value));
      case "report-data" -> builder.reportData(hex(key, value));
      case "nonce" -> builder.nonce(hex(key, value));
      case "bound-to-certificate" -> {
        if (flag(key, value)) {
          builder.boundToCertificate();
        }
      }
      case "roots" ->
          roots = TrustRoots.given(texts(key, value).stream().map(this::certificate).toList());
      case "insecure-simulated-root" ->
          roots = TrustRoots.insecureSimulated(certificate(text(key, value)));
      case "snp" -> {
        TomlTable table = table(key, value);
        for (String name : table.keySet()) {
          applySnp(name, table.get(List.of(name)));
        }
      }
      default -> throw wrong(key, "there is no such setting; see docs/attestation.md");
    }
  }

  private void applySnp(String name, @Nullable Object value) {
    String key = "snp." + name;
    Allowed list = SNP_LISTS.get(name);
    if (list != null) {
      addAll(list, key, value);
      return;
    }
    switch (name) {
      case "min-report-version" -> builder.minSnpReportVersion(number(key, value));
      case "max-vmpl" -> builder.maxVmpl(number(key, value));
      case "min-guest-svn" -> builder.minGuestVersion(number(key, value));
      case "smt-allowed" -> builder.smtAllowed(flag(key, value));
      case "alias-check-required" -> builder.aliasCheckRequired(flag(key, value));
      case "revocation-list-required" -> builder.amdRevocationRequired(flag(key, value));
      case "min-tcb" -> {
        TomlTable products = table(key, value);
        for (String product : products.keySet()) {
          builder.minSnpTcb(
              product, tcb(key + "." + product, table(key, products.get(List.of(product)))));
        }
      }
      default -> throw wrong(key, "there is no such setting; see docs/attestation.md");
    }
  }

  private SnpTcb tcb(String key, TomlTable table) {
    Set<String> known = Set.of("fmc", "boot-loader", "tee", "snp", "microcode");
    for (String name : table.keySet()) {
      if (!known.contains(name)) {
        throw wrong(key + "." + name, "allowed are " + known);
      }
    }
    return new SnpTcb(
        version(key, table, "fmc"),
        version(key, table, "boot-loader"),
        version(key, table, "tee"),
        version(key, table, "snp"),
        version(key, table, "microcode"));
  }

  private int version(String key, TomlTable table, String name) {
    Object value = table.get(List.of(name));
    int version = value == null ? 0 : number(key + "." + name, value);
    if (version > 0xFF) {
      throw wrong(key + "." + name, "allowed is 0 to 255");
    }
    return version;
  }

  private void signer(TomlTable table) {
    for (String name : table.keySet()) {
      if (!Set.of("mrsigner", "product-id", "min-svn").contains(name)) {
        throw wrong("signer." + name, "there is no such setting");
      }
    }
    builder.signer(
        new SignerRule(
            hex("signer.mrsigner", table.get(List.of("mrsigner"))),
            number("signer.product-id", table.get(List.of("product-id"))),
            number("signer.min-svn", table.get(List.of("min-svn")))));
  }

  private Set<TcbStatus> statuses(String key, @Nullable Object value) {
    Set<TcbStatus> statuses = EnumSet.noneOf(TcbStatus.class);
    for (String text : texts(key, value)) {
      TcbStatus status = TcbStatus.of(text);
      if (status == null) {
        throw wrong(key, "'" + text + "': allowed are " + List.of(TcbStatus.values()));
      }
      statuses.add(status);
    }
    return statuses;
  }

  private void addAll(Allowed list, String key, @Nullable Object value) {
    for (String text : texts(key, value)) {
      builder.allow(list, hex(key, text));
    }
  }

  private Certificate certificate(String name) {
    try {
      return Certificate.parseFile(files.read(name));
    } catch (IOException | InvalidPathException e) {
      throw new InvalidRequestException(file + ": cannot read the certificate " + name, e);
    } catch (IntegrityException e) {
      throw new InvalidRequestException(file + ": " + name + ": " + e.rejection().detail(), e);
    }
  }

  private InvalidRequestException wrong(String key, String message) {
    return new InvalidRequestException(file + ": " + key + ": " + message);
  }

  private TomlTable table(String key, @Nullable Object value) {
    if (value instanceof TomlTable table) {
      return table;
    }
    throw wrong(key, "allowed is a table");
  }

  private TomlArray array(String key, @Nullable Object value) {
    if (value instanceof TomlArray array) {
      return array;
    }
    throw wrong(key, "allowed is an array");
  }

  private List<String> texts(String key, @Nullable Object value) {
    List<String> texts = new ArrayList<>();
    for (Object element : array(key, value).toList()) {
      texts.add(text(key, element));
    }
    return texts;
  }

  private String text(String key, @Nullable Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw wrong(key, "allowed is text");
  }

  private Octets hex(String key, @Nullable Object value) {
    String text = text(key, value);
    try {
      return Octets.ofHex(text);
    } catch (IntegrityException e) {
      throw new InvalidRequestException(
          file + ": " + key + " is '" + text + "': allowed are hexadecimal digits", e);
    }
  }

  private int number(String key, @Nullable Object value) {
    if (value instanceof Long number && number >= 0 && number <= Integer.MAX_VALUE) {
      return number.intValue();
    }
    throw wrong(key, "allowed is a whole number, not negative");
  }

  private boolean flag(String key, @Nullable Object value) {
    if (value instanceof Boolean flag) {
      return flag;
    }
    throw wrong(key, "allowed is true or false");
  }
}
