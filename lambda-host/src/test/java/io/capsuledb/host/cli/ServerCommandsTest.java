package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.node.Node;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands that talk to a server, on a real one. */
class ServerCommandsTest {

  @TempDir private static Path directory;
  private static Node node;
  private static String at;

  @BeforeAll
  static void serve() throws IOException {
    Path users = directory.resolve("users.toml");
    assertThat(
            CliRun.withInput(
                    "open sesame\n", "users", "add", "default", "--users", users.toString())
                .exitCode())
        .isZero();
    assertThat(
            CliRun.withInput(
                    "look\n",
                    "users",
                    "add",
                    "reader",
                    "--users",
                    users.toString(),
                    "--permissions",
                    "read")
                .exitCode())
        .isZero();
    node =
        Node.start(
            ServeOptions.builder()
                .set(ServeSetting.DATA, "data", directory)
                .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                .set(ServeSetting.HTTP, "none", directory)
                .set(ServeSetting.MEMTABLE_MB, "64", directory)
                .set(ServeSetting.USERS, "users.toml", directory)
                .build(),
            isProtected -> null,
            "test",
            () -> {});
    at = "127.0.0.1:" + node.address().getPort();
  }

  @AfterAll
  static void stop() {
    node.close();
  }

  private static CliRun run(byte[] input, String command, String... arguments) {
    String[] all = new String[arguments.length + 3];
    all[0] = command;
    all[1] = "--connect";
    all[2] = at;
    System.arraycopy(arguments, 0, all, 3, arguments.length);
    return CliRun.with(Map.of("CAPSULE_PASSWORD", "open sesame"), input, all);
  }

  private static CliRun run(String command, String... arguments) {
    return run(new byte[0], command, arguments);
  }

  private static CliRun ok(CliRun run) {
    assertThat(run.exitCode()).as(run.toString()).isZero();
    assertThat(run.err()).as(run.toString()).isEmpty();
    return run;
  }

  @Test
  void aProofIsFetchedAndCheckedWithTheOwnersKeyAlone() throws IOException {
    Path proof = directory.resolve("proven.proof");
    ok(run("put", "proven", "hello"));
    ok(
        CliRun.with(
            Map.of("CAPSULE_PASSWORD", "open sesame"),
            new byte[0],
            "proof",
            "get",
            "--connect",
            at,
            "proven",
            "--out",
            proof.toString()));
    String generator = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    CliRun stranger = CliRun.of("proof", "check", proof.toString(), "--owner", generator);
    assertThat(stranger.exitCode()).isEqualTo(ExitCodes.INTEGRITY);
    String owner =
        stranger.out().replaceAll("(?s).*belongs to owner ([0-9a-f]{66}), not to.*", "$1");
    String checked =
        ok(CliRun.of("proof", "check", proof.toString(), "--owner", owner, "--key", "proven"))
            .out();
    assertThat(checked).contains("verdict  present", "value    hello", "ok  checkpoint: ");
    assertThat(ok(CliRun.of("proof", "check", "--json", proof.toString(), "--owner", owner)).out())
        .contains("\"present\":true", "\"value\":\"hello\"");
    CliRun other = CliRun.of("proof", "check", proof.toString(), "--owner", owner, "--key", "x");
    assertThat(other.exitCode()).isEqualTo(ExitCodes.INTEGRITY);
    assertThat(other.out()).contains("refused: MISPLACED");
    byte[] damaged = Files.readAllBytes(proof);
    damaged[damaged.length - 1] ^= 1;
    Files.write(proof, damaged);
    CliRun refused = CliRun.of("proof", "check", "--json", proof.toString(), "--owner", owner);
    assertThat(refused.exitCode()).isEqualTo(ExitCodes.INTEGRITY);
    assertThat(refused.out()).contains("\"proven\":false");
    CliRun missing = CliRun.of("proof", "check", proof + ".none", "--owner", owner);
    assertThat(missing.exitCode()).isEqualTo(ExitCodes.USAGE);
    CliRun noKey = CliRun.of("proof", "check", proof.toString(), "--owner", "02ab");
    assertThat(noKey.exitCode()).isEqualTo(ExitCodes.USAGE);
  }

  @Test
  void putGetDel() {
    assertThat(ok(run("put", "greeting", "hello wörld")).out()).isEqualTo("OK\n");
    assertThat(ok(run("get", "greeting")).out()).isEqualTo("hello wörld\n");
    assertThat(ok(run("get", "--raw", "greeting")).out()).isEqualTo("hello wörld");
    assertThat(ok(run("get", "--json", "greeting")).out())
        .isEqualTo("{\"found\":true,\"value\":\"hello wörld\"}\n");
    assertThat(ok(run("put", "--json", "--ttl", "1000", "other", "-")).out())
        .isEqualTo("{\"ok\":true}\n");
    assertThat(ok(run("get", "other")).out()).isEqualTo("\n");
    assertThat(ok(run("del", "greeting", "other", "absent")).out()).isEqualTo("2\n");
    assertThat(ok(run("del", "--json", "greeting")).out()).isEqualTo("{\"deleted\":0}\n");
    CliRun gone = run("get", "greeting");
    assertThat(gone.exitCode()).isEqualTo(ExitCodes.FAILED);
    assertThat(gone.err()).isEqualTo("capsule get: there is no such key\n");
    CliRun goneJson = run("get", "--json", "greeting");
    assertThat(goneJson.out()).isEqualTo("{\"found\":false}\n");
  }

  @Test
  void valuesOfAnyBytes() throws IOException {
    byte[] value = new byte[300_000];
    new Random(1).nextBytes(value);
    Path from = Files.write(directory.resolve("from"), value);
    ok(run("put", "--file", from.toString(), "binary"));
    Path to = directory.resolve("to");
    ok(run("get", "--file", to.toString(), "binary"));
    assertThat(Files.readAllBytes(to)).isEqualTo(value);
    ok(run(value, "put", "binary2", "-"));
    assertThat(ok(run("get", "--raw", "binary2")).bytes()).isEqualTo(value);
    assertThat(ok(run("get", "--json", "binary")).out())
        .startsWith("{\"found\":true,\"valueBase64\":\"");
    CliRun tooLong = run(new byte[(16 << 20) + 1], "put", "binary3", "-");
    assertThat(tooLong.exitCode()).isEqualTo(ExitCodes.USAGE);
    ok(run("del", "binary", "binary2"));
  }

  @Test
  void whatIsScannedCanBeLoadedAgain() throws IOException {
    StringBuilder trace = new StringBuilder();
    for (int i = 0; i < 3_000; i++) {
      trace.append("SET scan:").append(i).append(" value\\ ").append(i).append("  end \n");
    }
    trace.append("GET scan:7\nGET scan:none\n");
    Path file = Files.writeString(directory.resolve("scan.trace"), trace);
    CliRun load = ok(run("load", "--json", file.toString()));
    assertThat(load.out())
        .contains("\"operations\":3002,\"sets\":3000,\"gets\":2,\"misses\":1")
        .contains("\"errors\":0,\"malformedLines\":0,\"bytes\":" + trace.length());
    assertThat(ok(run("scan", "scan:1")).out().lines())
        .hasSize(1111)
        .allMatch(key -> key.startsWith("scan:1"));
    assertThat(ok(run("scan", "scan:", "--count", "5")).out().lines()).hasSize(5);
    assertThat(ok(run("scan", "scan:77", "--values", "--json")).out().lines())
        .contains("{\"key\":\"scan:77\",\"value\":\"value\\\\ 77  end \"}");
    assertThat(ok(run("scan", "sc*")).out()).isEmpty();

    String dump = ok(run("scan", "scan:", "--values")).out();
    assertThat(dump).contains("scan:42\tvalue\\\\ 42  end \n");
    Path tsv = Files.writeString(directory.resolve("dump.tsv"), dump.replace("scan:", "copy:"));
    ok(run("load", tsv.toString()));
    assertThat(ok(run("get", "--raw", "copy:42")).out()).isEqualTo("value\\ 42  end ");

    byte[] jsonl = "{\"op\":\"del\",\"key\":\"copy:42\"}\n".getBytes(StandardCharsets.UTF_8);
    ok(run(jsonl, "load", "--format", "jsonl", "-"));
    assertThat(run("get", "copy:42").exitCode()).isEqualTo(ExitCodes.FAILED);
  }

  @Test
  void aLoadStopsAtALineThatIsNoOperationUnlessToldToGoOn() {
    byte[] trace = "SET l1 a\nSET l2\nSET l3 c\n".getBytes(StandardCharsets.UTF_8);
    CliRun stopped = run(trace, "load", "-");
    assertThat(stopped.exitCode()).isEqualTo(ExitCodes.FAILED);
    assertThat(stopped.err()).startsWith("capsule load: line 2: ");
    assertThat(ok(run("get", "l1")).out()).isEqualTo("a\n");
    assertThat(run("get", "l3").exitCode()).isEqualTo(ExitCodes.FAILED);
    CliRun wentOn = run(trace, "load", "--keep-going", "--window", "1", "--json", "-");
    assertThat(wentOn.exitCode()).isEqualTo(ExitCodes.FAILED);
    assertThat(wentOn.out()).contains("\"sets\":2", "\"malformedLines\":1");
    assertThat(ok(run("get", "l3")).out()).isEqualTo("c\n");
  }

  @Test
  void passwordsAndPermissions() throws IOException {
    CliRun nobody = CliRun.of("get", "--connect", at, "k");
    assertThat(nobody.exitCode()).isEqualTo(ExitCodes.DENIED);
    assertThat(nobody.err()).contains("NOAUTH");
    CliRun wrong =
        CliRun.with(Map.of("CAPSULE_PASSWORD", "x"), new byte[0], "get", "--connect", at, "k");
    assertThat(wrong.exitCode()).isEqualTo(ExitCodes.DENIED);
    Path password = Files.writeString(directory.resolve("password"), "look\n");
    String[] reader = {"--user", "reader", "--password-file", password.toString()};
    CliRun read =
        CliRun.of("get", "--connect", at, reader[0], reader[1], reader[2], reader[3], "k");
    assertThat(read.exitCode()).as(read.toString()).isEqualTo(ExitCodes.FAILED);
    CliRun write =
        CliRun.of("put", "--connect", at, reader[0], reader[1], reader[2], reader[3], "k", "v");
    assertThat(write.exitCode()).as(write.toString()).isEqualTo(ExitCodes.DENIED);
    assertThat(write.err()).contains("NOPERM");
    CliRun load =
        CliRun.withInput(
            "SET k v\n".repeat(2000),
            "load",
            "--connect",
            at,
            reader[0],
            reader[1],
            reader[2],
            reader[3],
            "-");
    assertThat(load.exitCode()).as(load.toString()).isEqualTo(ExitCodes.DENIED);
  }

  @Test
  void severalCommandsAtOnce() throws InterruptedException {
    AtomicInteger wrong = new AtomicInteger();
    Thread[] threads = new Thread[4];
    for (int t = 0; t < threads.length; t++) {
      String key = "thread" + t;
      threads[t] =
          Thread.ofPlatform()
              .start(
                  () -> {
                    for (int i = 0; i < 20; i++) {
                      String value = key + ":" + i;
                      if (run("put", key, value).exitCode() != 0
                          || !run("get", key).out().equals(value + "\n")) {
                        wrong.incrementAndGet();
                      }
                    }
                  });
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(wrong).hasValue(0);
  }
}
