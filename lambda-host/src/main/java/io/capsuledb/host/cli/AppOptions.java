package io.capsuledb.host.cli;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.channel.LinkClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.job.LaunchClient;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.PolicyTexts;
import io.capsuledb.host.node.CapsuleFounding;
import io.capsuledb.host.node.OwnerKeyFile;
import io.capsuledb.host.process.LaunchFile;
import io.capsuledb.host.terminal.Passphrase;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the commands about launched programs have in common. */
final class AppOptions {

  @Option(
      names = "--cluster",
      paramLabel = "DIR",
      description =
          "The directory of a running 'capsule cluster --enclaves': what is not given below is taken"
              + " from there.")
  private @Nullable Path cluster;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description =
          "Directory of the owner's key, made if it is new, and of what is kept of jobs; capsule-app"
              + " if not given.")
  private @Nullable Path data;

  @Option(
      names = "--passphrase-file",
      paramLabel = "FILE",
      description =
          "File whose first line is the passphrase of the owner's key; if not given: the environment"
              + " variable CAPSULE_PASSPHRASE, else a prompt, if it has one.")
  private @Nullable String passphraseFile;

  @Option(names = "--leader", paramLabel = "HOST:PORT", description = "The leader.")
  private @Nullable String leader;

  @Option(names = "--scheduler", paramLabel = "HOST:PORT", description = "The scheduler.")
  private @Nullable String scheduler;

  @Option(
      names = "--replicas",
      paramLabel = "LIST",
      description = "HOST:PORT=KEY with commas between, or @FILE; where the data are.")
  private @Nullable String replicas;

  @Option(
      names = "--join",
      paramLabel = "LIST",
      description = "Routers for the workers, HOST:PORT with commas between.")
  private @Nullable String routers;

  @Option(
      names = "--policy",
      paramLabel = "FILE.toml",
      description = "Whom to take for a leader, and whom that may take for a worker.")
  private @Nullable Path policy;

  @Option(
      names = "--collateral",
      paramLabel = "DIR",
      description = "Collateral for the leader's evidence.")
  private @Nullable Path collateral;

  @Mixin private MemberLinkOptions links = new MemberLinkOptions();

  private @Nullable LaunchFile file;

  private @Nullable LaunchFile file() {
    Path known = cluster;
    if (file == null && known != null) {
      file = LaunchFile.read(known);
    }
    return file;
  }

  private String wanted(String name, @Nullable String given) {
    LaunchFile known = file();
    String value = given != null || known == null ? given : known.get(name);
    if (value == null) {
      throw new InvalidRequestException("give --" + name + ", or --cluster");
    }
    return value;
  }

  Path data() {
    LaunchFile known = file();
    Path given = data;
    if (given != null) {
      return given;
    }
    return known == null ? Path.of("capsule-app") : Path.of(wanted("data", null));
  }

  HostPort leader() {
    return HostPort.parse(wanted("leader", leader));
  }

  HostPort scheduler() {
    return HostPort.parse(wanted("scheduler", scheduler));
  }

  String replicas() {
    return wanted("replicas", replicas);
  }

  /** Signed metadata of the owner's capsule, founded if there is none. */
  byte[] capsule(KeyTree owner) {
    return CapsuleFounding.findOrFound(
        data(), replicas(), links.security(), owner, new SystemClock(), new SystemEntropy());
  }

  /** Where the capsule is, for workers. */
  LaunchMessage.Place place() {
    LaunchFile known = file();
    String given = routers == null && known != null ? known.get("join") : routers;
    return new LaunchMessage.Place(
        ReplicaAddress.parseList(replicas(), Path.of("")).stream()
            .map(ReplicaAddress::toString)
            .toList(),
        given == null || given.isEmpty()
            ? List.of()
            : List.of(given.split(",", -1)).stream().map(String::strip).toList());
  }

  LaunchMessage.PolicyText policy() {
    return PolicyTexts.read(policyFile());
  }

  private Path policyFile() {
    Path given = policy;
    return given != null ? given : Path.of(wanted("policy", null));
  }

  private Supplier<Collateral> collateral() {
    LaunchFile known = file();
    Path given = collateral;
    String there = known == null ? null : known.get("collateral");
    if (given == null && there == null) {
      return () -> Collateral.NONE;
    }
    Path folder = given != null ? given : Path.of(String.valueOf(there));
    return () -> CollateralFolder.read(folder);
  }

  /** Connects to the leader, judges it, and shows who the owner is. */
  LaunchClient connect(KeyTree owner) {
    return LaunchClient.leader(
        leader(),
        new LinkClient.Security(null, PolicyTexts.rules(policy(), collateral(), new SystemClock())),
        owner,
        new SystemEntropy());
  }

  /**
   * The owner's keys.
   *
   * @param make whether they may be made, if there are none
   */
  KeyTree owner(CommandContext context, boolean make) {
    Path path = data().resolve("owner.key");
    OwnerKeyFile key;
    char[] passphrase = null;
    if (!Files.exists(path) && make) {
      passphrase = Passphrase.given(passphraseFile, context.streams().in(), context.environment());
      char[] kept = passphrase == null ? null : passphrase.clone();
      LaunchFile.directory(data());
      try (Mnemonic words = Mnemonic.generate(new SystemEntropy())) {
        key = OwnerKeyFile.write(path, words.entropy(), kept, false, new SystemEntropy());
      }
      context
          .streams()
          .err()
          .println(
              "made the owner's key "
                  + path
                  + (key.isProtected()
                      ? ""
                      : ": DEVELOPMENT, without a passphrase; protect it with 'capsule keys"
                          + " protect'"));
    } else {
      key = OwnerKeyFile.read(path);
      if (key.isProtected()) {
        passphrase =
            Passphrase.givenOrAsked(
                passphraseFile, context.streams().in(), context.environment(), path.toString());
      }
    }
    try (SecretBytes opened = key.open(passphrase);
        Mnemonic words = Mnemonic.fromEntropy(opened)) {
      return KeyTree.fromMnemonic(words, "");
    }
  }
}
