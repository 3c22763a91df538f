package io.capsuledb.host.pair;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Questions to the other process, and its answers. An answer comes once at most, to a question that
 * was asked; anything else ends the link. Thread-safe.
 */
final class PairCalls {

  private static final int OK = 0;
  private static final int INVALID_REQUEST = 1;
  private static final int UNAVAILABLE = 2;
  private static final int OUTCOME_UNKNOWN = 3;
  private static final int INTEGRITY = 4;
  private static final int STORAGE = 5;
  private static final int DENIED = 6;

  private static final int MAX_TEXT_BYTES = 4 << 10;

  /** How long one waits for an answer: a disk may be slow, but not for ever. */
  static final long ANSWER_MS = 120_000;

  private final PairLink link;
  private final long answerMs;
  private final Map<Long, CompletableFuture<byte[]>> asked = new ConcurrentHashMap<>();
  private final AtomicLong numbers = new AtomicLong();

  PairCalls(PairLink link, long answerMs) {
    this.link = link;
    this.answerMs = answerMs;
  }

  /**
   * Asks, and waits for the answer.
   *
   * @return its body
   * @throws CapsuleException what the other process says went wrong; {@link StorageException} if it
   *     does not answer
   */
  PairReader call(PairOp op, PairWriter body) {
    long number = numbers.incrementAndGet();
    CompletableFuture<byte[]> answer = new CompletableFuture<>();
    asked.put(number, answer);
    try {
      byte[] arguments = body.toBytes();
      byte[] message = new byte[1 + arguments.length];
      message[0] = (byte) op.number();
      System.arraycopy(arguments, 0, message, 1, arguments.length);
      link.send(PairKind.CALL, number, message);
      if (link.isOver()) {
        // It may have ended before it knew of this question.
        answer.completeExceptionally(gone());
      }
      return read(answer.get(answerMs, TimeUnit.MILLISECONDS));
    } catch (TimeoutException e) {
      throw new StorageException("the host process does not answer " + op, e);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof CapsuleException known
          ? known
          : new StorageException("the host process is gone", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StorageException("interrupted while the host process was asked " + op, e);
    } finally {
      asked.remove(number);
    }
  }

  PairReader call(PairOp op) {
    return call(op, new PairWriter());
  }

  /** An answer came. On the link's thread. */
  void answered(long number, byte[] body) {
    CompletableFuture<byte[]> answer = asked.remove(number);
    // One that was given up is answered in vain.
    if (answer != null) {
      answer.complete(body);
    }
  }

  /** No answer comes any more. */
  void lost() {
    asked.values().forEach(answer -> answer.completeExceptionally(gone()));
  }

  private static StorageException gone() {
    return new StorageException("the other process of this node is gone");
  }

  private static PairReader read(byte[] body) {
    PairReader answer = new PairReader(body);
    int status = answer.u8();
    if (status == OK) {
      return answer;
    }
    String reason = answer.text(MAX_TEXT_BYTES);
    String text = answer.text(MAX_TEXT_BYTES);
    throw switch (status) {
      case INVALID_REQUEST -> new InvalidRequestException(text);
      case UNAVAILABLE -> new UnavailableException(text);
      case OUTCOME_UNKNOWN -> new OutcomeUnknownException(text);
      case INTEGRITY -> new IntegrityException(Rejection.of(reason(reason), text));
      case DENIED -> new DeniedException(text);
      default -> new StorageException(text);
    };
  }

  private static Rejection.Reason reason(String name) {
    for (Rejection.Reason known : Rejection.Reason.values()) {
      if (known.name().equals(name)) {
        return known;
      }
    }
    return Rejection.Reason.UNKNOWN_TYPE;
  }

  /** The body of an answer that went well. */
  static PairWriter ok() {
    return new PairWriter().u8(OK);
  }

  /** The body of an answer that says what went wrong. */
  static PairWriter failed(CapsuleException why) {
    String text = String.valueOf(why.getMessage());
    String reason = "";
    int status =
        switch (why) {
          case InvalidRequestException _ -> INVALID_REQUEST;
          case UnavailableException _ -> UNAVAILABLE;
          case OutcomeUnknownException _ -> OUTCOME_UNKNOWN;
          case IntegrityException integrity -> {
            reason = integrity.rejection().reason().name();
            text = integrity.rejection().detail();
            yield INTEGRITY;
          }
          case StorageException _ -> STORAGE;
          case DeniedException _ -> DENIED;
        };
    return new PairWriter()
        .u8(status)
        .text(reason)
        .text(text.length() > MAX_TEXT_BYTES / 4 ? text.substring(0, MAX_TEXT_BYTES / 4) : text);
  }
}
