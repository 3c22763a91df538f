package io.capsuledb.host.attest;

import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.TrustRoots;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Real evidence with expected verdicts, which is not part of the project: a folder named by the
 * property {@code capsule.evidence} or the variable {@code CAPSULE_EVIDENCE}, or {@code
 * shared/evidence} beside one of the directories above this one. Its licences differ; nothing of it
 * may be copied here.
 */
final class RealEvidence {

  /** One case of the manifest. */
  record Case(String name, Path folder, Json json) {

    Instant time() {
      return json.get("verification_time").instant();
    }

    boolean has(String role) {
      return json.get("files").find(role) != null;
    }

    Path path(String role) {
      return folder.resolve(json.get("files").get(role).text());
    }

    /** The file that is the evidence. */
    Path evidencePath() {
      return path(has("certificate") ? "certificate" : has("report") ? "report" : "quote");
    }

    Octets evidence() {
      return file(evidencePath());
    }

    Collateral collateral() {
      return CollateralFolder.read(folder);
    }

    TrustRoots roots() {
      return has("trusted_root")
          ? TrustRoots.given(List.of(Certificate.parseFile(file(path("trusted_root")))))
          : TrustRoots.production();
    }

    Json expected() {
      return json.get("expected");
    }

    @Nullable Json expected(String name) {
      return expected().find(name);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private RealEvidence() {}

  static Octets file(Path path) {
    try {
      return Octets.own(Files.readAllBytes(path));
    } catch (IOException e) {
      throw new AssertionError(path.toString(), e);
    }
  }

  /** The folder, or null, which is said on the standard output. */
  static @Nullable Path folder() {
    List<Path> candidates = new ArrayList<>();
    String named =
        System.getProperty(
            "capsule.evidence", System.getenv().getOrDefault("CAPSULE_EVIDENCE", ""));
    if (!named.isEmpty()) {
      candidates.add(Path.of(named));
    } else {
      for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
        candidates.add(at.resolve("shared/evidence"));
      }
    }
    for (Path candidate : candidates) {
      if (Files.isRegularFile(candidate.resolve("manifest.json"))) {
        return candidate;
      }
    }
    System.out.println(
        "real evidence: skipped, there is no manifest.json in "
            + (named.isEmpty() ? "shared/evidence beside any directory above" : named));
    return null;
  }

  /** Every case, or none. */
  static Stream<Case> cases() {
    Path folder = folder();
    if (folder == null) {
      return Stream.empty();
    }
    Json manifest = Json.parse("manifest", file(folder.resolve("manifest.json")));
    return manifest.get("cases").elements(4096).stream()
        .map(
            json -> {
              String name = json.get("name").text();
              return new Case(name, folder.resolve(name), json);
            });
  }
}
