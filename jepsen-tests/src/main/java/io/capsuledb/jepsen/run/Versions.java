package io.capsuledb.jepsen.run;

import io.capsuledb.jepsen.check.VersionChecker;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpCodec;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.history.Version;
import io.capsuledb.jepsen.resp.Endpoint;
import io.capsuledb.jepsen.resp.Reply;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The versions of values, asked for when load is over: each value is written to a key once, so that
 * it tells which write it is of. Only a server that keeps what was overwritten can tell ({@code
 * CAPSULE.HISTORY}), and only as far back as it does.
 */
final class Versions {

  private static final int MOST_OF_A_KEY = 1000;
  private static final int KEYS_AT_ONCE = 16;
  private static final long LIMIT_SECONDS = 60;
  private static final String NUMBER = "-?\\d{1,18}";

  private final Map<String, Map<Term, Version>> byKey = new HashMap<>();

  private Versions() {}

  /**
   * Asks for the versions of all keys of a history.
   *
   * @return none if the server does not tell
   * @throws IOException if it cannot be asked
   */
  static Versions of(List<Op> history, Endpoint endpoint, int timeoutMs) throws IOException {
    Versions versions = new Versions();
    Set<String> keys = new TreeSet<>();
    for (Op op : history) {
      String key = op.key();
      if (key != null) {
        keys.add(key);
      }
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    List<String> all = List.copyOf(keys);
    try (RespConnection connection = RespConnection.open(endpoint, timeoutMs)) {
      for (int i = 0; i < all.size() && System.nanoTime() < deadline; i += KEYS_AT_ONCE) {
        versions.ask(connection, all.subList(i, Math.min(all.size(), i + KEYS_AT_ONCE)));
      }
    } catch (ServerFaultException doesNotTell) {
      return new Versions();
    }
    return versions;
  }

  boolean isEmpty() {
    return byKey.isEmpty();
  }

  private void ask(RespConnection connection, List<String> keys)
      throws IOException, ServerFaultException {
    List<List<String>> commands = new ArrayList<>();
    for (String key : keys) {
      commands.add(List.of("CAPSULE.HISTORY", key, "COUNT", Integer.toString(MOST_OF_A_KEY)));
    }
    List<Reply> replies = connection.pipeline(commands);
    for (int i = 0; i < keys.size(); i++) {
      Map<Term, Version> ofKey = new HashMap<>();
      @Nullable List<Reply> versions = replies.get(i).array();
      for (Reply version : versions == null ? List.<Reply>of() : versions) {
        add(ofKey, version);
      }
      byKey.put(keys.get(i), ofKey);
    }
  }

  /** Names and values by turns, as the protocol's second version has maps. */
  private static void add(Map<Term, Version> ofKey, Reply reply) throws ServerFaultException {
    List<Reply> fields = reply.array();
    if (fields == null) {
      return;
    }
    Map<String, Reply> named = new HashMap<>();
    for (int i = 0; i + 1 < fields.size(); i += 2) {
      named.put(String.valueOf(fields.get(i).text()), fields.get(i + 1));
    }
    Reply writer = named.get("writer");
    Reply lamport = named.get("lamport");
    if (writer == null
        || lamport == null
        || !(named.get("value") instanceof Reply.Bulk(String text))
        || text == null
        || !text.matches(NUMBER)) {
      return;
    }
    ofKey.put(
        Term.of(Long.parseLong(text)),
        new Version(lamport.number(), String.valueOf(writer.text())));
  }

  /** The history with versions where they are known. */
  List<Op> annotate(List<Op> history) {
    return history.stream().map(this::annotate).toList();
  }

  private Op annotate(Op op) {
    if (op.type() != OpType.OK || !op.applied()) {
      return op;
    }
    Map<Term, Version> ofKey = byKey.get(op.key());
    Version version = ofKey == null ? null : ofKey.get(VersionChecker.valueOf(op));
    return version == null ? op : op.withVersion(version);
  }

  /** Writes an annotated history as JSON lines. */
  static void write(Path file, List<Op> annotated) throws IOException {
    try (BufferedWriter out = Files.newBufferedWriter(file)) {
      for (Op op : annotated) {
        out.write(OpCodec.toJson(op));
        out.write('\n');
      }
    }
  }
}
