package io.capsuledb.scl.resp;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleVerifier;
import io.capsuledb.engine.KeyVersion;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Snapshot;
import io.capsuledb.engine.ValueType;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * {@code CAPSULE.*}: what the capsule below the keys is, whether it is whole, what keys held
 * before, and upkeep. What INFO, HEAD, RECORD, PROOF and VERIFY tell is durable already, so their
 * replies wait for nothing; GET and HISTORY wait as other reads do.
 */
final class CapsuleCommands {

  private static final Pattern HASH = Pattern.compile("[0-9a-fA-F]{64}");

  /** Problems a reply lists; the offline {@code verify} lists them all. */
  private static final int MAX_PROBLEMS_TOLD = 100;

  /** Versions CAPSULE.HISTORY tells if not asked for more. */
  private static final int DEFAULT_VERSIONS = 10;

  /** Most versions of one reply. */
  private static final int MAX_VERSIONS = 1000;

  /** Bytes of a version in a reply besides its value, about. */
  private static final long VERSION_BYTES = 512;

  /** Longest wait for flush and compaction: with that much to do, a client looks again. */
  private static final long MAX_SETTLE_MS = 600_000;

  private static final long POLL_MS = 5;

  private final @Nullable Sharing sharing;

  private final @Nullable IntSupplier keyRotation;

  CapsuleCommands(@Nullable Sharing sharing, @Nullable IntSupplier keyRotation) {
    this.sharing = sharing;
    this.keyRotation = keyRotation;
  }

  List<CommandSpec> specs() {
    return List.of(
        spec("CAPSULE.INFO", 1, EnumSet.of(Flag.READ), this::info),
        spec("CAPSULE.HEAD", 1, EnumSet.of(Flag.READ), CapsuleCommands::head),
        spec("CAPSULE.RECORD", 2, EnumSet.of(Flag.READ), CapsuleCommands::record),
        new CommandSpec(
            "CAPSULE.HISTORY",
            -2,
            EnumSet.of(Flag.READ, Flag.NO_MULTI),
            1,
            1,
            1,
            CapsuleCommands::history),
        CommandSpec.read("CAPSULE.GET", 4, 1, 1, 1, CapsuleCommands::getAt),
        // Neighbours of the key are shown: no key position, so that the ACL wants all keys.
        spec("CAPSULE.PROOF", 2, EnumSet.of(Flag.READ, Flag.NO_MULTI), CapsuleCommands::proof),
        spec(
            "CAPSULE.CERTIFICATE",
            -1,
            EnumSet.of(Flag.READ, Flag.NO_MULTI),
            CapsuleCommands::certificate),
        spec("CAPSULE.FLUSH", 1, EnumSet.of(Flag.ADMIN, Flag.NO_MULTI), CapsuleCommands::flush),
        spec("CAPSULE.COMPACT", 1, EnumSet.of(Flag.ADMIN, Flag.NO_MULTI), CapsuleCommands::compact),
        spec("CAPSULE.ROTATE", 1, EnumSet.of(Flag.ADMIN, Flag.NO_MULTI), this::rotate),
        spec("CAPSULE.VERIFY", 1, EnumSet.of(Flag.ADMIN, Flag.NO_MULTI), CapsuleCommands::verify));
  }

  private static CommandSpec spec(
      String name, int arity, EnumSet<Flag> flags, CommandSpec.Body body) {
    return new CommandSpec(name, arity, flags, 0, 0, 0, body);
  }

  private void info(CommandContext context) {
    CapsuleDb db = context.db();
    CapsuleMetadata metadata = db.metadata();
    CapsuleDb.Stats stats = db.stats();
    RespWriter reply = context.reply();
    Sharing others = sharing;
    Map<String, String> shared = others == null ? Map.of() : others.info();
    reply.map(26 + shared.size());
    field(reply, "capsule", db.name().toString());
    field(reply, "owner_key", metadata.ownerKey().toString());
    field(reply, "application_key", metadata.applicationKey().toString());
    field(reply, "key_directory", metadata.directoryMode().name().toLowerCase(Locale.ROOT));
    field(reply, "key_generation", db.keyGeneration());
    field(reply, "replicas", metadata.replicas().size());
    field(reply, "quorum", metadata.quorum());
    field(reply, "writer", Long.toHexString(db.head().writer()));
    field(reply, "entries", db.approximateEntries());
    field(reply, "memtable_entries", stats.memtableEntries());
    field(reply, "memtable_bytes", stats.memtableBytes());
    field(reply, "memtable_limit_bytes", stats.memtableLimitBytes());
    field(reply, "pending_bytes", stats.pendingBytes());
    field(reply, "level0_runs", stats.level0Runs());
    numbers(reply, "level_bytes", stats.levelBytes());
    numbers(reply, "level_tables", stats.levelTables());
    field(reply, "table_entries", stats.tableEntries());
    field(reply, "tombstones", stats.tombstones());
    field(reply, "expiring", stats.expiring());
    field(reply, "separate_bytes", stats.separateBytes());
    field(reply, "cached_bytes", stats.cachedBytes());
    field(reply, "cache_limit_bytes", db.options().cacheBytes());
    field(reply, "history_ms", db.options().historyMs());
    field(reply, "history_floor", db.historyFloor());
    field(reply, "write_pressure", String.format(Locale.ROOT, "%.3f", stats.pressure()));
    field(reply, "settled", db.isSettled() ? "yes" : "no");
    shared.forEach((name, value) -> field(reply, name, value));
  }

  private static void numbers(RespWriter reply, String name, List<? extends Number> values) {
    reply.bulk(name);
    reply.array(values.size());
    values.forEach(value -> reply.integer(value.longValue()));
  }

  private static void head(CommandContext context) {
    CapsuleDb.Head head = context.db().head();
    RespWriter reply = context.reply();
    reply.map(4);
    field(reply, "writer", Long.toHexString(head.writer()));
    field(reply, "sequence", head.sequence());
    field(reply, "hash", head.hash().toString());
    field(reply, "lamport", head.lamport());
  }

  private static void record(CommandContext context) {
    CapsuleRecord record = context.db().record(hash(context, 1));
    RespWriter reply = context.reply();
    if (record == null) {
      reply.nullBulk();
      return;
    }
    RecordHeader header = record.header();
    reply.map(11);
    field(reply, "hash", record.hash().toString());
    field(reply, "type", header.type().name());
    field(reply, "writer", Long.toHexString(header.writer()));
    field(reply, "sequence", header.sequence());
    field(reply, "key_generation", header.generation());
    field(reply, "epoch", header.epoch());
    field(reply, "lamport", header.lamport());
    field(reply, "previous", header.previous().toString());
    field(reply, "payload_hash", header.payloadHash().toString());
    field(reply, "bytes", record.bytes().length);
    reply.bulk("parents");
    reply.array(header.parents().size());
    header.parents().forEach(parent -> reply.bulk(parent.toString()));
  }

  private static Hash32 hash(CommandContext context, int index) {
    String hash = new String(context.argument(index), StandardCharsets.ISO_8859_1);
    if (!HASH.matcher(hash).matches()) {
      throw new CommandException("ERR a record hash is 64 hex digits");
    }
    return Hash32.parse(hash.toLowerCase(Locale.ROOT));
  }

  private static void history(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    int most = DEFAULT_VERSIONS;
    if (context.count() != 2) {
      if (context.count() != 4 || !Operands.is(context.argument(2), "COUNT")) {
        throw Refusals.syntax();
      }
      long wanted = Operands.integer(context, 3);
      if (wanted < 1) {
        throw new CommandException("ERR COUNT is out of range, allowed is 1 and more");
      }
      most = (int) Math.min(wanted, MAX_VERSIONS);
    }
    CapsuleDb db = context.db();
    int count = most;
    // For each version records are looked for in the store and a signature is verified.
    context.offload(
        Deferred.Lane.SWEEPS,
        () -> {
          long durable = db.durableTime();
          List<KeyVersion> versions = db.history(key, count);
          // Absence, too, is something a crash could take back.
          long fence = db.committedTime();
          return later -> {
            later.waitFor(fence);
            versions(later.reply(), versions, durable);
          };
        });
  }

  private static void versions(RespWriter reply, List<KeyVersion> versions, long durable) {
    long bytes = 0;
    for (KeyVersion version : versions) {
      bytes += version.value().length + VERSION_BYTES;
    }
    if (bytes > KeyspaceCommands.MAX_REPLY_BYTES) {
      throw Refusals.replyTooLarge("use a smaller COUNT");
    }
    reply.array(versions.size());
    for (KeyVersion version : versions) {
      Hash32 record = version.record();
      reply.map(8);
      field(reply, "writer", Long.toHexString(version.writer()));
      field(reply, "lamport", version.time());
      reply.bulk("record");
      if (record == null) {
        reply.nullBulk();
      } else {
        reply.bulk(record.toString());
      }
      field(reply, "signature", signature(version, durable));
      field(reply, "deleted", version.deleted() ? 1 : 0);
      field(reply, "type", KeyCommands.typeName(version.type()));
      field(reply, "expiry", version.expiryAtMs());
      reply.bulk("value");
      if (version.deleted()) {
        reply.nullBulk();
      } else {
        byte[] value = version.value();
        value(reply, version.type(), value, 0, value.length);
      }
    }
  }

  private static String signature(KeyVersion version, long durable) {
    Rejection rejection = version.rejection();
    if (rejection == null) {
      return "valid";
    }
    // The record was not stored yet when the version was read.
    return version.record() == null && version.time() > durable ? "pending" : rejection.toString();
  }

  /** A string, or the elements of a collection. */
  private static void value(
      RespWriter reply, ValueType type, byte[] buffer, int offset, int length) {
    if (type == ValueType.STRING) {
      reply.bulk(buffer, offset, length);
      return;
    }
    CollectionCodec.Elements elements =
        CollectionCodec.decode(type, buffer, offset, length).orThrow();
    reply.array(elements.count());
    while (elements.advance()) {
      reply.bulk(elements.buffer(), elements.start(), elements.length());
    }
  }

  /**
   * A key as a record left it. What has expired meanwhile is gone from the past, too: nobody may
   * rely on a value beyond its time.
   */
  private static void getAt(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    if (!Operands.is(context.argument(2), "AT")) {
      throw Refusals.syntax();
    }
    CapsuleDb db = context.db();
    try (Snapshot snapshot = db.snapshotAt(db.timeOf(hash(context, 3)))) {
      Lookup lookup = snapshot.get(key);
      context.waitFor(snapshot.time());
      if (lookup.found()) {
        value(context.reply(), lookup.type(), lookup.buffer(), lookup.offset(), lookup.length());
      } else {
        context.reply().nullBulk();
      }
    }
  }

  /** What it shows is durable; it may have to wait for a flush first. */
  private static void proof(CommandContext context) {
    byte[] key = Operands.key(context, 1);
    CapsuleDb db = context.db();
    AclUser user = context.session().user();
    context.offload(
        Deferred.Lane.JOBS,
        () -> {
          byte[] proof = db.proof(key);
          // It shows the neighbours of the key, with their values.
          if (!user.mayAdminister() && ReservedKeys.occurIn(proof)) {
            throw new CommandException(
                "NOPERM the proof would show keys of the server's own, which lie beside this one:"
                    + " that takes an administrator");
          }
          return later -> later.reply().bulk(proof, 0, proof.length);
        });
  }

  /** Of a record, or of the newest one of this node. */
  private static void certificate(CommandContext context) {
    if (context.count() > 2) {
      throw Refusals.wrongArity("capsule.certificate");
    }
    Hash32 record = context.count() == 2 ? hash(context, 1) : null;
    CapsuleDb db = context.db();
    context.offload(
        Deferred.Lane.JOBS,
        () -> {
          byte[] certificate = db.certificate(record);
          return later -> later.reply().bulk(certificate, 0, certificate.length);
        });
  }

  private static void flush(CommandContext context) {
    CapsuleDb db = context.db();
    context.offload(
        Deferred.Lane.JOBS,
        () -> {
          long asked = db.committedTime();
          flushed(db, asked);
          settled(db, asked);
          return later -> later.reply().ok();
        });
  }

  private static void compact(CommandContext context) {
    CapsuleDb db = context.db();
    context.offload(
        Deferred.Lane.JOBS,
        () -> {
          // What is not in tables yet when the merge begins would not be part of it.
          long asked = db.committedTime();
          flushed(db, asked);
          long merge = db.compact();
          await(db, () -> db.isCompacted(merge));
          settled(db, asked);
          return later -> later.reply().ok();
        });
  }

  /** Has what was written until a Lamport time put into tables, and waits for that. */
  private static void flushed(CapsuleDb db, long asked) {
    await(db, () -> db.isFlushed(asked) || db.flush());
    await(db, () -> db.isFlushed(asked));
  }

  /**
   * Waits until nothing is due any more, as long as nobody writes: what others go on to write is
   * not what was asked for, and could keep the engine busy for ever.
   */
  private static void settled(CapsuleDb db, long asked) {
    await(db, () -> db.isSettled() || db.committedTime() != asked);
  }

  /** Waits, on a pool, by asking again and again. */
  private static void await(CapsuleDb db, BooleanSupplier condition) {
    for (long waitedMs = 0; !condition.getAsBoolean(); waitedMs += POLL_MS) {
      CapsuleException failure = db.failure();
      if (failure != null) {
        throw failure;
      }
      if (waitedMs >= MAX_SETTLE_MS) {
        throw new UnavailableException(
            "still under way after " + MAX_SETTLE_MS + " ms; it goes on, see CAPSULE.INFO");
      }
      try {
        Thread.sleep(POLL_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new CommandException(ErrorReplies.SHUTTING_DOWN);
      }
    }
  }

  private void rotate(CommandContext context) {
    IntSupplier rotation = keyRotation;
    if (rotation == null) {
      throw new CommandException("ERR the keys of this server's capsule are not rotated by it");
    }
    context.defer(
        new Deferred.Offloaded(
            Deferred.Lane.JOBS,
            () -> {
              int generation = rotation.getAsInt();
              return later -> later.reply().integer(generation);
            }));
  }

  private static void verify(CommandContext context) {
    CapsuleDb db = context.db();
    context.defer(
        new Deferred.Offloaded(
            Deferred.Lane.JOBS,
            () -> {
              CapsuleVerifier.Report report = db.verify((records, total) -> {});
              return later -> report(later.reply(), report);
            }));
  }

  private static void report(RespWriter reply, CapsuleVerifier.Report report) {
    reply.map(6);
    field(reply, "clean", report.clean() ? "yes" : "no");
    field(reply, "chains", report.chains());
    field(reply, "records", report.records());
    field(reply, "signatures", report.signatures());
    field(reply, "problems", report.problemCount());
    reply.bulk("first_problems");
    List<CapsuleVerifier.Problem> told =
        report.problems().subList(0, Math.min(MAX_PROBLEMS_TOLD, report.problems().size()));
    reply.array(told.size());
    told.forEach(problem -> reply.bulk(problem.toString()));
  }

  private static void field(RespWriter reply, String name, String value) {
    reply.bulk(name);
    reply.bulk(value);
  }

  private static void field(RespWriter reply, String name, long value) {
    reply.bulk(name);
    reply.integer(value);
  }
}
