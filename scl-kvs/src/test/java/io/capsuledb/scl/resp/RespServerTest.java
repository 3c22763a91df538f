package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.uring.IoUring;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The server on real sockets: transports, threads, admission, slow clients, stopping. */
class RespServerTest {

  private static RespServerOptions.Builder options() {
    return RespServerOptions.builder();
  }

  @ParameterizedTest
  @EnumSource(RespServerOptions.Transport.class)
  void servesOverEveryTransportThatWorksHere(RespServerOptions.Transport transport)
      throws IOException {
    boolean works =
        switch (transport) {
          case AUTO, NIO -> true;
          case EPOLL -> Epoll.isAvailable();
          case IO_URING -> IoUring.isAvailable();
        };
    if (!works) {
      assertThatThrownBy(() -> new LiveServer(options().transport(transport)))
          .isInstanceOf(InvalidRequestException.class);
      return;
    }
    try (LiveServer live = new LiveServer(options().transport(transport));
        Peer peer = live.connect()) {
      if (transport != RespServerOptions.Transport.AUTO) {
        assertThat(live.server.transport()).isEqualTo(transport.name().toLowerCase(Locale.ROOT));
      }
      peer.send("SET a 1\r\nGET a\r\nINCR a\r\nNOSUCH\r\nMGET a b\r\n");
      assertThat(peer.reply()).isEqualTo("+OK\r\n");
      assertThat(peer.reply()).isEqualTo("$1\r\n1\r\n");
      assertThat(peer.reply()).isEqualTo(":2\r\n");
      assertThat(peer.reply()).startsWith("-ERR unknown command 'NOSUCH'");
      assertThat(peer.reply()).isEqualTo("*2\r\n$1\r\n2\r\n$-1\r\n");
      RespServerStats stats = live.server.stats();
      assertThat(stats.connections()).isOne();
      assertThat(stats.commands()).containsEntry("get", 1L).containsEntry("set", 1L);
      assertThat(stats.commandsFailed()).isOne();
      assertThat(stats.bytesIn()).isEqualTo(9 + 7 + 8 + 8 + 10);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = RespServerOptions.Transport.class,
      names = {"AUTO", "NIO"})
  void manyClientsOnSeveralLoopsSeeOneHistory(RespServerOptions.Transport transport)
      throws Exception {
    int clients = 20;
    int increments = 300;
    try (LiveServer live = new LiveServer(options().ioThreads(3).transport(transport));
        ExecutorService pool = Executors.newFixedThreadPool(clients)) {
      List<Future<List<Long>>> all = new ArrayList<>();
      for (int i = 0; i < clients; i++) {
        Callable<List<Long>> client = () -> increment(live, increments);
        all.add(pool.submit(client));
      }
      Set<Long> seen = new TreeSet<>();
      for (Future<List<Long>> one : all) {
        List<Long> replies = one.get(60, TimeUnit.SECONDS);
        assertThat(replies).isSorted();
        seen.addAll(replies);
      }
      assertThat(seen).hasSize(clients * increments).contains(1L, (long) clients * increments);
      LiveServer.eventually(
          "all replies are counted as gone", () -> live.server.stats().pendingReplies() == 0);
    }
  }

  /** Alternates between single commands and pipelines. */
  private static List<Long> increment(LiveServer live, int times) throws IOException {
    List<Long> replies = new ArrayList<>();
    try (Peer peer = live.connect()) {
      int sent = 0;
      while (sent < times) {
        int batch = sent % 2 == 0 ? 1 : Math.min(16, times - sent);
        peer.send("INCR counter\r\n".repeat(batch));
        for (int i = 0; i < batch; i++) {
          replies.add(Long.parseLong(peer.reply().substring(1).trim()));
        }
        sent += batch;
      }
    }
    return replies;
  }

  @Test
  void aWriteIsAnsweredOnlyWhenTheDiskHasIt() throws IOException {
    try (LiveServer live = new LiveServer(options());
        Peer writer = live.connect();
        Peer reader = live.connect()) {
      live.disk.holdAppends(true);
      writer.send("SET a 1\r\n");
      assertThat(live.disk.awaitHeldAppend()).isNotEmpty();

      reader.send("GET a\r\n");
      LiveServer.eventually("both wait", () -> live.server.stats().pendingReplies() == 2);
      assertThat(writer.silentFor(100)).isTrue();
      assertThat(reader.silentFor(100)).isTrue();
      assertThat(live.server.stats().pendingReplies()).isEqualTo(2);
      live.disk.holdAppends(false);

      assertThat(writer.reply()).isEqualTo("+OK\r\n");
      assertThat(reader.reply()).isEqualTo("$1\r\n1\r\n");
    }
  }

  @Test
  void clientsBeyondTheLimitAreTurnedAwayWithAReason() throws IOException {
    try (LiveServer live = new LiveServer(options().maxClients(2));
        Peer first = live.connect();
        Peer second = live.connect()) {
      assertThat(first.ask("PING")).isEqualTo("+PONG\r\n");
      assertThat(second.ask("PING")).isEqualTo("+PONG\r\n");
      try (Peer third = live.connect()) {
        assertThat(third.rest()).isEqualTo("-ERR max number of clients reached\r\n");
      }
      assertThat(live.server.stats().refused()).containsEntry("max_clients", 1L);
      assertThat(first.ask("CONFIG SET maxclients 3")).isEqualTo("+OK\r\n");
      try (Peer third = live.connect()) {
        assertThat(third.ask("PING")).isEqualTo("+PONG\r\n");
      }
      assertThat(first.ask("CONFIG SET maxclients 2")).isEqualTo("+OK\r\n");
      assertThat(second.ask("QUIT")).isEqualTo("+OK\r\n");
      LiveServer.eventually("a place is free", () -> live.server.stats().connections() == 1);
      try (Peer next = live.connect()) {
        assertThat(next.ask("PING")).isEqualTo("+PONG\r\n");
      }
    }
  }

  @Test
  void aClientThatDoesNotReadIsBoundedAndHoldsUpNobody() throws Exception {
    int requests = 300;
    int size = 1 << 20;
    try (LiveServer live = new LiveServer(options());
        Peer slow = live.connect();
        Peer other = live.connect();
        ExecutorService pool = Executors.newSingleThreadExecutor()) {
      slow.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$" + size + "\r\n" + "v".repeat(size) + "\r\n");
      assertThat(slow.reply()).isEqualTo("+OK\r\n");

      slow.send("*2\r\n$3\r\nGET\r\n$1\r\na\r\n".repeat(requests));
      LiveServer.eventually(
          "replies pile up", () -> live.server.stats().bufferedOutputBytes() >= size);
      for (int i = 0; i < 200; i++) {
        assertThat(other.ask("PING")).isEqualTo("+PONG\r\n");
        assertThat(live.server.stats().bufferedOutputBytes()).isLessThan(8L * size);
      }

      Callable<Long> drain =
          () -> {
            long bytes = 0;
            for (int i = 0; i < requests; i++) {
              bytes += slow.reply().length();
            }
            return bytes;
          };
      assertThat(pool.submit(drain).get(60, TimeUnit.SECONDS)).isEqualTo(requests * (size + 12L));
      LiveServer.eventually(
          "nothing is held any more", () -> live.server.stats().bufferedOutputBytes() == 0);
    }
  }

  @Test
  void aClientThatSendsAndShutsDownStillGetsItsReplies() throws IOException {
    try (LiveServer live = new LiveServer(options());
        Peer peer = live.connect()) {
      peer.send("SET a 1\r\nINCR a\r\nPING\r\n");
      peer.socket.shutdownOutput();

      assertThat(peer.rest()).isEqualTo("+OK\r\n:2\r\n+PONG\r\n");
      LiveServer.eventually("it is gone", () -> live.server.stats().connections() == 0);
    }
  }

  @Test
  void clientsThatVanishAreForgotten() throws IOException {
    try (LiveServer live = new LiveServer(options())) {
      for (String last :
          List.of(
              "",
              "SET a",
              "WAIT 1 0\r\n",
              // The client is gone by the time its WAIT begins.
              "DEBUG SLEEP 0.3\r\nWAIT 1 0\r\n",
              "MULTI\r\nSET a 1\r\n",
              "*2\r\n$3\r\nGET\r\n$100")) {
        Peer peer = live.connect();
        peer.send("PING\r\n" + last);
        assertThat(peer.reply()).isEqualTo("+PONG\r\n");
        peer.close();
      }
      LiveServer.eventually("all are gone", () -> live.server.stats().connections() == 0);
      assertThat(live.server.stats().bufferedInputBytes()).isZero();
    }
  }

  @Test
  void killedClientsAreClosed() throws IOException {
    try (LiveServer live = new LiveServer(options().ioThreads(2));
        Peer killer = live.connect();
        Peer victim = live.connect()) {
      String id = victim.ask("CLIENT ID").substring(1).trim();
      assertThat(killer.ask("CLIENT KILL ID " + id)).isEqualTo(":1\r\n");
      assertThat(victim.rest()).isEmpty();
      String address = killer.socket.getLocalSocketAddress().toString().replaceAll(".*/", "");
      assertThat(killer.ask("CLIENT KILL " + address)).isEqualTo("+OK\r\n");
      assertThat(killer.rest()).isEmpty();
    }
  }

  @Test
  void stoppingLetsRepliesLeaveAndTakesNothingNew() throws Exception {
    LiveServer live = new LiveServer(options());
    try (Peer peer = live.connect();
        Peer blocked = live.connect();
        Peer idle = live.connect();
        ExecutorService pool = Executors.newSingleThreadExecutor()) {
      assertThat(idle.ask("PING")).isEqualTo("+PONG\r\n");
      assertThat(blocked.ask("PING")).isEqualTo("+PONG\r\n");
      blocked.send("WAIT 1 0\r\n");
      live.disk.holdAppends(true);
      peer.send("SET a 1\r\n");
      live.disk.awaitHeldAppend();

      Future<?> stop = pool.submit(live.server::close);
      assertThat(idle.rest()).isEmpty();
      assertThat(blocked.rest()).isEqualTo("-ERR UNAVAILABLE the server is shutting down\r\n");
      assertThat(peer.silentFor(50)).isTrue();
      live.disk.holdAppends(false);

      assertThat(peer.rest()).isEqualTo("+OK\r\n");
      stop.get(30, TimeUnit.SECONDS);
      assertThatThrownBy(live::connect).isInstanceOf(IOException.class);
    } finally {
      live.close();
    }
  }

  /** And the engine below goes on: it belongs to somebody else. */
  @Test
  void stoppingDoesNotWaitForEver() throws Exception {
    LiveServer live = new LiveServer(options().stopTimeoutMs(200));
    try (Peer peer = live.connect()) {
      live.disk.holdAppends(true);
      peer.send("SET a 1\r\n");
      live.disk.awaitHeldAppend();

      live.server.close();

      assertThat(peer.rest()).isEmpty();
      live.disk.holdAppends(false);
      long fence;
      try (Transaction transaction = live.db.begin()) {
        transaction.put(new byte[] {'b'}, ValueType.STRING, new byte[] {'2'}, 0);
        fence = transaction.commit();
      }
      live.db.whenDurable(fence).toCompletableFuture().get(30, TimeUnit.SECONDS);
    } finally {
      live.close();
    }
  }

  @Test
  void whatIsNotDurableInTimeIsAnsweredWithAnErrorInItsPlace() throws Exception {
    LiveServer live = new LiveServer(options().replyTimeoutMs(300));
    try (Peer peer = live.connect();
        Peer other = live.connect()) {
      assertThat(peer.ask("SET old 1")).isEqualTo("+OK\r\n");
      live.disk.holdAppends(true);
      peer.send("SET a 1\r\nGET a\r\n");
      live.disk.awaitHeldAppend();
      peer.send("SET a 2\r\nGET old\r\n");

      for (int i = 0; i < 4; i++) {
        assertThat(peer.reply()).startsWith("-UNKNOWN not durable in time");
      }
      assertThat(other.ask("GET old")).isEqualTo("$1\r\n1\r\n");

      other.send("GET a\r\n");
      live.disk.holdAppends(false);
      assertThat(other.reply()).isEqualTo("$1\r\n2\r\n");
      assertThat(peer.ask("GET a")).isEqualTo("$1\r\n2\r\n");
      assertThat(peer.ask("SET a 3")).isEqualTo("+OK\r\n");
    } finally {
      live.close();
    }
  }

  @Test
  void writesAreRefusedWhileTheStoreIsUnavailableAndReadsGoOn() throws Exception {
    LiveServer live = new LiveServer(options());
    try (Peer peer = live.connect()) {
      assertThat(peer.ask("SET a 1")).isEqualTo("+OK\r\n");

      live.disk.unavailable(new UnavailableException("1 of 3 replicas"));

      assertThat(peer.ask("SET a 2")).isEqualTo("-ERR UNAVAILABLE 1 of 3 replicas\r\n");
      assertThat(peer.ask("GET a")).isEqualTo("$1\r\n1\r\n");

      live.disk.unavailable(null);

      assertThat(peer.ask("SET a 3")).isEqualTo("+OK\r\n");
    } finally {
      live.close();
    }
  }

  @Test
  void shutdownCallsWhoeverStartedTheServer() throws Exception {
    CountDownLatch called = new CountDownLatch(1);
    try (LiveServer live = new LiveServer(options().onShutdown(called::countDown));
        Peer peer = live.connect()) {
      assertThat(peer.ask("SHUTDOWN nonsense")).isEqualTo("-ERR syntax error\r\n");
      peer.send("SHUTDOWN NOSAVE\r\n");
      assertThat(peer.rest()).isEmpty();
      assertThat(called.await(30, TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  void anAddressThatIsTakenIsNamed() {
    try (LiveServer live = new LiveServer(options())) {
      assertThatThrownBy(
              () ->
                  RespServer.start(
                      live.db,
                      options().listen(live.address()).build(),
                      new SystemClock(),
                      new SystemEntropy(),
                      Telemetry.NONE))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining(Integer.toString(live.address().getPort()))
          .hasMessageContaining("cannot be bound");
    }
  }

  @Test
  void longWorkRunsBesideTheLoopAndOneAtATime() throws Exception {
    CountDownLatch release = new CountDownLatch(1);
    CommandSpec slow =
        CommandSpec.keyless(
            "SLOW",
            1,
            Set.of(CommandSpec.Flag.NO_MULTI),
            context ->
                context.defer(
                    new Deferred.Offloaded(
                        Deferred.Lane.JOBS,
                        () -> {
                          await(release);
                          return done -> done.reply().simple("done");
                        })));
    CommandSpec failing =
        CommandSpec.keyless(
            "FAILING",
            1,
            Set.of(),
            context ->
                context.defer(
                    new Deferred.Offloaded(
                        Deferred.Lane.AUTHENTICATION,
                        () -> {
                          throw new CommandException("ERR no");
                        })));
    try (LiveServer live = new LiveServer(options(), List.of(slow, failing));
        Peer peer = live.connect();
        Peer other = live.connect()) {
      peer.send("SLOW\r\nPING\r\n");
      assertThat(other.ask("FAILING")).isEqualTo("-ERR no\r\n");
      assertThat(other.ask("PING")).isEqualTo("+PONG\r\n");
      assertThat(peer.silentFor(50)).isTrue();
      List<Peer> crowd = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        Peer one = live.connect();
        one.send("SLOW\r\n");
        crowd.add(one);
      }
      String refused = "-ERR UNAVAILABLE the server is busy, try again\r\n";
      LiveServer.eventually(
          "some are refused", () -> live.server.stats().commandsFailed() >= 1 + 4);
      release.countDown();
      assertThat(peer.reply()).isEqualTo("+done\r\n");
      assertThat(peer.reply()).isEqualTo("+PONG\r\n");
      int done = 0;
      for (Peer one : crowd) {
        String reply = one.reply();
        assertThat(reply).isIn("+done\r\n", refused);
        done += reply.equals(refused) ? 0 : 1;
        one.close();
      }
      assertThat(done).isEqualTo(16);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      if (!latch.await(30, TimeUnit.SECONDS)) {
        throw new IllegalStateException("nobody released the latch");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void survivesHostileSockets() throws IOException {
    surviveHostileSockets(400, 11);
  }

  @Test
  @Tag("long")
  void survivesManyHostileSockets() throws IOException {
    surviveHostileSockets(100_000, System.nanoTime());
  }

  /** Sends junk, half commands and mutated commands; the server stays and forgets them all. */
  private static void surviveHostileSockets(int connections, long seed) throws IOException {
    Random random = new Random(seed);
    String[] seeds = {
      "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n",
      "*2\r\n$3\r\nGET\r\n$16777216\r\nabc",
      "*1048576\r\n$1\r\na\r\n",
      "SET \"a\\x00b\" 'c'\r\n",
      "MULTI\r\nSET a 1\r\nEXEC\r\nWATCH a\r\n",
      "HELLO 3\r\nCLIENT REPLY OFF\r\nPING\r\n",
      "WAIT 1 0\r\nPING\r\n",
    };
    try (LiveServer live = new LiveServer(options());
        Peer witness = live.connect()) {
      for (int i = 0; i < connections; i++) {
        StringBuilder bytes = new StringBuilder();
        for (int part = random.nextInt(4); part >= 0; part--) {
          bytes.append(seeds[random.nextInt(seeds.length)]);
        }
        for (int flips = random.nextInt(6); flips > 0; flips--) {
          bytes.setCharAt(random.nextInt(bytes.length()), (char) random.nextInt(256));
        }
        try (Peer hostile = live.connect()) {
          hostile.send(bytes.toString());
          if (random.nextBoolean()) {
            hostile.socket.setSoLinger(true, 0);
          }
        } catch (java.net.SocketException e) {
          // The server closed first: its right.
          assertThat(e).isNotNull();
        }
        if (i % 50 == 0) {
          assertThat(witness.ask("PING")).as("seed %d", seed).isEqualTo("+PONG\r\n");
        }
      }
      LiveServer.eventually("only one is left", () -> live.server.stats().connections() == 1);
      assertThat(live.server.stats().bufferedInputBytes()).isZero();
      assertThat(live.server.stats().bufferedOutputBytes()).isZero();
      assertThat(live.server.stats().pendingReplies()).isZero();
    }
  }
}
