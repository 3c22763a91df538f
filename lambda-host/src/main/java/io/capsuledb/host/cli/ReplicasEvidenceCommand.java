package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.replica.CapsuleView;
import io.capsuledb.host.replica.EvidenceFile;
import io.capsuledb.host.replica.ReplicaCaller;
import io.capsuledb.host.replica.ReplicaSurvey;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.PrivateFile;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Lists the proofs that replicas hold, and writes them to files. */
@Command(
    name = "evidence",
    header = "List the proofs that replicas hold against writers and replicas.",
    description = {
      "",
      "A proof is two things that the same key signed and that cannot both be true. Each is checked",
      "here; with --out it is written to a file that anybody can check later, with 'capsule evidence",
      "check'. Exit code 0: there is none; 4: there is one; 3: no replica can be reached.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule replicas evidence 127.0.0.1:7400,127.0.0.1:7401",
      "  capsule replicas evidence @replicas.txt --out evidence"
    })
final class ReplicasEvidenceCommand implements Callable<Integer> {

  private static final int FIRST_SEQUENCE = 1;
  private static final int ROSTER_BYTES = 1 << 20;
  private static final int NAME_DIGITS = 16;

  @Parameters(index = "0", paramLabel = "REPLICAS", description = "Whom to ask.")
  private String replicas = "";

  @Option(
      names = "--capsule",
      paramLabel = "NAME",
      description = "Ask about this capsule only, 64 hex digits; about all if not given.")
  private @Nullable String capsule;

  @Option(names = "--out", paramLabel = "DIR", description = "Write each proof to a file there.")
  private @Nullable Path directory;

  @Option(names = "--json", description = "Print one JSON object for each proof.")
  private boolean json;

  @ArgGroup(validate = false, heading = LinkOptions.HEADING)
  private LinkOptions links = new LinkOptions();

  private final CommandContext context;

  ReplicasEvidenceCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    List<ReplicaAddress> list = LinkOptions.list(replicas);
    CapsuleName only = capsule == null ? null : ReplicasStatusCommand.name(capsule);
    try (ReplicaCaller caller = links.open(list)) {
      if (list.stream().allMatch(replica -> caller.keyOf(replica) == null)) {
        context.streams().err().println("no replica can be reached");
        return ExitCodes.UNAVAILABLE;
      }
      ReplicaSurvey survey = new ReplicaSurvey(caller, new SystemClock(), 0);
      int proofs = 0;
      for (CapsuleName name : only == null ? survey.names() : List.of(only)) {
        CapsuleView view = survey.view(name, new ArrayList<>());
        if (view == null) {
          continue;
        }
        for (Map.Entry<Blob, ReplicaAddress> proof : survey.evidence(name).entrySet()) {
          proofs += report(caller, view, proof.getKey(), proof.getValue()) ? 1 : 0;
        }
      }
      if (proofs == 0 && !json) {
        context.streams().out().println("there is no evidence");
      }
      return proofs == 0 ? ExitCodes.OK : ExitCodes.INTEGRITY;
    }
  }

  /** Whether it proves something. */
  private boolean report(ReplicaCaller caller, CapsuleView view, Blob proof, ReplicaAddress from) {
    EvidenceFile file =
        new EvidenceFile(
            view.signedMetadata(), view.memberships(), roster(caller, view, proof), proof);
    switch (file.check(null)) {
      case Decoded.Accepted<EvidenceFile.Verdict>(EvidenceFile.Verdict verdict) -> {
        Path written = write(file, verdict);
        print(verdict, written);
        return true;
      }
      case Decoded.Rejected<EvidenceFile.Verdict>(Rejection rejection) -> {
        context
            .streams()
            .err()
            .println(from.address() + " holds something that proves nothing: " + rejection);
        return false;
      }
    }
  }

  /** The record that introduced the writer that a proof is against; null if it is not found. */
  private static @Nullable Blob roster(ReplicaCaller caller, CapsuleView view, Blob proof) {
    if (!(EquivocationProof.accused(view.name(), proof.bytes())
        instanceof Decoded.Accepted<Long>(Long writer))) {
      return null;
    }
    for (Message.Reply reply :
        caller
            .askAll(
                caller.replicas(),
                n ->
                    new Message.ReadRange(
                        n, view.name(), writer, FIRST_SEQUENCE, FIRST_SEQUENCE, ROSTER_BYTES))
            .values()) {
      if (reply instanceof Message.Records records) {
        for (Blob record : records.records()) {
          if (EvidenceFile.introducedBy(view, record, writer) != null) {
            return record;
          }
        }
      }
    }
    return null;
  }

  private @Nullable Path write(EvidenceFile file, EvidenceFile.Verdict verdict) {
    Path into = directory;
    if (into == null) {
      return null;
    }
    try {
      Files.createDirectories(into);
    } catch (IOException e) {
      throw new StorageException("cannot make the directory " + into + " (" + e + ")", e);
    }
    Path path =
        into.resolve(
            kind(verdict)
                + "-"
                + Hashes.sha256(file.proof().bytes()).toString().substring(0, NAME_DIGITS)
                + ".evidence");
    PrivateFile.write(path, file.encode(), true);
    return path;
  }

  static String kind(EvidenceFile.Verdict verdict) {
    return verdict.kind().name().toLowerCase(Locale.ROOT);
  }

  private void print(EvidenceFile.Verdict verdict, @Nullable Path written) {
    if (json) {
      JsonLine.print(
          context.streams().out(),
          fields -> {
            EvidenceCheckCommand.write(fields, verdict);
            if (written != null) {
              fields.writeStringField("file", written.toString());
            }
          });
    } else {
      context
          .streams()
          .out()
          .println(
              kind(verdict)
                  + " of "
                  + verdict.accused()
                  + " in capsule "
                  + verdict.capsule()
                  + ": "
                  + verdict.reason()
                  + (written == null ? "" : "; written to " + written));
    }
  }
}
