package io.capsuledb.host.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.config.UsersFile.User;
import io.capsuledb.scl.resp.AclUsers.Permission;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UsersFileTest {

  private static final PasswordHash PASSWORD =
      PasswordHash.create("secret".getBytes(StandardCharsets.UTF_8), new SystemEntropy());

  @TempDir private Path directory;

  @Test
  void whatIsWrittenIsReadBack() throws IOException {
    Path path = directory.resolve("users.toml");
    UsersFile file = UsersFile.empty(path);
    file.put(new User("alice", PASSWORD, EnumSet.allOf(Permission.class), List.of()));
    file.put(
        new User("b\"o\\b", PASSWORD, Set.of(Permission.READ), List.of("app:", "\"\\\u00e4\n")));
    file.put(new User("nobody", PASSWORD, Set.of(), List.of()));
    file.write();
    assertThat(Files.getPosixFilePermissions(path))
        .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    UsersFile read = UsersFile.read(path);
    assertThat(read.users()).extracting(User::name).containsExactly("alice", "b\"o\\b", "nobody");
    assertThat(read.user("b\"o\\b").prefixes()).containsExactly("app:", "\"\\\u00e4\n");
    assertThat(read.user("b\"o\\b").permissions()).containsExactly(Permission.READ);
    assertThat(read.user("nobody").permissions()).isEmpty();
    assertThat(read.user("alice").password().encoded()).isEqualTo(PASSWORD.encoded());
    assertThat(read.toAclUsers().size()).isEqualTo(3);
    assertThat(Files.readString(path)).doesNotContain("secret");
    read.remove("alice");
    read.write();
    assertThat(UsersFile.read(path).has("alice")).isFalse();
  }

  @Test
  void errorsSayWhere() throws IOException {
    String good = "[[user]]\nname = \"a\"\npassword = \"" + PASSWORD.encoded() + "\"\n";
    wrong("user = 1", "line 1", "user");
    wrong("users = []", "line 1", "users");
    wrong(good + "role = \"x\"", "line 4", "role");
    wrong("[[user]]\npassword = \"x\"", "line 1", "name");
    wrong("[[user]]\nname = \"a\"\npassword = \"plain\"", "line 3", "scrypt");
    wrong(good + "permissions = [\"all\"]", "all", "read, write and admin");
    wrong(good + "prefixes = [1]", "line 4", "prefixes");
    wrong(good + good, "line 4", "twice");
    wrong(good.replace("\"a\"", "\"a b\""), "user name", "");
  }

  private void wrong(String text, String... expected) throws IOException {
    Path path = Files.writeString(directory.resolve("wrong.toml"), text);
    assertThatThrownBy(() -> UsersFile.read(path))
        .as(text)
        .isInstanceOf(InvalidRequestException.class)
        .satisfies(e -> assertThat(e.getMessage()).contains(expected));
  }
}
