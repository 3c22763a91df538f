package io.capsuledb.scl.resp;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleVerifier;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * {@code CAPSULE.*}: what the capsule below the keys is, and whether it is whole. Everything these
 * commands tell is durable already, so their replies wait for nothing.
 */
final class CapsuleCommands {

  private static final Pattern HASH = Pattern.compile("[0-9a-fA-F]{64}");

  /** Problems a reply lists; the offline {@code verify} lists them all. */
  private static final int MAX_PROBLEMS_TOLD = 100;

  private CapsuleCommands() {}

  static List<CommandSpec> specs() {
    return List.of(
        spec("CAPSULE.INFO", 1, EnumSet.of(Flag.READ), CapsuleCommands::info),
        spec("CAPSULE.HEAD", 1, EnumSet.of(Flag.READ), CapsuleCommands::head),
        spec("CAPSULE.RECORD", 2, EnumSet.of(Flag.READ), CapsuleCommands::record),
        spec("CAPSULE.VERIFY", 1, EnumSet.of(Flag.ADMIN, Flag.NO_MULTI), CapsuleCommands::verify));
  }

  private static CommandSpec spec(
      String name, int arity, EnumSet<Flag> flags, CommandSpec.Body body) {
    return new CommandSpec(name, arity, flags, 0, 0, 0, body);
  }

  private static void info(CommandContext context) {
    CapsuleDb db = context.db();
    CapsuleMetadata metadata = db.metadata();
    CapsuleDb.Stats stats = db.stats();
    RespWriter reply = context.reply();
    reply.map(11);
    field(reply, "capsule", db.name().toString());
    field(reply, "owner_key", metadata.ownerKey().toString());
    field(reply, "application_key", metadata.applicationKey().toString());
    field(reply, "key_directory", metadata.directoryMode().name().toLowerCase(Locale.ROOT));
    field(reply, "replicas", metadata.replicas().size());
    field(reply, "quorum", metadata.quorum());
    field(reply, "writer", Long.toHexString(db.head().writer()));
    field(reply, "keys", stats.keys());
    field(reply, "memtable_bytes", stats.memtableBytes());
    field(reply, "memtable_limit_bytes", stats.memtableLimitBytes());
    field(reply, "pending_bytes", stats.pendingBytes());
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
    String hash = new String(context.argument(1), StandardCharsets.ISO_8859_1);
    if (!HASH.matcher(hash).matches()) {
      throw new CommandException("ERR a record hash is 64 hex digits");
    }
    CapsuleRecord record = context.db().record(Hash32.parse(hash.toLowerCase(Locale.ROOT)));
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
