package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.RecordLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Messages to bytes and back. Canonical: a message has one encoding. Format 1,
 * docs/format/replication.md.
 *
 * <p>A decoded message is well formed and no more: statements in it are decoded, but <b>their
 * signatures are not verified</b> ({@link StatementCodec#verify}); records, metadata, memberships
 * and evidence are bytes within their bounds that nobody has looked at.
 */
public final class MessageCodec {

  private MessageCodec() {}

  // ------------------------------------------------------------------ encoding

  /**
   * Encodes a message. What does not fit the detail of a {@link Message.Refused} is cut off, and
   * control characters in it are replaced.
   *
   * @throws IllegalArgumentException if another list, length or number is beyond its bound
   */
  public static byte[] encode(Message message) {
    FieldWriter out = new FieldWriter(expectedBytes(message));
    switch (message) {
      case Message.Found(long request, CapsuleName capsule, Blob metadata) -> {
        begin(out, MessageLayout.FOUND, request, capsule);
        out.put(bounded(metadata, MetadataCodec.MAX_BYTES));
      }
      case Message.Append(long request, CapsuleName capsule, List<Blob> records) -> {
        begin(out, MessageLayout.APPEND, request, capsule);
        putBlobs(out, records, Message.MAX_RECORDS, RecordLayout.MAX_RECORD_BYTES);
      }
      case Message.ReadRange range -> {
        requireArgument(isRange(range), "range " + range);
        begin(out, MessageLayout.READ_RANGE, range.request(), range.capsule());
        out.putLong(range.writer());
        out.putLong(range.fromSequence());
        out.putLong(range.toSequence());
        out.putInt(range.maxBytes());
      }
      case Message.ReadHash(long request, CapsuleName capsule, Hash32 hash) -> {
        begin(out, MessageLayout.READ_HASH, request, capsule);
        out.put(hash);
      }
      case Message.AskFrontier(long request, CapsuleName capsule, Hash32 nonce) -> {
        begin(out, MessageLayout.ASK_FRONTIER, request, capsule);
        out.put(nonce);
      }
      case Message.Describe(long request, CapsuleName capsule) ->
          begin(out, MessageLayout.DESCRIBE, request, capsule);
      case Message.AskCapsules(long request, Hash32 after) -> {
        begin(out, MessageLayout.ASK_CAPSULES, request);
        out.put(after);
      }
      case Message.Install(long request, CapsuleName capsule, Blob membership) -> {
        begin(out, MessageLayout.INSTALL, request, capsule);
        out.put(bounded(membership, MembershipLayout.MAX_BYTES));
      }
      case Message.Release release -> putRelease(out, release);
      case Message.AskStatus(long request) -> begin(out, MessageLayout.ASK_STATUS, request);
      case Message.AskEvidence(long request, CapsuleName capsule) ->
          begin(out, MessageLayout.ASK_EVIDENCE, request, capsule);
      case Message.Accuse(long request, CapsuleName capsule, Blob evidence) -> {
        begin(out, MessageLayout.ACCUSE, request, capsule);
        out.put(bounded(evidence, Message.MAX_RECORD_BYTES));
      }
      case Message.Listen(long request, CapsuleName capsule, boolean needy) -> {
        begin(out, MessageLayout.LISTEN, request, capsule);
        out.putByte(needy ? 1 : 0);
      }
      case Message.Relay(long request, CapsuleName capsule, Blob frame) -> {
        begin(out, MessageLayout.RELAY, request, capsule);
        out.put(bounded(frame, Message.MAX_RELAYED_BYTES));
      }
      case Message.Done(long request) -> begin(out, MessageLayout.DONE, request);
      case Message.Refused refused -> putRefused(out, refused);
      case Message.Held(long request, SignedStatement statement) ->
          putStatement(out, MessageLayout.HELD, request, statement, Statement.Kind.HELD);
      case Message.Sealed(long request, SignedStatement statement) ->
          putStatement(out, MessageLayout.SEALED, request, statement, Statement.Kind.SEALED);
      case Message.Records(long request, List<Blob> records) -> {
        begin(out, MessageLayout.RECORDS, request);
        putBlobs(out, records, Message.MAX_RECORDS, RecordLayout.MAX_RECORD_BYTES);
      }
      case Message.Frontier(long request, SignedStatement statement) ->
          putStatement(out, MessageLayout.FRONTIER, request, statement, Statement.Kind.FRONTIER);
      case Message.Described(long request, Blob metadata, List<Blob> memberships) -> {
        begin(out, MessageLayout.DESCRIBED, request);
        out.put(bounded(metadata, MetadataCodec.MAX_BYTES));
        putBlobs(out, memberships, Message.MAX_MEMBERSHIPS, MembershipLayout.MAX_BYTES);
      }
      case Message.Capsules capsules -> putCapsules(out, capsules);
      case Message.Status status -> putStatus(out, status);
      case Message.Evidence(long request, List<Blob> proofs) -> {
        begin(out, MessageLayout.EVIDENCE, request);
        putBlobs(out, proofs, Message.MAX_EVIDENCE, Message.MAX_RECORD_BYTES);
      }
      case Message.Listening(long request, int needy) -> {
        begin(out, MessageLayout.LISTENING, request);
        out.putShort(needy);
      }
      case Message.Relayed(long request, Blob frame) -> {
        begin(out, MessageLayout.RELAYED, request);
        out.put(bounded(frame, Message.MAX_RELAYED_BYTES));
      }
    }
    return out.toBytes();
  }

  private static void begin(FieldWriter out, int type, long request) {
    out.putByte(type);
    out.reserved(MessageLayout.RESERVED_BYTES);
    out.putLong(request);
  }

  private static void begin(FieldWriter out, int type, long request, CapsuleName capsule) {
    begin(out, type, request);
    out.put(capsule.hash());
  }

  private static void requireArgument(boolean holds, String what) {
    if (!holds) {
      throw new IllegalArgumentException("a message with " + what);
    }
  }

  private static Blob bounded(Blob blob, int most) {
    requireArgument(blob.length() <= most, blob.length() + " bytes in one, at most " + most);
    return blob;
  }

  private static void putBlobs(FieldWriter out, List<Blob> blobs, int mostBlobs, int mostBytes) {
    requireArgument(blobs.size() <= mostBlobs, "a list of " + blobs.size());
    requireArgument(
        sum(blobs) <= Message.MAX_RECORD_BYTES, sum(blobs) + " bytes in its list together");
    out.putInt(blobs.size());
    blobs.forEach(blob -> out.put(bounded(blob, mostBytes)));
  }

  private static long sum(List<Blob> blobs) {
    long sum = 0;
    for (Blob blob : blobs) {
      sum += blob.length();
    }
    return sum;
  }

  private static void putRelease(FieldWriter out, Message.Release release) {
    requireArgument(
        isPosition(release.writer(), release.sequence())
            && release.ranges().size() <= Message.MAX_RANGES
            && release.ranges().stream().allMatch(MessageCodec::isRange),
        "a release of "
            + release.ranges().size()
            + " ranges by "
            + Long.toHexString(release.writer())
            + "/"
            + release.sequence());
    begin(out, MessageLayout.RELEASE, release.request(), release.capsule());
    out.putLong(release.writer());
    out.putLong(release.sequence());
    out.putInt(release.ranges().size());
    for (Checkpoint.Range range : release.ranges()) {
      out.putLong(range.writer());
      out.putLong(range.fromSequence());
      out.putLong(range.toSequence());
    }
  }

  private static void putRefused(FieldWriter out, Message.Refused refused) {
    requireArgument(
        isOptionalPosition(refused.writer(), refused.sequence()),
        "a refusal of " + refused.writer() + "/" + refused.sequence());
    begin(out, MessageLayout.REFUSED, refused.request());
    out.putLong(refused.writer());
    out.putLong(refused.sequence());
    out.putShort(refused.code().number());
    byte[] detail = cut(refused.detail()).getBytes(StandardCharsets.UTF_8);
    out.putShort(detail.length);
    out.put(detail);
  }

  /** As much of a text as fits, printable. */
  private static String cut(String text) {
    StringBuilder kept = new StringBuilder();
    int bytes = 0;
    for (int codePoint : text.codePoints().toArray()) {
      boolean printable =
          !Character.isISOControl(codePoint) && Character.getType(codePoint) != Character.SURROGATE;
      String next = printable ? Character.toString(codePoint) : "?";
      bytes += next.getBytes(StandardCharsets.UTF_8).length;
      if (bytes > Message.MAX_TEXT_BYTES) {
        break;
      }
      kept.append(next);
    }
    return kept.toString();
  }

  private static void putStatement(
      FieldWriter out, int type, long request, SignedStatement signed, Statement.Kind kind) {
    requireArgument(signed.statement().kind() == kind, "a statement " + signed.statement().kind());
    begin(out, type, request);
    out.put(bounded(signed.encoded(), StatementLayout.MAX_BYTES));
  }

  private static void putCapsules(FieldWriter out, Message.Capsules capsules) {
    requireArgument(
        capsules.names().size() <= Message.MAX_NAMES, capsules.names().size() + " names");
    begin(out, MessageLayout.CAPSULES, capsules.request());
    out.putInt(capsules.names().size());
    CapsuleName before = null;
    for (CapsuleName name : capsules.names()) {
      requireArgument(
          before == null || before.hash().compareTo(name.hash()) < 0, "names out of order");
      before = name;
      out.put(name.hash());
    }
  }

  private static void putStatus(FieldWriter out, Message.Status status) {
    requireArgument(
        status.counters().size() <= Message.MAX_COUNTERS, status.counters().size() + " counters");
    begin(out, MessageLayout.STATUS, status.request());
    out.putInt(status.counters().size());
    for (Message.Counter counter : status.counters()) {
      requireArgument(counter.name().equals(cut(counter.name())), "counter " + counter.name());
      byte[] name = counter.name().getBytes(StandardCharsets.UTF_8);
      out.putShort(name.length);
      out.put(name);
      out.putLong(counter.value());
    }
  }

  /** Enough for what is long; the rest grows. */
  private static int expectedBytes(Message message) {
    long expected =
        256
            + switch (message) {
              case Message.Append append ->
                  sum(append.records()) + (long) Integer.BYTES * append.records().size();
              case Message.Records records ->
                  sum(records.records()) + (long) Integer.BYTES * records.records().size();
              case Message.Relay relay -> relay.frame().length();
              case Message.Relayed relayed -> relayed.frame().length();
              case Message.Held held -> held.statement().encoded().length();
              case Message.Frontier frontier -> frontier.statement().encoded().length();
              default -> 0;
            };
    return (int) Math.min(expected, MessageLayout.MAX_BYTES);
  }

  // ------------------------------------------------------------------ rules

  private static boolean isPosition(long writer, long sequence) {
    return writer >= 1 && writer <= RosterEntry.MAX_WRITER && sequence >= 1;
  }

  /** A refusal need not be about a writer, and if it is, need not be about a record. */
  private static boolean isOptionalPosition(long writer, long sequence) {
    return writer >= 0 && writer <= RosterEntry.MAX_WRITER && sequence >= 0;
  }

  private static boolean isRange(Message.ReadRange range) {
    return isPosition(range.writer(), range.fromSequence())
        && range.toSequence() >= range.fromSequence()
        && range.maxBytes() >= 0;
  }

  private static boolean isRange(Checkpoint.Range range) {
    return isPosition(range.writer(), range.fromSequence())
        && range.toSequence() >= range.fromSequence();
  }

  // ------------------------------------------------------------------ decoding

  /** Decodes one message. Takes any bytes; copies what it keeps. */
  public static Decoded<Message> decode(byte[] bytes) {
    return decode(bytes, null);
  }

  /**
   * As {@link #decode(byte[])}, and faster for statements of the replica that is asked.
   *
   * @param peer the replica that sends the message, if it is one; nothing but speed depends on it
   */
  public static Decoded<Message> decode(byte[] bytes, @Nullable PublicKey peer) {
    if (bytes.length > MessageLayout.MAX_BYTES) {
      return Decoded.reject(
          Reason.TOO_LARGE,
          "message has " + bytes.length + " bytes, at most " + MessageLayout.MAX_BYTES);
    }
    FieldReader in = new FieldReader("message", bytes);
    int type = in.unsignedByte();
    in.reserved(MessageLayout.RESERVED_BYTES);
    long request = in.signedLong();
    Message message = in.isSound() ? body(in, type, request, peer) : null;
    in.end();
    Rejection rejection = in.rejection();
    if (message != null && rejection == null) {
      return Decoded.accept(message);
    }
    return rejection == null
        ? Decoded.reject(Reason.UNKNOWN_TYPE, "message type " + type)
        : new Decoded.Rejected<>(rejection);
  }

  /** What follows the header; anything if {@code in} is not sound afterwards. */
  private static @Nullable Message body(
      FieldReader in, int type, long request, @Nullable PublicKey peer) {
    return switch (type) {
      case MessageLayout.FOUND ->
          new Message.Found(request, name(in), in.blob(MetadataCodec.MAX_BYTES));
      case MessageLayout.APPEND ->
          new Message.Append(
              request, name(in), blobs(in, Message.MAX_RECORDS, RecordLayout.MAX_RECORD_BYTES));
      case MessageLayout.READ_RANGE -> readRange(in, request);
      case MessageLayout.READ_HASH -> new Message.ReadHash(request, name(in), in.hash());
      case MessageLayout.ASK_FRONTIER -> new Message.AskFrontier(request, name(in), in.hash());
      case MessageLayout.DESCRIBE -> new Message.Describe(request, name(in));
      case MessageLayout.ASK_CAPSULES -> new Message.AskCapsules(request, in.hash());
      case MessageLayout.INSTALL ->
          new Message.Install(request, name(in), in.blob(MembershipLayout.MAX_BYTES));
      case MessageLayout.RELEASE -> release(in, request);
      case MessageLayout.ASK_STATUS -> new Message.AskStatus(request);
      case MessageLayout.ASK_EVIDENCE -> new Message.AskEvidence(request, name(in));
      case MessageLayout.ACCUSE ->
          new Message.Accuse(request, name(in), in.blob(Message.MAX_RECORD_BYTES));
      case MessageLayout.LISTEN -> listen(in, request);
      case MessageLayout.RELAY ->
          new Message.Relay(request, name(in), in.blob(Message.MAX_RELAYED_BYTES));
      case MessageLayout.DONE -> new Message.Done(request);
      case MessageLayout.REFUSED -> refused(in, request);
      case MessageLayout.HELD ->
          withStatement(in, peer, Statement.Kind.HELD, signed -> new Message.Held(request, signed));
      case MessageLayout.SEALED ->
          withStatement(
              in, peer, Statement.Kind.SEALED, signed -> new Message.Sealed(request, signed));
      case MessageLayout.RECORDS ->
          new Message.Records(
              request, blobs(in, Message.MAX_RECORDS, RecordLayout.MAX_RECORD_BYTES));
      case MessageLayout.FRONTIER ->
          withStatement(
              in, peer, Statement.Kind.FRONTIER, signed -> new Message.Frontier(request, signed));
      case MessageLayout.DESCRIBED ->
          new Message.Described(
              request,
              in.blob(MetadataCodec.MAX_BYTES),
              blobs(in, Message.MAX_MEMBERSHIPS, MembershipLayout.MAX_BYTES));
      case MessageLayout.CAPSULES -> capsules(in, request);
      case MessageLayout.STATUS -> status(in, request);
      case MessageLayout.EVIDENCE ->
          new Message.Evidence(request, blobs(in, Message.MAX_EVIDENCE, Message.MAX_RECORD_BYTES));
      case MessageLayout.LISTENING -> new Message.Listening(request, in.unsignedShort());
      case MessageLayout.RELAYED ->
          new Message.Relayed(request, in.blob(Message.MAX_RELAYED_BYTES));
      default -> {
        in.reject(Reason.UNKNOWN_TYPE, "type " + type);
        yield null;
      }
    };
  }

  private static CapsuleName name(FieldReader in) {
    return new CapsuleName(in.hash());
  }

  private static List<Blob> blobs(FieldReader in, int mostBlobs, int mostBytes) {
    int count = in.count(mostBlobs, Integer.BYTES);
    List<Blob> blobs = new ArrayList<>(count);
    long sum = 0;
    for (int i = 0; i < count && in.isSound(); i++) {
      Blob blob = in.blob((int) Math.min(mostBytes, Message.MAX_RECORD_BYTES - sum));
      sum += blob.length();
      blobs.add(blob);
    }
    return blobs;
  }

  private static Message readRange(FieldReader in, long request) {
    Message.ReadRange range =
        new Message.ReadRange(
            request, name(in), in.signedLong(), in.signedLong(), in.signedLong(), in.signedInt());
    in.require(isRange(range), "no range of records");
    return range;
  }

  private static Message release(FieldReader in, long request) {
    CapsuleName capsule = name(in);
    long writer = in.signedLong();
    long sequence = in.signedLong();
    in.require(isPosition(writer, sequence), "no position of a CHECKPOINT");
    int count = in.count(Message.MAX_RANGES, MessageLayout.RANGE_BYTES);
    List<Checkpoint.Range> ranges = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      Checkpoint.Range range =
          new Checkpoint.Range(in.signedLong(), in.signedLong(), in.signedLong());
      in.require(isRange(range), "range " + i + " is none");
      ranges.add(range);
    }
    return new Message.Release(request, capsule, writer, sequence, ranges);
  }

  private static Message listen(FieldReader in, long request) {
    CapsuleName capsule = name(in);
    int needy = in.unsignedByte();
    in.require(needy <= 1, "needy is " + needy);
    return new Message.Listen(request, capsule, needy == 1);
  }

  private static @Nullable Message refused(FieldReader in, long request) {
    long writer = in.signedLong();
    long sequence = in.signedLong();
    in.require(isOptionalPosition(writer, sequence), "no position of a record");
    int number = in.unsignedShort();
    Refusal code = Refusal.ofNumber(number);
    String detail = in.text(Message.MAX_TEXT_BYTES);
    if (code == null) {
      in.reject(Reason.UNKNOWN_TYPE, "refusal " + number);
      return null;
    }
    return new Message.Refused(request, code, writer, sequence, detail);
  }

  private static @Nullable Message withStatement(
      FieldReader in,
      @Nullable PublicKey peer,
      Statement.Kind kind,
      Function<SignedStatement, Message> reply) {
    Blob encoded = in.blob(StatementLayout.MAX_BYTES);
    if (!in.isSound()) {
      return null;
    }
    switch (StatementCodec.decode(encoded.bytes(), peer)) {
      case Decoded.Accepted<SignedStatement>(SignedStatement signed) -> {
        in.require(signed.statement().kind() == kind, "a statement " + signed.statement().kind());
        return reply.apply(signed);
      }
      case Decoded.Rejected<SignedStatement>(Rejection rejection) -> {
        in.reject(rejection.reason(), rejection.detail());
        return null;
      }
    }
  }

  private static Message capsules(FieldReader in, long request) {
    int count = in.count(Message.MAX_NAMES, Hash32.BYTES);
    List<CapsuleName> names = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      CapsuleName name = name(in);
      in.require(
          i == 0 || names.get(i - 1).hash().compareTo(name.hash()) < 0, "names out of order");
      names.add(name);
    }
    return new Message.Capsules(request, names);
  }

  private static Message status(FieldReader in, long request) {
    int count = in.count(Message.MAX_COUNTERS, Short.BYTES + Long.BYTES);
    List<Message.Counter> counters = new ArrayList<>(count);
    for (int i = 0; i < count && in.isSound(); i++) {
      counters.add(new Message.Counter(in.text(Message.MAX_TEXT_BYTES), in.signedLong()));
    }
    return new Message.Status(request, counters);
  }
}
