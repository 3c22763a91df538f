package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.node.Node;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The commands for a stopped server's data: stats, backup, restore, and verify of what they made.
 */
class BackupCommandTest {

  @TempDir private Path directory;

  private Node serve(String data) {
    return Node.start(
        ServeOptions.builder()
            .set(ServeSetting.DATA, data, directory)
            .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
            .set(ServeSetting.HTTP, "none", directory)
            .set(ServeSetting.MEMTABLE_MB, "32", directory)
            .build(),
        isProtected -> null,
        "test",
        () -> {});
  }

  private void load(String data, int from, int to, String generation) {
    StringBuilder trace = new StringBuilder();
    for (int i = from; i < to; i++) {
      trace.append("SET key").append(i).append(' ').append(generation).append(i).append('\n');
    }
    try (Node node = serve(data)) {
      ok(CliRun.withInput(trace.toString(), "load", "--connect", at(node), "-"));
    }
  }

  private static String at(Node node) {
    return "127.0.0.1:" + node.address().getPort();
  }

  private static CliRun ok(CliRun run) {
    assertThat(run.exitCode()).as(run.toString()).isZero();
    return run;
  }

  private String path(String name) {
    return directory.resolve(name).toString();
  }

  private static long number(CliRun run, String field) {
    Matcher matcher = Pattern.compile("\"" + field + "\":(\\d+)").matcher(run.out());
    assertThat(matcher.find()).as(field + " in " + run).isTrue();
    return Long.parseLong(matcher.group(1));
  }

  @Test
  void aBackupTakesWhatIsNewAndRestores() throws IOException {
    load("data", 0, 1000, "a");
    CliRun first = ok(CliRun.of("backup", path("data"), path("backup"), "--json"));
    assertThat(number(first, "copied")).isEqualTo(number(first, "records")).isPositive();
    assertThat(first.out()).endsWith("}\n").doesNotContain("key1");
    CliRun again = ok(CliRun.of("backup", path("data"), path("backup"), "--json"));
    assertThat(number(again, "copied")).isZero();

    load("data", 900, 1100, "b");
    CliRun second = ok(CliRun.of("backup", path("data"), path("backup"), "--json"));
    assertThat(number(second, "copied"))
        .isEqualTo(number(second, "records") - number(first, "records"))
        .isPositive();
    assertThat(Files.exists(directory.resolve("backup/owner.key"))).isFalse();

    CliRun restored = ok(CliRun.of("restore", path("backup"), path("copy")));
    assertThat(restored.out()).contains("records in", "owner.key");
    // What can be checked without the key is.
    CliRun keyless = ok(CliRun.of("verify", path("copy")));
    assertThat(keyless.out())
        .contains(
            "signatures verified",
            "contents could not be checked for want of the owner key",
            "--key FILE",
            "as far as it could be checked");
    assertThat(ok(CliRun.of("verify", path("copy"), "--json")).out())
        .contains("\"clean\":true", "\"treeChecked\":false", "\"contentsUncheckedBecause\":\"");
    CliRun elsewhere = ok(CliRun.of("verify", path("copy"), "--key", path("data/owner.key")));
    assertThat(elsewhere.out()).contains("tree: ").endsWith("all is well\n");
    assertThat(CliRun.of("verify", path("copy"), "--key", path("no.key")).exitCode())
        .isEqualTo(ExitCodes.USAGE);
    Files.copy(directory.resolve("data/owner.key"), directory.resolve("copy/owner.key"));
    CliRun verified = ok(CliRun.of("verify", path("copy")));
    assertThat(verified.out()).contains("tree: ", "all is well");
    assertThat(CliRun.of("verify", path("data"), "--json").out())
        .isEqualTo(CliRun.of("verify", path("copy"), "--json").out());
    try (Node node = serve("copy")) {
      assertThat(ok(CliRun.of("get", "--connect", at(node), "key950")).out()).isEqualTo("b950\n");
      assertThat(ok(CliRun.of("get", "--connect", at(node), "key5")).out()).isEqualTo("a5\n");
    }
  }

  @Test
  void whatIsOpenDamagedOrInTheWayIsRefused() throws IOException {
    load("data", 0, 300, "a");
    try (Node node = serve("data")) {
      assertThat(node.address()).isNotNull();
      CliRun open = CliRun.of("backup", path("data"), path("backup"));
      assertThat(open.exitCode()).as(open.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
      assertThat(open.err()).startsWith("capsule backup: ").contains(path("data"));
      assertThat(CliRun.of("stats", path("data")).exitCode()).isEqualTo(ExitCodes.UNAVAILABLE);
    }
    assertThat(Files.exists(directory.resolve("backup"))).isFalse();
    assertThat(CliRun.of("backup", path("none"), path("backup")).exitCode())
        .isEqualTo(ExitCodes.USAGE);
    Files.createDirectory(directory.resolve("full"));
    Files.writeString(directory.resolve("full/file"), "x");
    CliRun full = CliRun.of("backup", path("data"), path("full"));
    assertThat(full.exitCode()).isEqualTo(ExitCodes.USAGE);
    assertThat(full.err()).contains("no backup");
    assertThat(CliRun.of("restore", path("full"), path("copy")).exitCode())
        .isEqualTo(ExitCodes.USAGE);

    ok(CliRun.of("backup", path("data"), path("backup")));
    CliRun notEmpty = CliRun.of("restore", path("backup"), path("data"));
    assertThat(notEmpty.exitCode()).isEqualTo(ExitCodes.USAGE);
    assertThat(notEmpty.err()).contains("not empty");
    assertThat(CliRun.of("restore", path("backup"), path("full")).exitCode())
        .isEqualTo(ExitCodes.USAGE);

    // Of another capsule.
    load("other", 0, 10, "a");
    CliRun other = CliRun.of("backup", path("other"), path("backup"));
    assertThat(other.exitCode()).as(other.toString()).isEqualTo(ExitCodes.USAGE);
    assertThat(other.err()).contains("is a backup of capsule");
    ok(CliRun.of("restore", path("backup"), path("copy")));
  }

  @Test
  void whatWasInterruptedGoesOn() throws IOException {
    load("data", 0, 500, "a");
    ok(CliRun.of("backup", path("data"), path("backup")));
    Path mark = directory.resolve("backup/backup");
    String complete = Files.readString(mark, StandardCharsets.US_ASCII);
    assertThat(complete).startsWith("capsuledb-backup 1\ncapsule ").contains("state complete\n");

    // A run that never got anywhere; the next one does.
    Files.writeString(
        mark, complete.replaceAll("(?m)^chain .*\n", "").replace("complete", "incomplete"));
    CliRun refused = CliRun.of("restore", path("backup"), path("copy"));
    assertThat(refused.exitCode()).as(refused.toString()).isEqualTo(ExitCodes.USAGE);
    assertThat(refused.err()).contains("interrupted", "capsule backup");
    ok(CliRun.of("backup", path("data"), path("backup")));
    assertThat(Files.readString(mark, StandardCharsets.US_ASCII)).isEqualTo(complete);

    // A second one that copied everything and did not get to say so: what was whole before is
    // restored.
    load("data", 500, 600, "b");
    ok(CliRun.of("backup", path("data"), path("backup")));
    Files.writeString(mark, complete.replace("complete", "incomplete"));
    ok(CliRun.of("restore", path("backup"), path("before")));
    Files.copy(directory.resolve("data/owner.key"), directory.resolve("before/owner.key"));
    assertThat(number(ok(CliRun.of("stats", path("before"), "--json")), "liveKeys")).isEqualTo(500);
    ok(CliRun.of("backup", path("data"), path("backup")));

    // As a restore leaves it that ended just before its last step.
    ok(CliRun.of("restore", path("backup"), path("copy")));
    Files.move(directory.resolve("copy/store"), directory.resolve("copy/restoring"));
    CliRun rest = ok(CliRun.of("restore", path("backup"), path("copy"), "--json"));
    assertThat(number(rest, "copied")).isZero();
    assertThat(number(rest, "records")).isPositive();
    try (Stream<Path> entries = Files.list(directory.resolve("copy"))) {
      assertThat(entries.map(entry -> entry.getFileName().toString()))
          .containsExactlyInAnyOrder("capsule", "store");
    }

    // A newer version's backup.
    Files.writeString(mark, "capsuledb-backup 2\n");
    assertThat(CliRun.of("restore", path("backup"), path("copy2")).exitCode())
        .isEqualTo(ExitCodes.INTEGRITY);
  }

  @Test
  void statsCountWhatUsersSee() throws IOException {
    load("data", 0, 1000, "a");
    load("data", 0, 100, "bb");
    CliRun stats = ok(CliRun.of("stats", path("data"), "--json"));
    assertThat(number(stats, "liveKeys")).isEqualTo(1000);
    long bytes = 0;
    for (int i = 0; i < 1000; i++) {
      String digits = Integer.toString(i);
      bytes += 3 + digits.length() + (i < 100 ? 2 : 1) + digits.length();
    }
    assertThat(number(stats, "liveBytes")).isEqualTo(bytes);
    assertThat(number(stats, "storeBytes"))
        .isGreaterThan(number(stats, "logBytes") + number(stats, "reclaimableBytes"));
    assertThat(number(stats, "recordBytes")).isGreaterThan(number(stats, "liveBytes"));
    String text = ok(CliRun.of("stats", path("data"))).out();
    String help = CliRun.of("stats", "--help").out();
    for (String figure :
        List.of(
            "live",
            "history",
            "tail",
            "records",
            "released",
            "store",
            "logs",
            "reclaimable",
            "amplification")) {
      assertThat(text).contains("\n" + figure);
      assertThat(help).contains("\n  " + figure);
    }

    // Without the key nothing can be counted, and verify says what it left out.
    Path passphrase = Files.writeString(directory.resolve("passphrase"), "sesame\n");
    ok(
        CliRun.of(
            "keys", "protect", path("data/owner.key"), "--passphrase-file", passphrase.toString()));
    assertThat(CliRun.of("stats", path("data")).exitCode()).isEqualTo(ExitCodes.DENIED);
    assertThat(ok(CliRun.of("verify", path("data"))).out()).contains("blocks not looked into");
    Map<String, String> right = Map.of("CAPSULE_PASSPHRASE", "sesame");
    assertThat(ok(CliRun.with(right, new byte[0], "verify", path("data"))).out())
        .contains("tree: ");
    assertThat(
            number(
                ok(CliRun.with(right, new byte[0], "stats", path("data"), "--json")), "liveKeys"))
        .isEqualTo(1000);
  }
}
