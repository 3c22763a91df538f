package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.replica.CapsuleView;
import io.capsuledb.host.replica.ReplicaCaller;
import io.capsuledb.host.replica.ReplicaSurvey;
import io.capsuledb.host.replica.ReplicaSurvey.Capsule;
import io.capsuledb.host.replica.ReplicaSurvey.Holding;
import io.capsuledb.host.replica.ReplicaSurvey.Replica;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.replication.protocol.Membership;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says how replicas are, what they hold, and whether they agree. */
@Command(
    name = "status",
    header = "Say how replicas are, what each holds, and whether they agree.",
    description = {
      "",
      "Asks each replica what it counted and, of each capsule, for a signed statement of all it",
      "holds, made for this question; each signature is verified. Exit code 0: all are there and",
      "hold the same. 4: something is wrong, and each line says what. 3: nothing is wrong with those",
      "that can be reached, but not all can.",
      "",
      "  BEHIND      records that others have and it lacks, as it says itself",
      "  REBUILDING  capsules that are not whole there yet",
      "  REPAIRED    records it put in the place of damaged ones, since it started",
      "  EVIDENCE    proofs it holds that a writer or a replica lied: see 'replicas evidence'",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule replicas status 127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402",
      "  capsule replicas status @replicas.txt --transport tls --tls-ca ca.pem --json"
    })
final class ReplicasStatusCommand implements Callable<Integer> {

  private static final int MAX_SETTLE_SECONDS = 600;
  private static final String REFUSED = "refused_";

  @Parameters(index = "0", paramLabel = "REPLICAS", description = "Whom to ask.")
  private String replicas = "";

  @Option(
      names = "--capsule",
      paramLabel = "NAME",
      description = "Look at this capsule only, 64 hex digits; at all if not given.")
  private @Nullable String capsule;

  @Option(
      names = "--settle",
      paramLabel = "SECONDS",
      description =
          "How long a replica may take to get what others had stated at the beginning, before it"
              + " counts as behind; 3 if not given.")
  private int settleSeconds = 3;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  @ArgGroup(validate = false, heading = LinkOptions.HEADING)
  private LinkOptions links = new LinkOptions();

  private final CommandContext context;

  ReplicasStatusCommand(CommandContext context) {
    this.context = context;
  }

  /** The capsule of a name that was given. */
  static CapsuleName name(String hex) {
    try {
      return new CapsuleName(Hash32.parse(hex));
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException("--capsule is no name: allowed are 64 hex digits", e);
    }
  }

  @Override
  public Integer call() {
    if (settleSeconds < 0 || settleSeconds > MAX_SETTLE_SECONDS) {
      throw new InvalidRequestException(
          "--settle is " + settleSeconds + ": allowed are 0 to " + MAX_SETTLE_SECONDS);
    }
    List<ReplicaAddress> list = LinkOptions.list(replicas);
    CapsuleName only = capsule == null ? null : name(capsule);
    try (ReplicaCaller caller = links.open(list)) {
      ReplicaSurvey survey = new ReplicaSurvey(caller, new SystemClock(), 1000L * settleSeconds);
      List<Replica> found = survey.replicas();
      List<Capsule> capsules = new ArrayList<>();
      for (CapsuleName name : only == null ? survey.names() : List.of(only)) {
        capsules.add(survey.capsule(name));
      }
      List<String> problems = problems(found, capsules);
      if (json) {
        printJson(found, capsules, problems);
      } else {
        print(found, capsules, problems, caller.troubles());
      }
      if (!problems.isEmpty()) {
        return ExitCodes.INTEGRITY;
      }
      return found.stream().anyMatch(replica -> replica.key() == null)
          ? ExitCodes.UNAVAILABLE
          : ExitCodes.OK;
    }
  }

  /** Everything that is wrong, but for replicas that cannot be reached. */
  private static List<String> problems(List<Replica> replicas, List<Capsule> capsules) {
    List<String> problems = new ArrayList<>();
    for (Replica replica : replicas) {
      if (replica.key() != null) {
        replica.problems().forEach(p -> problems.add(replica.address().address() + " " + p));
      }
    }
    for (Capsule capsule : capsules) {
      String of = "capsule " + brief(capsule.name().toString()) + ": ";
      capsule.problems().forEach(p -> problems.add(of + p));
      CapsuleView view = capsule.view();
      if (view == null) {
        problems.add(of + "no replica describes it");
        continue;
      }
      capsule
          .holdings()
          .forEach(
              (replica, holding) -> {
                String what = problem(view, holding);
                if (what != null) {
                  problems.add(of + replica.address() + " " + what);
                }
              });
      if (view.membership().isJoint()) {
        problems.add(
            of + "its replicas are being changed: finish it with 'capsule replicas resume'");
      }
      if (capsule.evidence() > 0) {
        problems.add(of + capsule.evidence() + " proofs that somebody lied");
      }
    }
    return problems;
  }

  private static @Nullable String problem(CapsuleView view, Holding holding) {
    if (!holding.member()) {
      return null;
    }
    if (holding.wrong() != null) {
      return holding.wrong();
    }
    if (holding.lacking() > 0) {
      return "lacks " + holding.lacking() + " records";
    }
    return holding.membership() < view.membership().version()
        ? "knows membership "
            + holding.membership()
            + " only, and "
            + view.membership().version()
            + " is in force"
        : null;
  }

  private static String brief(String hex) {
    return hex.substring(0, 12) + "…";
  }

  private static long repaired(Replica replica) {
    return replica.counter("records_repaired");
  }

  private static Map<String, Long> refused(Replica replica) {
    Map<String, Long> refused = new TreeMap<>();
    replica
        .counters()
        .forEach(
            (name, count) -> {
              if (name.startsWith(REFUSED) && count > 0) {
                refused.put(name.substring(REFUSED.length()), count);
              }
            });
    return refused;
  }

  private static long records(Replica replica, List<Capsule> capsules) {
    long records = 0;
    for (Capsule capsule : capsules) {
      Holding holding = capsule.holdings().get(replica.address());
      records += holding == null ? 0 : holding.records();
    }
    return records;
  }

  private void print(
      List<Replica> found,
      List<Capsule> capsules,
      List<String> problems,
      Map<String, Long> troubles) {
    PrintStream out = context.streams().out();
    String row = "%-22s %-13s %9s %8s %12s %8s %10s %8s %8s %14s";
    out.println(
        String.format(
                Locale.ROOT,
                row,
                "REPLICA",
                "KEY",
                "CAPSULES",
                "CHAINS",
                "RECORDS",
                "BEHIND",
                "REBUILDING",
                "REPAIRED",
                "EVIDENCE",
                "DISK BYTES")
            .stripTrailing());
    for (Replica replica : found) {
      PublicKey key = replica.key();
      if (key == null) {
        out.println(String.format(Locale.ROOT, "%-22s not reachable", replica.address().address()));
        continue;
      }
      out.println(
          String.format(
              Locale.ROOT,
              row,
              replica.address().address(),
              brief(key.toString()),
              replica.counter("capsules"),
              replica.counter("chains"),
              records(replica, capsules),
              replica.counter("records_behind"),
              replica.counter("capsules_rebuilding"),
              repaired(replica),
              replica.counter("evidence"),
              replica.counter("store_bytes")));
    }
    for (Replica replica : found) {
      Map<String, Long> refused = refused(replica);
      if (!refused.isEmpty()) {
        out.println(
            replica.address().address()
                + " refused: "
                + refused.entrySet().stream()
                    .map(e -> e.getKey() + " " + e.getValue())
                    .collect(Collectors.joining(", ")));
      }
    }
    for (Capsule capsule : capsules) {
      CapsuleView view = capsule.view();
      if (view == null) {
        continue;
      }
      Membership membership = view.membership();
      long members = capsule.holdings().values().stream().filter(Holding::member).count();
      out.println(
          "capsule "
              + capsule.name()
              + ": membership "
              + membership.version()
              + ", quorum "
              + membership.current().quorum()
              + " of "
              + membership.current().replicas().size()
              + (capsule.equal()
                  ? "; the " + members + " that were reached hold the same"
                  : "; they differ"));
    }
    if (found.stream().anyMatch(replica -> replica.key() == null) && !troubles.isEmpty()) {
      out.println("links that ended, by reason: " + troubles);
    }
    problems.forEach(out::println);
    long reached = found.stream().filter(replica -> replica.key() != null).count();
    out.println(
        !problems.isEmpty()
            ? "something is wrong: see above"
            : reached == found.size()
                ? "all is well"
                : reached == 0
                    ? "no replica can be reached"
                    : reached + " of " + found.size() + " replicas can be reached; these are well");
  }

  private void printJson(List<Replica> found, List<Capsule> capsules, List<String> problems) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeBooleanField(
              "well",
              problems.isEmpty() && found.stream().allMatch(replica -> replica.key() != null));
          fields.writeArrayFieldStart("replicas");
          for (Replica replica : found) {
            fields.writeStartObject();
            fields.writeStringField("address", replica.address().address().toString());
            PublicKey key = replica.key();
            fields.writeBooleanField("reachable", key != null);
            if (key != null) {
              fields.writeStringField("key", key.toString());
              fields.writeNumberField("records", records(replica, capsules));
              fields.writeObjectFieldStart("counters");
              for (Map.Entry<String, Long> counter : replica.counters().entrySet()) {
                fields.writeNumberField(counter.getKey(), counter.getValue());
              }
              fields.writeEndObject();
            }
            fields.writeEndObject();
          }
          fields.writeEndArray();
          fields.writeArrayFieldStart("capsules");
          for (Capsule capsule : capsules) {
            fields.writeStartObject();
            fields.writeStringField("capsule", capsule.name().toString());
            CapsuleView view = capsule.view();
            if (view != null) {
              fields.writeNumberField("membership", view.membership().version());
              fields.writeBooleanField("joint", view.membership().isJoint());
              fields.writeNumberField("quorum", view.membership().current().quorum());
              fields.writeArrayFieldStart("members");
              for (PublicKey member : view.membership().everybody()) {
                fields.writeString(member.toString());
              }
              fields.writeEndArray();
            }
            fields.writeBooleanField("equal", capsule.equal());
            fields.writeNumberField("evidence", capsule.evidence());
            fields.writeArrayFieldStart("holdings");
            for (Map.Entry<ReplicaAddress, Holding> entry : capsule.holdings().entrySet()) {
              Holding holding = entry.getValue();
              fields.writeStartObject();
              fields.writeStringField("address", entry.getKey().address().toString());
              fields.writeBooleanField("member", holding.member());
              if (holding.wrong() != null) {
                fields.writeStringField("wrong", holding.wrong());
              } else {
                fields.writeNumberField("membership", holding.membership());
                fields.writeNumberField("chains", holding.chains());
                fields.writeNumberField("records", holding.records());
                fields.writeNumberField("lacking", holding.lacking());
              }
              fields.writeEndObject();
            }
            fields.writeEndArray();
            fields.writeEndObject();
          }
          fields.writeEndArray();
          fields.writeArrayFieldStart("problems");
          for (String problem : problems) {
            fields.writeString(problem);
          }
          fields.writeEndArray();
        });
  }
}
