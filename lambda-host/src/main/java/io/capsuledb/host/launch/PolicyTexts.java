package io.capsuledb.host.launch;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.channel.PeerRules;
import io.capsuledb.host.config.EvidencePolicyFile;
import io.capsuledb.host.launch.LaunchMessage.PolicyFile;
import io.capsuledb.host.launch.LaunchMessage.PolicyText;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** Policies that travel: their text, with the files that they name. */
public final class PolicyTexts {

  private static final int MAX_BYTES = 64 << 10;

  private PolicyTexts() {}

  /**
   * A policy file with what it names.
   *
   * @throws InvalidRequestException if it cannot be read, or is none
   */
  public static PolicyText read(Path file) {
    try {
      String text =
          new String(CollateralFolder.read(file, MAX_BYTES).toArray(), StandardCharsets.UTF_8);
      Path parent = file.toAbsolutePath().getParent();
      List<PolicyFile> files = new ArrayList<>();
      EvidencePolicyFile.parse(
          text,
          file.toString(),
          name -> {
            Path path = parent == null ? Path.of(name) : parent.resolve(name);
            Octets contents = CollateralFolder.read(path, MAX_BYTES);
            files.add(new PolicyFile(name, contents));
            return contents;
          });
      return new PolicyText(text, files);
    } catch (IOException e) {
      throw new InvalidRequestException("cannot read the policy " + file + " (" + e + ")", e);
    }
  }

  /**
   * The rules of a policy, for peers whose evidence comes with each channel.
   *
   * @throws InvalidRequestException if it is none
   */
  public static PeerRules rules(PolicyText policy, Supplier<Collateral> collateral, Clock clock) {
    Map<String, Octets> files = new HashMap<>();
    policy.files().forEach(file -> files.put(file.name(), file.contents()));
    EvidencePolicyFile.Contents contents =
        EvidencePolicyFile.parse(
            policy.toml(),
            "policy",
            name -> {
              Octets file = files.get(name);
              if (file == null) {
                throw new IOException("the file did not come along");
              }
              return file;
            });
    return new PeerRules(
        contents.roots(), contents.policy().boundToCertificate().build(), collateral, clock);
  }
}
