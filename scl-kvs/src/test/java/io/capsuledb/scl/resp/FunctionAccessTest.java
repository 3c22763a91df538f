package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.scl.procedure.ProcedureEngine;
import io.capsuledb.scl.procedure.ProcedureValue;
import io.capsuledb.scl.resp.AclUsers.Permission;
import java.io.IOException;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who may do what with procedures, what replies look like, and what works without an engine. */
@Timeout(60)
class FunctionAccessTest {

  private static final String CODE = "#!js name=lib\nall";

  private static String load() {
    return "*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$" + CODE.length() + "\r\n" + CODE + "\r\n";
  }

  private static ProcedureEngine engine() {
    return new JavaProcedures(
        Map.of(
            "all",
            (host, keys) -> {
              LinkedHashMap<String, ProcedureValue> fields = new LinkedHashMap<>();
              fields.put("a", new ProcedureValue.Bool(true));
              fields.put("b", new ProcedureValue.Num(1.5));
              fields.put("c", new ProcedureValue.Nothing());
              fields.put("d", new ProcedureValue.Items(List.of(new ProcedureValue.Num(7))));
              return new ProcedureValue.Fields(fields);
            }));
  }

  private static String lines(String words) {
    return words.replace(" ", "\r\n") + "\r\n";
  }

  @Test
  void repliesHaveTheTypesOfTheProtocol() throws IOException {
    try (LiveServer live = new LiveServer(RespServerOptions.builder().procedures(engine()));
        Peer peer = live.connect()) {
      peer.send(load());
      assertThat(peer.reply()).isEqualTo("$3\r\nlib\r\n");
      assertThat(peer.ask("FCALL all 0"))
          .isEqualTo(lines("*8 $1 a :1 $1 b $3 1.5 $1 c $-1 $1 d *1 :7"));
      assertThat(peer.ask("HELLO 3")).startsWith("%");
      assertThat(peer.ask("FCALL all 0"))
          .isEqualTo(lines("%4 $1 a #t $1 b ,1.5 $1 c _ $1 d *1 :7"));
    }
  }

  @Test
  void withoutAnEngineOnlyProceduresAreOff() throws IOException {
    String why = "procedures are off: there is no compiler here";
    try (LiveServer live =
            new LiveServer(RespServerOptions.builder().procedures(ProcedureEngine.off(why)));
        Peer peer = live.connect()) {
      peer.send(load());
      assertThat(peer.reply()).startsWith("-ERR").contains(why);
      assertThat(peer.ask("FUNCTION LIST")).isEqualTo("*0\r\n");
      assertThat(peer.ask("FUNCTION STATS")).contains("engines").endsWith("*0\r\n");
      assertThat(peer.ask("FCALL all 0")).isEqualTo("-ERR Function not found\r\n");
      assertThat(peer.ask("SET a 1")).isEqualTo("+OK\r\n");
      assertThat(peer.ask("GET a")).isEqualTo("$1\r\n1\r\n");
    }
  }

  @Test
  void codeAndKeysOfLibrariesAreForAdministrators() throws IOException {
    PasswordHash secret = PasswordHash.create(new byte[] {(byte) 's'}, new SystemEntropy());
    AclUsers users =
        AclUsers.builder()
            .user("default", secret, EnumSet.of(Permission.READ, Permission.WRITE))
            .user("root", secret, EnumSet.allOf(Permission.class))
            .user("reader", secret, Set.of(Permission.READ))
            .build();
    try (LiveServer live =
            new LiveServer(RespServerOptions.builder().procedures(engine()).users(users));
        Peer root = live.connect();
        Peer peer = live.connect()) {
      assertThat(root.ask("AUTH root s")).isEqualTo("+OK\r\n");
      assertThat(peer.ask("AUTH s")).isEqualTo("+OK\r\n");
      peer.send(load());
      assertThat(peer.reply()).startsWith("-NOPERM");
      root.send(load());
      assertThat(root.reply()).isEqualTo("$3\r\nlib\r\n");
      assertThat(peer.ask("FUNCTION LIST")).contains("lib").doesNotContain("library_code");
      assertThat(peer.ask("FUNCTION LIST WITHCODE")).startsWith("-NOPERM");
      assertThat(root.ask("FUNCTION LIST WITHCODE")).contains("library_code", "root");
      assertThat(peer.ask("FUNCTION DUMP")).startsWith("-NOPERM");
      assertThat(peer.ask("FUNCTION KILL")).startsWith("-NOPERM");
      assertThat(peer.ask("CAPSULE.FNLOG all")).startsWith("-NOPERM");
      // The library's key is beside this one, and a proof shows neighbours.
      assertThat(peer.ask("SET + 1")).isEqualTo("+OK\r\n");
      assertThat(peer.ask("CAPSULE.PROOF +")).startsWith("-NOPERM").doesNotContain("lib");
      assertThat(root.ask("CAPSULE.PROOF +")).startsWith("$").contains("lib");
      assertThat(peer.ask("FCALL all 0")).startsWith("*8");
      assertThat(peer.ask("AUTH reader s")).isEqualTo("+OK\r\n");
      assertThat(peer.ask("FCALL all 0")).startsWith("-NOPERM");
    }
  }
}
