package io.capsuledb.host.load;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.ReplyErrors;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.terminal.Progress;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Sends the operations of a file down one pipelined connection.
 *
 * <p>The calling thread parses and sends; a second thread takes the replies. What was sent and not
 * yet answered stands in a queue of bounded length, in the order of sending, which is the order of
 * the replies. Operations on one key thus take effect in the order of the file. The second thread
 * owns the counts of answers until it has ended.
 */
public final class Loader {

  /** Most operations sent and not yet answered. */
  public static final int MAX_WINDOW = 65_536;

  /** Most problems that are reported one by one; the rest is only counted. */
  static final int MAX_REPORTED = 10;

  private static final byte[] SET = RespClient.ascii("SET");
  private static final byte[] GET = RespClient.ascii("GET");
  private static final byte[] DEL = RespClient.ascii("DEL");
  private static final byte[] EX = RespClient.ascii("EX");
  private static final long FAILURE_CHECK_MS = 100;

  /** An operation on its way; line 0 says that no more will come. */
  private record Sent(LoadOperation.Kind kind, long line) {
    static final Sent LAST = new Sent(LoadOperation.Kind.GET, 0);
  }

  private final RespClient client;
  private final Clock clock;
  private final BlockingQueue<Sent> window;
  private final boolean keepGoing;
  private final Consumer<String> problems;
  private final AtomicReference<@Nullable CapsuleException> failure = new AtomicReference<>();

  private long sets;
  private long gets;
  private long misses;
  private long deletes;
  private long errors;
  private long writesAnswered;
  private volatile long answered;

  private long writesSent;
  private long malformed;
  private long reportedMalformed;

  /**
   * A loader for one file.
   *
   * @param client used up: closed if the load fails
   * @param window most operations sent and not yet answered, 1 to {@link #MAX_WINDOW}
   * @param keepGoing whether to skip lines that are no operation instead of stopping there
   * @param problems told of the first problems, one sentence each that names the line
   */
  public Loader(
      RespClient client, Clock clock, int window, boolean keepGoing, Consumer<String> problems) {
    if (window < 1 || window > MAX_WINDOW) {
      throw new InvalidRequestException(
          "the window is " + window + ": allowed are 1 to " + MAX_WINDOW + " operations");
    }
    this.client = client;
    this.clock = clock;
    this.window = new ArrayBlockingQueue<>(window);
    this.keepGoing = keepGoing;
    this.problems = problems;
  }

  /**
   * Loads a file.
   *
   * @throws OutcomeUnknownException if the connection failed with writes unanswered
   * @throws CapsuleException if the server refused in a way that will not get better
   */
  public LoadSummary run(InputStream in, LoadFormat format, Progress progress) {
    long begin = clock.monotonicNanos();
    LineReader lines = new LineReader(in);
    Thread receiver = Thread.ofVirtual().name("load-replies").start(this::receive);
    try {
      sendAll(lines, format.parser(), progress);
    } finally {
      end(receiver);
    }
    CapsuleException failed = failure.get();
    if (failed != null) {
      throw outcome(failed);
    }
    progress.update(lines.bytesRead(), answered);
    double seconds = (clock.monotonicNanos() - begin) / 1e9;
    return new LoadSummary(
        sets, gets, misses, deletes, errors, malformed, lines.bytesRead(), seconds);
  }

  /** A lost connection leaves open what became of the writes that were under way. */
  private CapsuleException outcome(CapsuleException failed) {
    long unanswered = writesSent - writesAnswered;
    if (failed instanceof UnavailableException && unanswered > 0) {
      return new OutcomeUnknownException(
          failed.getMessage()
              + "; "
              + writesAnswered
              + " writes were answered, "
              + unanswered
              + " more may or may not have been made",
          failed);
    }
    return failed;
  }

  private void sendAll(LineReader lines, LineParser parser, Progress progress) {
    try {
      while (failure.get() == null && lines.next()) {
        if (lines.start() == lines.end()) {
          continue;
        }
        LoadOperation operation = parse(lines, parser);
        if (operation != null) {
          send(operation, lines.number());
        } else if (!keepGoing) {
          return;
        }
        if (!lines.ready()) {
          client.flush();
        }
        progress.update(lines.bytesRead(), answered);
      }
    } catch (IOException e) {
      fail(new InvalidRequestException("cannot read on after line " + lines.number(), e));
    } catch (CapsuleException e) {
      fail(e);
    }
  }

  private @Nullable LoadOperation parse(LineReader lines, LineParser parser) {
    try {
      return parser.parse(lines.buffer(), lines.start(), lines.end());
    } catch (InvalidRequestException e) {
      malformed++;
      if (reportedMalformed++ < MAX_REPORTED) {
        problems.accept("line " + lines.number() + ": " + e.getMessage());
      }
      return null;
    }
  }

  private void send(LoadOperation operation, long line) {
    Sent sent = new Sent(operation.kind(), line);
    if (!window.offer(sent)) {
      // Full: what is queued must reach the server, or no reply would ever make room.
      client.flush();
      enqueue(sent);
    }
    if (failure.get() != null) {
      return;
    }
    switch (operation.kind()) {
      case SET -> {
        writesSent++;
        if (operation.ttlSeconds() == 0) {
          client.send(SET, operation.key(), operation.value());
        } else {
          byte[] ttl = RespClient.ascii(Long.toString(operation.ttlSeconds()));
          client.send(SET, operation.key(), operation.value(), EX, ttl);
        }
      }
      case GET -> client.send(GET, operation.key());
      case DEL -> {
        writesSent++;
        client.send(DEL, operation.key());
      }
    }
  }

  /** Waits for room in the window, but not for a receiver that has failed. */
  private void enqueue(Sent sent) {
    try {
      while (failure.get() == null
          && !window.offer(sent, FAILURE_CHECK_MS, TimeUnit.MILLISECONDS)) {
        // Still full.
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      fail(new UnavailableException("the load was interrupted", e));
    }
  }

  private void end(Thread receiver) {
    try {
      if (failure.get() == null) {
        client.flush();
      }
    } catch (CapsuleException e) {
      fail(e);
    }
    enqueue(Sent.LAST);
    try {
      receiver.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      fail(new UnavailableException("the load was interrupted", e));
    }
  }

  private void receive() {
    try {
      long count = 0;
      while (true) {
        Sent sent = window.take();
        if (sent.line() == 0) {
          return;
        }
        count(sent, client.receive());
        answered = ++count;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      fail(new UnavailableException("the load was interrupted", e));
    } catch (CapsuleException e) {
      fail(e);
    }
  }

  private void count(Sent sent, Reply reply) {
    if (sent.kind() != LoadOperation.Kind.GET) {
      writesAnswered++;
    }
    if (reply instanceof Reply.Failure(String message)) {
      CapsuleException error = ReplyErrors.failure(message);
      if (errors++ < MAX_REPORTED) {
        problems.accept("line " + sent.line() + ": " + error.getMessage());
      }
      switch (error) {
        case DeniedException _, StorageException _, IntegrityException _ -> throw error;
        case InvalidRequestException _, UnavailableException _, OutcomeUnknownException _ -> {
          // Concerns this operation only.
        }
      }
      return;
    }
    switch (sent.kind()) {
      case SET -> sets++;
      case GET -> {
        gets++;
        if (reply instanceof Reply.Absent) {
          misses++;
        }
      }
      case DEL -> deletes++;
    }
  }

  /** Remembers the first failure and closes the connection, so that neither thread stays stuck. */
  private void fail(CapsuleException cause) {
    if (failure.compareAndSet(null, cause)) {
      client.close();
    }
  }
}
