package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.session.SessionToken;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Which locks commands need in a shared capsule. */
class LockPlanTest {

  /** A key's lock is its first byte. */
  private record Others(boolean linearizable) implements Sharing {
    @Override
    public long lockOf(byte[] key) {
      return key[0];
    }

    @Override
    public void acquire(List<LockWish> wishes, Heard<Held> told) {
      told.heard(new Held(1), null);
    }

    @Override
    public void finish(long ticket, boolean wrote) {}

    @Override
    public long leaseEndNanos() {
      return Long.MAX_VALUE;
    }

    @Override
    public SessionToken token() {
      return SessionToken.NOTHING;
    }

    @Override
    public String encode(SessionToken token) {
      return "";
    }

    @Override
    public Decoded<SessionToken> decode(String text) {
      return Decoded.reject(Reason.TRUNCATED, text);
    }

    @Override
    public void waitFor(SessionToken token, long timeoutMs, Heard<Boolean> told) {
      told.heard(true, null);
    }

    @Override
    public void sync(long timeoutMs, Heard<CutPoint> told) {}

    @Override
    public @Nullable CutPoint newestCut() {
      return null;
    }

    @Override
    public Map<String, String> info() {
      return Map.of();
    }
  }

  private static final CommandTable TABLE = new CommandTable(specs());

  private static List<CommandSpec> specs() {
    List<CommandSpec> specs = new ArrayList<>(StringCommands.specs());
    specs.addAll(NumberCommands.specs());
    specs.addAll(KeyCommands.specs());
    specs.add(CommandSpec.write("FLUSHALL", -1, 0, 0, 0, context -> {}));
    specs.add(CommandSpec.read("KEYS", 2, 0, 0, 0, context -> {}));
    return specs;
  }

  private static byte[][] words(String command) {
    String[] words = command.split(" ", -1);
    byte[][] bytes = new byte[words.length][];
    for (int i = 0; i < words.length; i++) {
      bytes[i] = words[i].getBytes(StandardCharsets.US_ASCII);
    }
    return bytes;
  }

  private static CommandTable.Command command(byte[][] words) {
    return java.util.Objects.requireNonNull(TABLE.find(words[0]));
  }

  private static List<LockWish> plan(boolean linearizable, String text) {
    byte[][] words = words(text);
    return new LockPlan(new Others(linearizable)).of(command(words), words);
  }

  private static List<LockWish> of(Object... locksAndModes) {
    List<LockWish> wishes = new ArrayList<>();
    wishes.add(new LockWish(LockGrant.ALL, LockMode.SHARED));
    for (int i = 0; i < locksAndModes.length; i += 2) {
      wishes.add(new LockWish((char) locksAndModes[i], (LockMode) locksAndModes[i + 1]));
    }
    return wishes;
  }

  private static final List<LockWish> ALONE =
      List.of(new LockWish(LockGrant.ALL, LockMode.EXCLUSIVE));

  @Test
  void whatReadsBeforeItWritesNeedsItsKeysAlone() {
    for (String text :
        List.of("INCR a", "APPEND a x", "SETNX a 1", "GETSET a 1", "GETDEL a", "EXPIRE a 5")) {
      assertThat(plan(false, text)).as(text).isEqualTo(of('a', LockMode.EXCLUSIVE));
    }
    for (String option : List.of("NX", "xx", "GET", "EX 5 keepttl")) {
      assertThat(plan(false, "SET a 1 " + option))
          .as(option)
          .isEqualTo(of('a', LockMode.EXCLUSIVE));
    }
    assertThat(plan(false, "MSETNX b 1 a 2"))
        .isEqualTo(of('a', LockMode.EXCLUSIVE, 'b', LockMode.EXCLUSIVE));
    assertThat(plan(false, "RENAME b a"))
        .isEqualTo(of('a', LockMode.EXCLUSIVE, 'b', LockMode.EXCLUSIVE));
    assertThat(plan(false, "FLUSHALL")).isEqualTo(ALONE);
  }

  @Test
  void whatOnlyReadsOrOnlyWritesNeedsNothing() {
    for (String text :
        List.of("GET a", "MGET a b", "SET a NX", "SET a 1 EX 5", "DEL a b", "MSET a 1", "KEYS *")) {
      assertThat(plan(false, text)).as(text).isEmpty();
    }
  }

  @Test
  void whereEverythingIsLinearizableEverythingNeedsItsKeys() {
    assertThat(plan(true, "GET a")).isEqualTo(of('a', LockMode.SHARED));
    assertThat(plan(true, "SET a 1")).isEqualTo(of('a', LockMode.EXCLUSIVE));
    assertThat(plan(true, "KEYS *")).isEqualTo(ALONE);
  }

  @Test
  void execNeedsTheLocksOfAllThatIsQueued() {
    MultiState multi = new MultiState();
    multi.begin();
    for (String text : List.of("SET a 1", "GET b", "INCR b", "GET d")) {
      byte[][] words = words(text);
      multi.queue(command(words), words);
    }
    assertThat(new LockPlan(new Others(false)).of(multi))
        .isEqualTo(of('a', LockMode.EXCLUSIVE, 'b', LockMode.EXCLUSIVE, 'd', LockMode.SHARED));
  }
}
