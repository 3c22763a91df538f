package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.config.ReplicaSetting;
import io.capsuledb.host.config.RouterSetting;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.terminal.Streams;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The command line as far as it goes without a server. */
class CommandLineTest {

  @TempDir private Path directory;

  private static List<CommandLine> allCommands() {
    List<CommandLine> all = new ArrayList<>();
    add(CapsuleCli.commandLine(new CommandContext(Streams.ofProcess(), Map.of())), all);
    return all;
  }

  private static void add(CommandLine command, List<CommandLine> all) {
    all.add(command);
    command.getSubcommands().values().forEach(sub -> add(sub, all));
  }

  @Test
  void everyCommandExplainsItselfWithAnExample() {
    List<String> shown = new ArrayList<>();
    for (CommandLine command : allCommands()) {
      if (command.getCommandSpec().usageMessage().hidden()) {
        continue;
      }
      String name = command.getCommandSpec().qualifiedName();
      String[] words = name.substring("capsule".length()).strip().split(" ", -1);
      List<String> arguments = new ArrayList<>(List.of(words));
      arguments.removeIf(String::isEmpty);
      arguments.add("--help");
      CliRun help = CliRun.of(arguments.toArray(String[]::new));
      assertThat(help.exitCode()).as(name).isZero();
      assertThat(help.out()).as(name).contains("Usage: " + name, "Example", "  " + name);
      assertThat(help.out().lines()).as(name).allMatch(line -> line.length() <= 100);
      shown.add(name);
    }
    assertThat(shown)
        .contains(
            "capsule",
            "capsule serve",
            "capsule put",
            "capsule get",
            "capsule del",
            "capsule scan",
            "capsule load",
            "capsule verify",
            "capsule keys new",
            "capsule keys show",
            "capsule keys derive",
            "capsule users add",
            "capsule bench",
            "capsule bench replication",
            "capsule replica",
            "capsule router",
            "capsule worker",
            "capsule cluster",
            "capsule replicas status",
            "capsule replicas evidence",
            "capsule replicas add",
            "capsule replicas remove",
            "capsule replicas replace",
            "capsule replicas resume",
            "capsule evidence check",
            "capsule version");
    assertThat(CliRun.of("--help").out())
        .contains("Exit codes:", "7   outcome unknown")
        .doesNotContain("rehearse");
  }

  @Test
  void everySettingOfAServerIsAnOption() {
    String help = CliRun.of("serve", "--help").out();
    for (ServeSetting setting : ServeSetting.values()) {
      assertThat(help).contains("--" + setting.key() + "=");
    }
  }

  @Test
  void everySettingOfAReplicaIsAnOption() {
    String help = CliRun.of("replica", "--help").out();
    for (ReplicaSetting setting : ReplicaSetting.values()) {
      assertThat(help).contains("--" + setting.key() + (setting.valueLabel().isEmpty() ? "" : "="));
    }
    assertThat(help).doesNotContain(ParentWatch.FLAG);
  }

  @Test
  void everySettingOfARouterIsAnOption() {
    String help = CliRun.of("router", "--help").out();
    for (RouterSetting setting : RouterSetting.values()) {
      assertThat(help).contains("--" + setting.key() + (setting.valueLabel().isEmpty() ? "" : "="));
    }
    assertThat(help).doesNotContain(ParentWatch.FLAG);
  }

  @Test
  void aRouterThatOthersReachNeedsTlsAndSomethingThatKeepsStrangersOut() {
    CliRun plain = CliRun.of("router", "--listen", "0.0.0.0:0");
    assertThat(plain.exitCode()).isEqualTo(ExitCodes.USAGE);
    assertThat(plain.err()).contains("transport is 'plain'");
    CliRun open =
        CliRun.of(
            "router",
            "--listen",
            "0.0.0.0:0",
            "--transport",
            "tls",
            "--tls-cert",
            "c.pem",
            "--tls-key",
            "k.pem");
    assertThat(open.exitCode()).isEqualTo(ExitCodes.USAGE);
    assertThat(open.err()).contains("anybody could join");
    assertThat(CliRun.of("router", "--parent", "127.0.0.1:1,127.0.0.1:1").err())
        .contains("--parent is '127.0.0.1:1,127.0.0.1:1': allowed is each address once");
  }

  @Test
  void wrongUseIsOneSentenceThatPointsToTheHelp() {
    for (String[] wrong :
        new String[][] {
          {},
          {"no-such-command"},
          {"get"},
          {"get", "a", "b"},
          {"get", "--no-such-option", "a"},
          {"put", "a"},
          {"put", "a", "b", "--ttl", "x"},
          {"put", "a", "b", "--ttl", "0"},
          {"scan", "--count", "0"},
          {"load", "--format", "csv", "x"},
          {"load", "/no/such/file"},
          {"keys"},
          {"keys", "show", "/no/such/file"},
          {"users", "list"},
          {"verify", "/no/such/directory"},
          {"verify", "x", "--contains", "12"},
          {"bench", "--clients", "0"},
          {"bench", "--pipelines", "1,0"},
          {"get", "--connect", "6380", "a"},
          {"get", "--timeout", "0", "a"},
          {"get", "--tls-cert", "x", "a"},
          {"serve", "--memtable-mb", "0"},
          {"serve", "--history-minutes", "-1"},
          {"serve", "--cache-mb", "x"},
          {"serve", "--listen", "x"},
          {"serve", "--config", "/no/such/file"},
          {"serve", "--replicas", "192.0.2.1:1"},
          {"replica", "--listen", "0.0.0.0:1"},
          {"replica", "--owner", "12"},
          {"replica", "--config", "/no/such/file"},
          {"cluster", "--replicas", "8"},
          {"cluster", "--port", "65535"},
          {"cluster", "--no-serve", "--serve-config", "x"},
          {"replicas"},
          {"replicas", "status"},
          {"replicas", "status", "x"},
          {"replicas", "status", "@/no/such/file"},
          {"replicas", "status", "127.0.0.1:1", "--capsule", "12"},
          {"replicas", "status", "127.0.0.1:1", "--settle", "-1"},
          {"replicas", "status", "127.0.0.1:1", "--transport", "x"},
          {"replicas", "add", "127.0.0.1:1", "127.0.0.1:2"},
          {"replicas", "evidence", "192.0.2.1:1"},
          {"evidence"},
          {"evidence", "check", "/no/such/file"},
          {"serve", "--tls-cert", "x"},
        }) {
      CliRun run = CliRun.of(wrong);
      String context = String.join(" ", wrong) + "\n" + run;
      assertThat(run.exitCode()).as(context).isEqualTo(ExitCodes.USAGE);
      assertThat(run.out()).as(context).isEmpty();
      assertThat(run.err().strip().lines()).as(context).hasSize(1);
      assertThat(run.err()).as(context).startsWith("capsule").doesNotContain("Exception");
    }
  }

  @Test
  void exitCodesTellFailuresApart() throws IOException {
    Map<CapsuleException, Integer> expected =
        Map.of(
            new InvalidRequestException("x"), 2,
            new UnavailableException("x"), 3,
            new IntegrityException(Rejection.of(Rejection.Reason.SIGNATURE, "x")), 4,
            new DeniedException("x"), 5,
            new StorageException("x"), 6,
            new OutcomeUnknownException("x"), 7);
    expected.forEach((failure, code) -> assertThat(ExitCodes.of(failure)).isEqualTo(code));
    String nowhere;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      nowhere = "127.0.0.1:" + socket.getLocalPort();
    }
    CliRun nobody = CliRun.of("get", "--connect", nowhere, "key");
    assertThat(nobody.exitCode()).as(nobody.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
    assertThat(nobody.err()).contains(nowhere, "capsule serve");
  }

  @Test
  void versionSaysWhichItIs() {
    assertThat(CliRun.of("version").out()).matches("capsule \\d+\\.\\d+\\.\\d+.*\njava 25.*\n");
    assertThat(CliRun.of("version", "--json").out())
        .matches("\\{\"version\":\"\\d.*\",\"java\":\"25.*\",\"vm\":\".*\",\"os\":\".*\"}\n");
  }

  @Test
  void keysAreMadeShownProtectedAndNeverRevealedUnasked() throws IOException {
    String key = directory.resolve("owner.key").toString();
    Path passphrase = Files.writeString(directory.resolve("passphrase"), "first\nsecond line");
    CliRun made = CliRun.of("keys", "new", key, "--passphrase-file", passphrase.toString());
    assertThat(made.exitCode()).as(made.toString()).isZero();
    assertThat(made.out()).contains("protection: passphrase").doesNotContain("words");
    assertThat(Files.getPosixFilePermissions(Path.of(key)))
        .isEqualTo(PosixFilePermissions.fromString("rw-------"));

    CliRun again = CliRun.of("keys", "new", key, "--development");
    assertThat(again.exitCode()).isEqualTo(ExitCodes.USAGE);
    assertThat(again.err()).contains("--force");

    assertThat(CliRun.of("keys", "show", key).out())
        .contains("ownerPublicKey: ")
        .doesNotContain("words");
    assertThat(CliRun.of("keys", "show", key, "--reveal").exitCode()).isEqualTo(ExitCodes.DENIED);
    Map<String, String> wrong = Map.of("CAPSULE_PASSPHRASE", "third");
    assertThat(CliRun.with(wrong, new byte[0], "keys", "show", key, "--reveal").exitCode())
        .isEqualTo(ExitCodes.DENIED);
    Map<String, String> right = Map.of("CAPSULE_PASSPHRASE", "first");
    String revealed = CliRun.with(right, new byte[0], "keys", "show", key, "--reveal").out();
    assertThat(revealed).containsPattern("words: ([a-z]+ ){23}[a-z]+\n");
    String words = revealed.substring(revealed.indexOf("words: ") + 7).strip();

    // The same words are the same key.
    String restored = directory.resolve("restored.key").toString();
    CliRun restore =
        CliRun.withInput(
            words + "\n", "keys", "new", restored, "--development", "--words-file", "-");
    assertThat(restore.exitCode()).as(restore.toString()).isZero();
    assertThat(owner(restored)).isEqualTo(owner(key));
    assertThat(CliRun.of("keys", "derive", restored, "--writer", "5").out())
        .isEqualTo(CliRun.with(right, new byte[0], "keys", "derive", key, "--writer", "5").out())
        .contains("path: m/4407632'/1'/0'/0'", "writerPublicKey: ");

    // From no protection to a passphrase, and to another one.
    CliRun protect =
        CliRun.of("keys", "protect", restored, "--passphrase-file", passphrase.toString());
    assertThat(protect.exitCode()).as(protect.toString()).isZero();
    assertThat(CliRun.of("keys", "derive", restored).exitCode()).isEqualTo(ExitCodes.DENIED);
    assertThat(CliRun.with(right, new byte[0], "keys", "derive", restored).exitCode()).isZero();

    // A damaged file says so.
    byte[] bytes = Files.readAllBytes(Path.of(restored));
    bytes[bytes.length / 2] ^= 1;
    Files.write(Path.of(restored), bytes);
    assertThat(CliRun.of("keys", "show", restored).exitCode()).isEqualTo(ExitCodes.INTEGRITY);
  }

  private static String owner(String key) {
    return CliRun.of("keys", "show", key)
        .out()
        .lines()
        .filter(line -> line.startsWith("ownerPublicKey"))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void usersAreKept() {
    String file = directory.resolve("users.toml").toString();
    CliRun add = CliRun.withInput("secret\n", "users", "add", "alice", "--users", file);
    assertThat(add.exitCode()).as(add.toString()).isZero();
    assertThat(
            CliRun.withInput(
                    "pw\n",
                    "users",
                    "add",
                    "bob",
                    "--users",
                    file,
                    "--permissions",
                    "read",
                    "--prefix",
                    "a:",
                    "--prefix",
                    "b:")
                .exitCode())
        .isZero();
    assertThat(CliRun.of("users", "list", "--users", file).out())
        .isEqualTo(
            """
            alice: read, write, admin, every key
            bob: read, keys that begin with a:, b:
            """);
    assertThat(CliRun.withInput("x\n", "users", "add", "bob", "--users", file).exitCode())
        .isEqualTo(ExitCodes.USAGE);
    assertThat(CliRun.withInput("x\n", "users", "passwd", "eve", "--users", file).exitCode())
        .isEqualTo(ExitCodes.USAGE);
    assertThat(CliRun.withInput("", "users", "passwd", "bob", "--users", file).exitCode())
        .isEqualTo(ExitCodes.USAGE);
    assertThat(CliRun.withInput("new\n", "users", "passwd", "bob", "--users", file).exitCode())
        .isZero();
    assertThat(CliRun.of("users", "remove", "alice", "--users", file).exitCode()).isZero();
    assertThat(CliRun.of("users", "list", "--json", "--users", file).out())
        .isEqualTo("{\"name\":\"bob\",\"permissions\":[\"read\"],\"prefixes\":[\"a:\",\"b:\"]}\n");
  }
}
