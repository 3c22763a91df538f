package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.node.OwnerKeyFile;
import io.capsuledb.host.replica.MembershipChange;
import io.capsuledb.host.replica.ReplicaCaller;
import io.capsuledb.host.replica.ReplicaSurvey;
import io.capsuledb.host.terminal.Passphrase;
import io.capsuledb.host.terminal.PrivateFile;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What the commands have in common that change which replicas hold a capsule. */
abstract class ReplicasChangeCommand implements Callable<Integer> {

  private static final int MAX_DEADLINE_SECONDS = 86_400;

  @Parameters(
      index = "0",
      paramLabel = "REPLICAS",
      description = "The replicas there are; @FILE is kept up to date by this command.")
  private String replicas = "";

  @Option(
      names = "--capsule",
      paramLabel = "NAME",
      description = "The capsule, 64 hex digits; may be left out where there is only one.")
  private @Nullable String capsule;

  @Option(
      names = "--owner-key",
      paramLabel = "FILE",
      required = true,
      description = "The key file of the capsule's owner, who signs the change.")
  private Path ownerKey = Path.of("");

  @Option(
      names = "--passphrase-file",
      paramLabel = "FILE",
      description =
          "File whose first line is the key file's passphrase, - for the standard input. If not"
              + " given: the environment variable CAPSULE_PASSPHRASE, else a prompt.")
  private @Nullable String passphraseFile;

  @Option(
      names = "--quorum",
      paramLabel = "N",
      description = "How many of the new replicas make a write durable; a majority if not given.")
  private @Nullable Integer quorum;

  @Option(
      names = "--deadline",
      paramLabel = "SECONDS",
      description =
          "Give up after so long; the same command goes on later. 3600 if not given: a new replica"
              + " has to fetch everything.")
  private int deadlineSeconds = 3600;

  @ArgGroup(validate = false, heading = LinkOptions.HEADING)
  private LinkOptions links = new LinkOptions();

  private final CommandContext context;

  ReplicasChangeCommand(CommandContext context) {
    this.context = context;
  }

  /** Replicas beside those that there are. */
  abstract List<ReplicaAddress> newcomers();

  /** The set of replicas that is wanted after a set; the same again where it is reached already. */
  abstract List<PublicKey> wanted(List<PublicKey> before, ReplicaCaller caller);

  @Override
  public Integer call() {
    if (deadlineSeconds < 1 || deadlineSeconds > MAX_DEADLINE_SECONDS) {
      throw new InvalidRequestException(
          "--deadline is " + deadlineSeconds + ": allowed are 1 to " + MAX_DEADLINE_SECONDS);
    }
    List<ReplicaAddress> all = LinkOptions.list(replicas);
    for (ReplicaAddress newcomer : newcomers()) {
      if (all.stream().noneMatch(known -> known.address().equals(newcomer.address()))) {
        all.add(newcomer);
      }
    }
    try (ReplicaCaller caller = links.open(all);
        KeyTree owner = owner()) {
      CapsuleName name = capsule == null ? only(caller) : ReplicasStatusCommand.name(capsule);
      MembershipChange change =
          new MembershipChange(
              caller,
              name,
              new Signer(owner),
              new PendingFile(ownerKey, name),
              new SystemClock(),
              1000L * deadlineSeconds,
              this::say);
      ReplicaSet underWay = change.underWay();
      keepList(caller, all);
      Membership last = change.run(target(caller, underWay));
      keepList(
          caller,
          all.stream()
              .filter(
                  replica -> {
                    PublicKey key = keyOf(caller, replica);
                    return key == null || last.names(key);
                  })
              .toList());
      context
          .streams()
          .out()
          .println(
              "capsule "
                  + name
                  + " is held by "
                  + last.current().replicas().size()
                  + " replicas, quorum "
                  + last.current().quorum()
                  + ", membership "
                  + last.version());
    }
    return ExitCodes.OK;
  }

  private void say(String text) {
    context.streams().err().println(text);
  }

  /** What is wanted, of the set in force; a change that only resumes wants what is under way. */
  Function<ReplicaSet, ReplicaSet> target(ReplicaCaller caller, @Nullable ReplicaSet underWay) {
    return before -> {
      List<PublicKey> keys = wanted(before.replicas(), caller);
      Integer given = quorum;
      if (keys.equals(before.replicas()) && given == null) {
        return before;
      }
      int least = keys.size() / 2 + 1;
      int needed = given == null ? least : given;
      if (keys.isEmpty() || needed < least || needed > keys.size()) {
        throw new InvalidRequestException(
            keys.isEmpty()
                ? "no replica would be left"
                : "--quorum is "
                    + needed
                    + " of "
                    + keys.size()
                    + " replicas: allowed are "
                    + least
                    + " to "
                    + keys.size());
      }
      return new ReplicaSet(keys, needed);
    };
  }

  /** The key at an address: the one it proved, else the one that was written beside it. */
  static @Nullable PublicKey keyOf(ReplicaCaller caller, ReplicaAddress replica) {
    for (ReplicaAddress known : caller.replicas()) {
      if (known.address().equals(replica.address())) {
        PublicKey proved = caller.keyOf(known);
        return proved != null ? proved : known.key() != null ? known.key() : replica.key();
      }
    }
    return replica.key();
  }

  /** As {@link #keyOf}, and it is an error if it is not known. */
  static PublicKey requireKey(ReplicaCaller caller, ReplicaAddress replica) {
    PublicKey key = keyOf(caller, replica);
    if (key == null) {
      throw new UnavailableException(
          "the replica " + replica.address() + " cannot be reached, so its key is not known");
    }
    return key;
  }

  private CapsuleName only(ReplicaCaller caller) {
    List<CapsuleName> names = new ReplicaSurvey(caller, new SystemClock(), 0).names();
    if (names.isEmpty()) {
      throw new UnavailableException(
          "the replicas that can be reached hold no capsule, or none can be reached");
    }
    if (names.size() > 1) {
      throw new InvalidRequestException(
          "there are " + names.size() + " capsules: say which with --capsule");
    }
    return names.getFirst();
  }

  private KeyTree owner() {
    OwnerKeyFile file = OwnerKeyFile.read(ownerKey);
    char[] passphrase =
        file.isProtected()
            ? Passphrase.givenOrAsked(
                passphraseFile, context.streams().in(), context.environment(), ownerKey.toString())
            : null;
    try (SecretBytes opened = file.open(passphrase);
        Mnemonic words = Mnemonic.fromEntropy(opened)) {
      return KeyTree.fromMnemonic(words, "");
    }
  }

  /** Writes the list back, with the keys that are known, if it came from a file. */
  private void keepList(ReplicaCaller caller, List<ReplicaAddress> list) {
    if (!replicas.startsWith("@")) {
      return;
    }
    StringBuilder text = new StringBuilder("# Replicas, kept by 'capsule replicas'.\n");
    for (ReplicaAddress replica : list) {
      text.append(new ReplicaAddress(replica.address(), keyOf(caller, replica))).append('\n');
    }
    PrivateFile.write(
        Path.of(replicas.substring(1)), text.toString().getBytes(StandardCharsets.UTF_8), true);
  }

  private record Signer(KeyTree tree) implements MembershipChange.Owner {
    @Override
    public PublicKey key() {
      return tree.ownerPublicKey();
    }

    @Override
    public byte[] sign(Hash32 digest) {
      return tree.signAsOwner(digest);
    }
  }

  /** The membership signed last, beside the owner's key file. */
  private record PendingFile(Path path) implements MembershipChange.Journal {

    private static final int NAME_DIGITS = 16;

    PendingFile(Path ownerKey, CapsuleName capsule) {
      this(
          ownerKey.resolveSibling(
              ownerKey.getFileName()
                  + "."
                  + capsule.toString().substring(0, NAME_DIGITS)
                  + ".membership"));
    }

    @Override
    public byte @Nullable [] pending() {
      try {
        return Files.exists(path) ? Files.readAllBytes(path) : null;
      } catch (IOException e) {
        throw new StorageException("cannot read " + path + " (" + e + ")", e);
      }
    }

    @Override
    public void keep(byte @Nullable [] signedMembership) {
      if (signedMembership != null) {
        PrivateFile.write(path, signedMembership, true);
        return;
      }
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        throw new StorageException("cannot remove " + path + " (" + e + ")", e);
      }
    }
  }

  /** One replica more. */
  @Command(
      name = "add",
      header = "Have one replica more hold a capsule, while it is written.",
      description = {
        "",
        "The owner signs a membership of the old and the new replicas together; the new one fetches",
        "everything; when a quorum of the new set holds all that a quorum of the old one did, the",
        "owner signs the new set alone. Nothing that is durable is ever at risk. If this is",
        "interrupted, the same command goes on.",
        ""
      },
      footer = {
        "",
        "Example:",
        "  capsule replicas add @replicas.txt 127.0.0.1:7403 --owner-key capsule-data/owner.key"
      })
  static final class Add extends ReplicasChangeCommand {
    @Parameters(index = "1", paramLabel = "NEW", description = "The new one: HOST:PORT[=KEY].")
    private String newcomer = "";

    Add(CommandContext context) {
      super(context);
    }

    @Override
    List<ReplicaAddress> newcomers() {
      return List.of(ReplicaAddress.parse(newcomer));
    }

    @Override
    List<PublicKey> wanted(List<PublicKey> before, ReplicaCaller caller) {
      PublicKey key = requireKey(caller, ReplicaAddress.parse(newcomer));
      List<PublicKey> keys = new ArrayList<>(before);
      if (!keys.contains(key)) {
        keys.add(key);
      }
      return keys;
    }
  }

  /** One replica less. */
  @Command(
      name = "remove",
      header = "Have one replica less hold a capsule, while it is written.",
      description = {
        "",
        "As 'replicas add'. The replica that is removed need not be reachable; then it is named by",
        "its public key. What it holds stays on its disk.",
        ""
      },
      footer = {
        "",
        "Example:",
        "  capsule replicas remove @replicas.txt 02ab… --owner-key capsule-data/owner.key"
      })
  static final class Remove extends ReplicasChangeCommand {
    @Parameters(
        index = "1",
        paramLabel = "OLD",
        description = "The one to be removed: its public key, or its HOST:PORT.")
    private String old = "";

    Remove(CommandContext context) {
      super(context);
    }

    @Override
    List<ReplicaAddress> newcomers() {
      return List.of();
    }

    @Override
    List<PublicKey> wanted(List<PublicKey> before, ReplicaCaller caller) {
      List<PublicKey> keys = new ArrayList<>(before);
      keys.remove(named(old, caller));
      return keys;
    }
  }

  /** One replica in the place of another. */
  @Command(
      name = "replace",
      header = "Have another replica hold a capsule in the place of one, while it is written.",
      description = {
        "",
        "As 'replicas add' and 'replicas remove' in one. The old replica need not be reachable; then",
        "it is named by its public key.",
        ""
      },
      footer = {
        "",
        "Example:",
        "  capsule replicas replace @replicas.txt 02ab… 127.0.0.1:7403 --owner-key owner.key"
      })
  static final class Replace extends ReplicasChangeCommand {
    @Parameters(
        index = "1",
        paramLabel = "OLD",
        description = "The one to be replaced: its public key, or its HOST:PORT.")
    private String old = "";

    @Parameters(index = "2", paramLabel = "NEW", description = "The new one: HOST:PORT[=KEY].")
    private String newcomer = "";

    Replace(CommandContext context) {
      super(context);
    }

    @Override
    List<ReplicaAddress> newcomers() {
      return List.of(ReplicaAddress.parse(newcomer));
    }

    @Override
    List<PublicKey> wanted(List<PublicKey> before, ReplicaCaller caller) {
      PublicKey gone = named(old, caller);
      PublicKey key = requireKey(caller, ReplicaAddress.parse(newcomer));
      List<PublicKey> keys = new ArrayList<>(before);
      if (keys.contains(key)) {
        keys.remove(gone);
      } else if (keys.contains(gone)) {
        keys.set(keys.indexOf(gone), key);
      } else {
        throw new InvalidRequestException(gone + " is none of the capsule's replicas");
      }
      return keys;
    }
  }

  /** What was begun. */
  @Command(
      name = "resume",
      header = "Finish a change of replicas that was interrupted.",
      description = {"", "REPLICAS has to name the new ones, too.", ""},
      footer = {
        "",
        "Example:",
        "  capsule replicas resume @replicas.txt --owner-key capsule-data/owner.key"
      })
  static final class Resume extends ReplicasChangeCommand {

    Resume(CommandContext context) {
      super(context);
    }

    @Override
    List<ReplicaAddress> newcomers() {
      return List.of();
    }

    @Override
    List<PublicKey> wanted(List<PublicKey> before, ReplicaCaller caller) {
      return before;
    }

    @Override
    Function<ReplicaSet, ReplicaSet> target(ReplicaCaller caller, @Nullable ReplicaSet underWay) {
      return before -> underWay == null ? before : underWay;
    }
  }

  private static PublicKey named(String text, ReplicaCaller caller) {
    return text.indexOf(':') < 0
        ? ReplicaAddress.key(text)
        : requireKey(caller, ReplicaAddress.parse(text));
  }
}
