package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.simulated.AgeFrames.AgeFrame;
import io.capsuledb.host.log.EventLog;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The assertion-generating enclave of an insecure-simulated machine as a process: {@link
 * SimulatedPlatform} behind a Unix socket. Its keys are new with each start, and so is the root
 * that policies name. Thread-safe.
 */
public final class AgeServer implements AutoCloseable {

  private static final int MAX_CONNECTIONS = 64;
  private static final Duration RENEW = Duration.ofHours(12);

  private final SimulatedMachine machine;
  private final SimulatedPlatform platform;
  private final Clock clock;
  private final ServerSocketChannel server;
  private final Semaphore places = new Semaphore(MAX_CONNECTIONS);
  private final ScheduledExecutorService renewing =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("capsule-age-renew").factory());

  private @Nullable Future<?> renewal;

  private AgeServer(
      SimulatedMachine machine,
      SimulatedPlatform platform,
      Clock clock,
      ServerSocketChannel server) {
    this.machine = machine;
    this.platform = platform;
    this.clock = clock;
    this.server = server;
  }

  /**
   * Starts it; when this returns, enclaves can attest and verifiers find root and collateral.
   *
   * @throws StorageException if the directory or the socket cannot be made
   */
  public static AgeServer start(SimulatedMachine machine, Clock clock, Entropy entropy) {
    machine.create(entropy);
    SimulatedPlatform platform =
        new SimulatedPlatform(machine.cpu(entropy), entropy, Instant.ofEpochMilli(clock.wallMs()));
    try {
      // Of a process that was killed; two at a time are not meant to be.
      Files.deleteIfExists(machine.socket());
      ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
      server.bind(UnixDomainSocketAddress.of(machine.socket()));
      AgeServer started = new AgeServer(machine, platform, clock, server);
      started.publish();
      started.renewal =
          started.renewing.scheduleAtFixedRate(
              started::publish, RENEW.toHours(), RENEW.toHours(), TimeUnit.HOURS);
      Thread.ofPlatform().daemon().name("capsule-age").start(started::accept);
      return started;
    } catch (IOException | IllegalArgumentException e) {
      throw new StorageException(
          "cannot listen on " + machine.socket() + " (" + e.getMessage() + ")", e);
    }
  }

  private void publish() {
    machine.publish(platform.root(), platform.collateral(Instant.ofEpochMilli(clock.wallMs())));
  }

  private void accept() {
    while (true) {
      try {
        SocketChannel channel = server.accept();
        if (places.tryAcquire()) {
          Thread.ofVirtual().name("age-connection").start(() -> serve(channel));
        } else {
          channel.close();
        }
      } catch (ClosedChannelException _) {
        return;
      } catch (IOException e) {
        EventLog.warn("age.accept_failed", "detail", e.toString());
      }
    }
  }

  private void serve(SocketChannel channel) {
    try (channel) {
      while (true) {
        AgeFrame frame = AgeFrames.read(channel);
        try {
          AgeFrame reply = answer(frame);
          AgeFrames.write(channel, reply.type(), reply.body());
        } catch (CapsuleException e) {
          EventLog.warn("age.refused", "reason", String.valueOf(e.getMessage()));
          AgeFrames.write(
              channel,
              AgeFrames.REFUSED,
              Octets.own(String.valueOf(e.getMessage()).getBytes(StandardCharsets.UTF_8)));
        }
      }
    } catch (EOFException _) {
      // It has asked what it wanted.
    } catch (IOException e) {
      EventLog.warn("age.connection_lost", "detail", e.toString());
    } finally {
      places.release();
    }
  }

  private AgeFrame answer(AgeFrame frame) {
    return switch (frame.type()) {
      case AgeFrames.HELLO -> {
        Octets nonce = frame.body().slice(0, AgeFrames.NONCE_BYTES);
        Octets peer = frame.body().slice(AgeFrames.NONCE_BYTES, frame.body().length() - 32L);
        yield new AgeFrame(
            AgeFrames.WELCOME,
            platform.targetInfo().then(platform.report(peer, AgeFrames.welcomeData(nonce, peer))));
      }
      case AgeFrames.REPORT -> new AgeFrame(AgeFrames.QUOTE, platform.quote(frame.body()));
      default ->
          new AgeFrame(
              AgeFrames.REFUSED, Octets.own("unknown question".getBytes(StandardCharsets.UTF_8)));
    };
  }

  /** Ends it; enclaves get no more evidence. */
  @Override
  public void close() {
    Future<?> running = renewal;
    if (running != null) {
      running.cancel(true);
    }
    renewing.shutdownNow();
    try {
      server.close();
      Files.deleteIfExists(machine.socket());
    } catch (IOException e) {
      throw new StorageException("cannot close " + machine.socket(), e);
    }
  }
}
