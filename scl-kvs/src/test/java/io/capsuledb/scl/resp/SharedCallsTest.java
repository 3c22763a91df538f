package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.procedure.ProcedureValue;
import io.capsuledb.scl.session.SessionToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls of procedures and changes of libraries where other workers share the capsule. */
@Timeout(60)
class SharedCallsTest {

  private static final long PATIENCE_SECONDS = 30;

  /** Grants every lock at once, and writes down who has which. A key's lock is its first byte. */
  private static final class Others implements Sharing {
    final List<String> story = Collections.synchronizedList(new ArrayList<>());
    final AtomicLong tickets = new AtomicLong();
    final Map<Long, String> held = new ConcurrentHashMap<>();
    volatile Runnable beforeGrant = () -> {};
    volatile long leaseEnd = Long.MAX_VALUE;

    @Override
    public boolean linearizable() {
      return false;
    }

    @Override
    public long lockOf(byte[] key) {
      return key[0] & 0xff;
    }

    @Override
    public void acquire(List<LockWish> wishes, Heard<Held> told) {
      StringBuilder text = new StringBuilder();
      for (LockWish wish : wishes) {
        text.append(wish.lock() == 0 ? "ALL" : Character.toString((char) wish.lock()));
        text.append(wish.mode() == LockMode.EXCLUSIVE ? "! " : " ");
      }
      beforeGrant.run();
      long ticket = tickets.incrementAndGet();
      held.put(ticket, text.toString().strip());
      story.add("+" + text.toString().strip());
      told.heard(new Held(ticket), null);
    }

    @Override
    public void finish(long ticket, boolean wrote) {
      story.add("-" + held.remove(ticket) + (wrote ? " wrote" : ""));
    }

    @Override
    public long leaseEndNanos() {
      return leaseEnd;
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

  private final Others others = new Others();
  private final AtomicInteger runs = new AtomicInteger();
  private final CountDownLatch entered = new CountDownLatch(1);
  private final CountDownLatch mayGo = new CountDownLatch(1);
  private LiveServer server;
  private Peer peer;

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static ProcedureValue nothing() {
    return new ProcedureValue.Nothing();
  }

  @BeforeEach
  void start() throws IOException {
    Map<String, JavaProcedures.Body> bodies =
        Map.of(
            "move",
            (host, keys) -> {
              runs.incrementAndGet();
              host.put(bytes("b"), host.get(bytes("a")), 0);
              return nothing();
            },
            "look",
            (host, keys) -> {
              host.get(bytes("a"));
              return nothing();
            },
            "all",
            (host, keys) -> {
              host.put(bytes("b"), bytes(host.scan(bytes("a"), null, 10).size() + ""), 0);
              return nothing();
            },
            "add",
            (host, keys) -> {
              host.merge(bytes("c"), "counter", bytes("2"));
              return nothing();
            },
            "guarded",
            (host, keys) -> {
              int run = runs.incrementAndGet();
              host.lock(bytes("l"));
              host.put(bytes("b"), bytes("run " + run + " of " + others.held.values()), 0);
              return nothing();
            },
            "slow",
            (host, keys) -> {
              entered.countDown();
              if (!mayGo.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("nobody let it go");
              }
              host.put(bytes("b"), bytes("slow"), 0);
              return nothing();
            });
    server =
        new LiveServer(
            RespServerOptions.builder().procedures(new JavaProcedures(bodies)).sharing(others));
    peer = server.connect();
    for (String name : bodies.keySet()) {
      load(name);
    }
    others.story.clear();
  }

  private void load(String function) throws IOException {
    String code = "#!js name=" + function + "\n" + function;
    peer.send("*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$" + code.length() + "\r\n" + code + "\r\n");
    assertThat(peer.reply()).startsWith("$");
  }

  @AfterEach
  void stop() throws IOException {
    mayGo.countDown();
    peer.close();
    server.close();
  }

  private void put(String key, String value) {
    try (Transaction transaction = server.db.begin()) {
      transaction.put(bytes(key), ValueType.STRING, bytes(value), 0);
      transaction.commit();
    }
  }

  @Test
  void whatWasReadAndWrittenIsLockedWhenItIsPublished() throws IOException {
    put("a", "1");
    assertThat(peer.ask("FCALL move 0")).isEqualTo("$-1\r\n");
    assertThat(others.story).containsExactly("+ALL a b!", "-ALL a b! wrote");
    assertThat(peer.ask("GET b")).contains("1");
    assertThat(runs).hasValue(1);
  }

  @Test
  void whatComesWithTheLocksHasItRunAgainUnderThem() throws IOException {
    put("a", "1");
    others.beforeGrant = () -> put("a", "2");
    assertThat(peer.ask("FCALL move 0")).isEqualTo("$-1\r\n");
    assertThat(others.story).containsExactly("+ALL a b!", "-ALL a b! wrote");
    assertThat(peer.ask("GET b")).contains("2");
    assertThat(runs).hasValue(2);
  }

  @Test
  void onlyReadingOrMergingKeepsNobodyWaiting() throws IOException {
    assertThat(peer.ask("FCALL look 0")).isEqualTo("$-1\r\n");
    assertThat(peer.ask("FCALL add 0")).isEqualTo("$-1\r\n");
    assertThat(peer.ask("FCALL add 0")).isEqualTo("$-1\r\n");
    assertThat(peer.ask("GET c")).contains("4");
    assertThat(others.story).isEmpty();
  }

  @Test
  void whoScansIsAlone() throws IOException {
    put("a1", "1");
    assertThat(peer.ask("FCALL all 0")).isEqualTo("$-1\r\n");
    assertThat(others.story).containsExactly("+ALL!", "-ALL! wrote");
  }

  @Test
  void aLockIsHeldFromBeforeTheRun() throws IOException {
    assertThat(peer.ask("FCALL guarded 0")).isEqualTo("$-1\r\n");
    assertThat(peer.ask("GET b")).contains("run 2 of [ALL l!]");
    assertThat(others.story)
        .containsExactly("+ALL l!", "-ALL l!", "+ALL b! l!", "-ALL b! l! wrote");
  }

  @Test
  void whatIsReadWithoutALeaseIsNotTold() throws IOException {
    others.leaseEnd = Long.MIN_VALUE / 2;
    assertThat(peer.ask("MULTI")).isEqualTo("+OK\r\n");
    peer.ask("GET a");
    assertThat(peer.ask("EXEC")).contains("does not hear from the coordinator");
  }

  @Test
  void anExecWithACallKeepsItsLocksUntilTheCallHasEnded() throws IOException, InterruptedException {
    assertThat(peer.ask("MULTI")).isEqualTo("+OK\r\n");
    assertThat(peer.ask("FCALL slow 0")).isEqualTo("+QUEUED\r\n");
    peer.send("EXEC\r\n");
    assertThat(entered.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(others.story).containsExactly("+ALL!");
    mayGo.countDown();
    // It may have taken longer than an EXEC may: that does not matter here.
    assertThat(peer.reply()).startsWith("*1");
    LiveServer.eventually("the lock is given back", () -> others.story.size() == 2);
    assertThat(others.story.getLast()).startsWith("-ALL!");
  }

  @Test
  void whatAnotherWorkerLoadedOrDroppedIsKnownAtOnce() throws IOException {
    assertThat(peer.ask("FUNCTION DELETE look")).isEqualTo("+OK\r\n");
    assertThat(others.story).containsExactly("+ALL +!", "-ALL +! wrote");
    assertThat(peer.ask("FCALL look 0")).isEqualTo("-ERR Function not found\r\n");
    // As if it had been merged: the library and the mark, in one record.
    StoredLibrary library = new StoredLibrary("look", 7, 1, "bob", "#!js name=look\nlook");
    try (Transaction transaction = server.db.begin()) {
      transaction.put(
          ReservedKeys.key(bytes("look")), ValueType.STRING, LibraryCodec.encode(library), 0);
      transaction.put(ReservedKeys.key(new byte[1]), ValueType.STRING, new byte[0], 0);
      transaction.commit();
    }
    assertThat(peer.ask("FCALL look 0")).isEqualTo("$-1\r\n");
    assertThat(peer.ask("FUNCTION LIST LIBRARYNAME look WITHCODE")).contains("bob");
  }
}
