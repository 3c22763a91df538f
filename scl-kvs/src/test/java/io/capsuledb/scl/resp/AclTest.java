package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.scl.resp.AclUsers.Permission;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Users, passwords and permissions, over real sockets. */
class AclTest {

  /** The cheapest hash that is accepted, so that tests do not wait for scrypt. */
  private static final PasswordHash SECRET = cheapHash("secret");

  private static PasswordHash cheapHash(String password) {
    byte[] salt = "saltsalt".getBytes(StandardCharsets.US_ASCII);
    byte[] hash =
        org.bouncycastle.crypto.generators.SCrypt.generate(
            password.getBytes(StandardCharsets.UTF_8), salt, 1024, 1, 1, 32);
    java.util.Base64.Encoder base64 = java.util.Base64.getEncoder().withoutPadding();
    return PasswordHash.parse(
            "$scrypt$ln=10,r=1,p=1$"
                + base64.encodeToString(salt)
                + "$"
                + base64.encodeToString(hash))
        .orThrow();
  }

  private static AclUsers users() {
    return AclUsers.builder()
        .user("default", SECRET, EnumSet.of(Permission.READ, Permission.WRITE))
        .user("root", cheapHash("toor"), EnumSet.allOf(Permission.class))
        .user("reader", cheapHash("r"), Set.of(Permission.READ), List.of("app:", "pub:"))
        .user("writer", cheapHash("w"), Set.of(Permission.WRITE))
        .user("nobody", cheapHash("n"), Set.of())
        .build();
  }

  private static LiveServer start() {
    return new LiveServer(RespServerOptions.builder().users(users()));
  }

  @Test
  void nothingWorksBeforeAuthentication() throws IOException {
    try (LiveServer live = start();
        Peer peer = live.connect()) {
      assertThat(peer.ask("PING")).isEqualTo("-NOAUTH Authentication required.\r\n");
      assertThat(peer.ask("GET a")).isEqualTo("-NOAUTH Authentication required.\r\n");
      assertThat(peer.ask("MULTI")).isEqualTo("-NOAUTH Authentication required.\r\n");
      assertThat(peer.ask("CLIENT ID")).isEqualTo("-NOAUTH Authentication required.\r\n");
      assertThat(peer.ask("NOSUCH")).startsWith("-ERR unknown command 'NOSUCH'");
      assertThat(peer.ask("HELLO 3"))
          .isEqualTo(
              "-NOAUTH HELLO must be called with the client already authenticated, otherwise the"
                  + " HELLO <proto> AUTH <user> <pass> option can be used to authenticate the"
                  + " client and select the RESP protocol version at the same time\r\n");
      assertThat(peer.ask("RESET")).isEqualTo("+RESET\r\n");
      assertThat(peer.ask("AUTH secret")).isEqualTo("+OK\r\n");
      assertThat(peer.ask("PING")).isEqualTo("+PONG\r\n");
      assertThat(peer.ask("ACL WHOAMI")).isEqualTo("$7\r\ndefault\r\n");
      assertThat(peer.ask("RESET")).isEqualTo("+RESET\r\n");
      assertThat(peer.ask("PING")).isEqualTo("-NOAUTH Authentication required.\r\n");
      assertThat(peer.ask("QUIT")).isEqualTo("+OK\r\n");
    }
  }

  @Test
  void unauthenticatedClientsMaySendLittle() throws IOException {
    try (LiveServer live = start()) {
      try (Peer peer = live.connect()) {
        peer.send("*11\r\n");
        assertThat(peer.rest())
            .isEqualTo("-ERR Protocol error: unauthenticated multibulk length\r\n");
      }
      try (Peer peer = live.connect()) {
        peer.send("AUTH secret\r\n");
        assertThat(peer.reply()).isEqualTo("+OK\r\n");
        peer.send("*2\r\n$4\r\nECHO\r\n$20000\r\n" + "x".repeat(20_000) + "\r\n");
        assertThat(peer.reply()).hasSize(20_010);
      }
    }
  }

  /** A client may pipeline everything, commands after AUTH included, before any reply. */
  @Test
  void pipelinedCommandsWaitForAuthentication() throws IOException {
    try (LiveServer live = start();
        Peer peer = live.connect()) {
      peer.send(
          "HELLO 3 AUTH default secret SETNAME me\r\nSET a 1\r\nCLIENT GETNAME\r\n"
              + "*12\r\n"
              + "$1\r\nX\r\n".repeat(12)
              + "MGET a b\r\n");
      assertThat(peer.reply()).startsWith("%7\r\n$6\r\nserver\r\n").contains(":3\r\n");
      assertThat(peer.reply()).isEqualTo("+OK\r\n");
      assertThat(peer.reply()).isEqualTo("$2\r\nme\r\n");
      assertThat(peer.reply()).startsWith("-ERR unknown command 'X'");
      assertThat(peer.reply()).isEqualTo("*2\r\n$1\r\n1\r\n_\r\n");
    }
  }

  @Test
  void wrongPasswordsAndUnknownUsersAreToldTheSame() throws IOException {
    String wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    try (LiveServer live = start();
        Peer peer = live.connect()) {
      assertThat(peer.ask("AUTH wrong")).isEqualTo(wrong);
      assertThat(peer.ask("AUTH nosuch secret")).isEqualTo(wrong);
      assertThat(peer.ask("HELLO 3 AUTH default wrong SETNAME me")).isEqualTo(wrong);
      assertThat(peer.ask("AUTH default secret x")).isEqualTo("-ERR syntax error\r\n");
      assertThat(peer.ask("AUTH default secret")).isEqualTo("+OK\r\n");
      assertThat(peer.ask("CLIENT GETNAME")).isEqualTo("$-1\r\n");
      assertThat(peer.ask("AUTH root wrong")).isEqualTo(wrong);
      assertThat(peer.ask("ACL WHOAMI")).isEqualTo("$7\r\ndefault\r\n");
    }
  }

  @Test
  void guessingIsSlowedDownAndCutOff() throws IOException {
    try (LiveServer live = start();
        Peer guesser = live.connect();
        Peer other = live.connect()) {
      long begin = System.nanoTime();
      StringBuilder guesses = new StringBuilder();
      for (int i = 0; i < 5; i++) {
        guesses.append("AUTH guess").append(i).append("\r\n");
      }
      guesser.send(guesses.toString());
      assertThat(other.ask("AUTH secret")).as("others are not held up").isEqualTo("+OK\r\n");
      for (int i = 0; i < 5; i++) {
        assertThat(guesser.reply()).startsWith("-WRONGPASS");
      }
      assertThat(System.nanoTime() - begin)
          .isGreaterThan((100 + 200 + 400 + 800 + 1600) * 900_000L);
      assertThat(live.server.stats().refused()).containsEntry("wrong_passwords", 0L);
    }
  }

  @Test
  void permissionsAreKept() throws IOException {
    try (LiveServer live = start();
        Peer root = live.connect();
        Peer reader = live.connect();
        Peer writer = live.connect();
        Peer nobody = live.connect()) {
      assertThat(root.ask("AUTH root toor")).isEqualTo("+OK\r\n");
      assertThat(root.ask("MSET app:a 1 pub:b 2 other 3")).isEqualTo("+OK\r\n");

      assertThat(reader.ask("AUTH reader r")).isEqualTo("+OK\r\n");
      assertThat(reader.ask("GET app:a")).isEqualTo("$1\r\n1\r\n");
      assertThat(reader.ask("MGET app:a pub:b")).isEqualTo("*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
      String noKey = "-NOPERM No permissions to access a key\r\n";
      assertThat(reader.ask("GET other")).isEqualTo(noKey);
      assertThat(reader.ask("MGET app:a other")).isEqualTo(noKey);
      assertThat(reader.ask("MEMORY USAGE other")).isEqualTo(noKey);
      assertThat(reader.ask("WATCH other")).isEqualTo(noKey);
      assertThat(reader.ask("SET app:a 2"))
          .isEqualTo("-NOPERM User reader has no permissions to run the 'set' command\r\n");
      for (String all : List.of("KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE")) {
        assertThat(reader.ask(all)).as(all).startsWith("-NOPERM User reader");
      }
      assertThat(reader.ask("MULTI")).isEqualTo("+OK\r\n");
      assertThat(reader.ask("GET other")).isEqualTo(noKey);
      assertThat(reader.ask("EXEC")).startsWith("-EXECABORT");

      assertThat(writer.ask("AUTH writer w")).isEqualTo("+OK\r\n");
      assertThat(writer.ask("SET x 1")).isEqualTo("+OK\r\n");
      assertThat(writer.ask("GET x")).startsWith("-NOPERM User writer");
      for (String admin :
          List.of(
              "CONFIG SET timeout 1",
              "CLIENT LIST",
              "CLIENT KILL ID 1",
              "ACL LIST",
              "DEBUG SLEEP 0",
              "SHUTDOWN",
              "SLOWLOG GET")) {
        assertThat(writer.ask(admin)).as(admin).startsWith("-NOPERM User writer");
      }
      assertThat(writer.ask("CLIENT PAUSE 1"))
          .isEqualTo(
              "-NOPERM User writer has no permissions to run the 'client|pause' command\r\n");

      assertThat(nobody.ask("AUTH nobody n")).isEqualTo("+OK\r\n");
      assertThat(nobody.ask("PING")).isEqualTo("+PONG\r\n");
      assertThat(nobody.ask("GET app:a")).startsWith("-NOPERM");
      assertThat(nobody.ask("SET app:a 1")).startsWith("-NOPERM");

      String list = root.ask("ACL LIST");
      assertThat(list)
          .contains("user root on ~* &* +@all")
          .contains("user reader on ~app:* ~pub:* &* -@all +@connection +@read")
          .doesNotContain("scrypt", "$scrypt", "toor");
      assertThat(root.ask("ACL GETUSER reader")).contains("~app:*").doesNotContain("scrypt");
    }
  }

  /** Whatever touches keys either says where they are, or is known to touch them all. */
  @Test
  void everyCommandOnKeysSaysWhichKeys() {
    Set<String> wholeKeySpace =
        Set.of(
            "KEYS",
            "SCAN",
            "RANDOMKEY",
            "DBSIZE",
            "FLUSHDB",
            "FLUSHALL",
            "CAPSULE.INFO",
            "CAPSULE.HEAD",
            "CAPSULE.PROOF",
            "CAPSULE.CERTIFICATE",
            "CAPSULE.RECORD");
    try (Wire wire = new Wire()) {
      List<String> without = new ArrayList<>();
      for (CommandTable.Command command : wire.state.table().all()) {
        // What a procedure touches is checked when it does.
        if ((command.reads() || command.writes())
            && !command.procedure()
            && command.spec().firstKey() == 0) {
          without.add(command.spec().name());
        }
        assertThat(command.spec().name()).matches("[A-Z_.]+");
        assertThat(CommandSummaries.of(command.spec().name()))
            .as(command.spec().name())
            .isNotEmpty();
      }
      assertThat(without).containsExactlyInAnyOrderElementsOf(wholeKeySpace);
      for (String admin : List.of("CAPSULE.FLUSH", "CAPSULE.COMPACT", "CAPSULE.VERIFY")) {
        assertThat(wire.connect().ask("COMMAND INFO " + admin)).contains("+@admin\r\n");
      }
      for (String read : List.of("CAPSULE.GET", "CAPSULE.HISTORY")) {
        assertThat(wire.connect().ask("COMMAND INFO " + read)).contains("+@read\r\n");
      }
    }
  }

  @Test
  void withoutUsersAnyPasswordOfTheDefaultUserWillDo() throws IOException {
    try (LiveServer live = new LiveServer(RespServerOptions.builder());
        Peer peer = live.connect()) {
      assertThat(peer.ask("AUTH x")).startsWith("-ERR AUTH <password> called without any password");
      assertThat(peer.ask("AUTH default x")).isEqualTo("+OK\r\n");
      assertThat(peer.ask("AUTH other x")).startsWith("-WRONGPASS");
      assertThat(peer.ask("ACL LIST")).endsWith("user default on nopass ~* &* +@all\r\n");
    }
  }

  @Test
  void aVerifiedPasswordIsRememberedAndAnotherIsNot() {
    Authenticator authenticator = new Authenticator(users(), new SystemEntropy());
    byte[] name = bytes("default");

    assertThat(authenticator.remembered(name, bytes("secret"))).isNull();
    assertThat(authenticator.verify(name, bytes("wrong"))).isNull();
    assertThat(authenticator.remembered(name, bytes("wrong"))).isNull();
    assertThat(authenticator.verify(name, bytes("secret")).name()).isEqualTo("default");
    assertThat(authenticator.remembered(name, bytes("secret")).name()).isEqualTo("default");
    assertThat(authenticator.remembered(bytes("root"), bytes("secret"))).isNull();
    assertThat(authenticator.remembered(bytes("defaults"), bytes("ecret"))).isNull();
    assertThat(authenticator.verify(bytes("x".repeat(1000)), bytes("secret"))).isNull();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void usersThatCannotBeAreNamed() {
    AclUsers.Builder builder = AclUsers.builder();
    for (String name : List.of("", "a b", "x".repeat(65), "\u00e9")) {
      assertThatThrownBy(() -> builder.user(name, SECRET, Set.of()))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("user name");
    }
    builder.user("twice", SECRET, Set.of());
    assertThatThrownBy(() -> builder.user("twice", SECRET, Set.of()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("twice");
    List<String> prefixes = new ArrayList<>();
    for (int i = 0; i < 65; i++) {
      prefixes.add("p" + i);
    }
    assertThatThrownBy(() -> builder.user("many", SECRET, Set.of(), prefixes))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("65");
  }
}
