package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.engine.CapsuleCopy;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.node.ReplicaBackup;
import io.capsuledb.host.replica.ReplicaCaller;
import io.capsuledb.host.replica.ReplicaSurvey;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Copies a capsule that workers go on writing, as it was at a SYNC. */
@Command(
    name = "backup",
    header = "Copy a capsule from its replicas, as it was at a SYNC, while workers go on writing.",
    description = {
      "",
      "A SYNC is a consistent cut through what all workers wrote: the backup holds what is before",
      "it, and nothing else. Records are copied encrypted, as they are stored, and need no key; hash,",
      "chain and signature of each are verified. A backup that is there already gets what it does",
      "not have. 'capsule restore' makes a data directory of it. What was fetched stays in",
      "TO/fetched, so that the next backup fetches only what is new; it may be deleted.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  redis-cli CAPSULE.SYNC",
      "  capsule replicas backup @replicas.txt /mnt/backup",
      "  capsule replicas backup @replicas.txt /mnt/backup --sync 7c1f…",
      "",
      "Exit code 3: no quorum of the replicas answers; 4: something does not verify."
    })
final class ReplicasBackupCommand implements Callable<Integer> {

  private static final int MAX_PATIENCE_SECONDS = 86_400;

  @Parameters(index = "0", paramLabel = "REPLICAS", description = "Whom to ask.")
  private String replicas = "";

  @Parameters(
      index = "1",
      paramLabel = "TO",
      description = "The backup: a directory that is empty, new, or a backup of the same capsule.")
  private Path to = Path.of("");

  @Option(
      names = "--capsule",
      paramLabel = "NAME",
      description = "The capsule, 64 hex digits; if not given, the one that the replicas hold.")
  private @Nullable String capsule;

  @Option(
      names = "--sync",
      paramLabel = "HASH",
      description =
          "The SYNC, as CAPSULE.SYNC and CAPSULE.SNAPSHOT name it; the newest durable one if not"
              + " given.")
  private @Nullable String sync;

  @Option(
      names = "--patience",
      paramLabel = "SECONDS",
      description = "Give up when replicas gave nothing for so long; 60 if not given.")
  private int patienceSeconds = 60;

  @Option(names = "--json", description = "Print what was done as a JSON object.")
  private boolean json;

  @ArgGroup(validate = false, heading = LinkOptions.HEADING)
  private LinkOptions links = new LinkOptions();

  private final CommandContext context;

  ReplicasBackupCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (patienceSeconds < 1 || patienceSeconds > MAX_PATIENCE_SECONDS) {
      throw new InvalidRequestException(
          "--patience is " + patienceSeconds + ": allowed are 1 to " + MAX_PATIENCE_SECONDS);
    }
    Hash32 at = sync == null ? null : hash(sync);
    List<ReplicaAddress> list = LinkOptions.list(replicas);
    CapsuleName name;
    try (ReplicaCaller caller = links.open(list)) {
      if (list.stream().allMatch(replica -> caller.keyOf(replica) == null)) {
        context.streams().err().println("no replica can be reached");
        return ExitCodes.UNAVAILABLE;
      }
      name = capsule == null ? only(caller) : ReplicasStatusCommand.name(capsule);
    }
    ReplicaBackup.Request request =
        new ReplicaBackup.Request(name, list, links.security(list), at, 1000L * patienceSeconds);
    ReplicaBackup.Result[] result = new ReplicaBackup.Result[1];
    CapsuleCopy.Summary copied =
        CopyReport.during(
            "backup",
            context,
            progress -> {
              result[0] = ReplicaBackup.run(request, to, progress);
              return result[0].copied();
            });
    CopyReport.print(copied, result[0].epoch(), result[0].sync(), json, context);
    return ExitCodes.OK;
  }

  private static CapsuleName only(ReplicaCaller caller) {
    List<CapsuleName> names = new ReplicaSurvey(caller, new SystemClock(), 0).names();
    if (names.size() != 1) {
      throw new InvalidRequestException(
          "the replicas hold "
              + names.size()
              + " capsules, and a backup is of one: name it with --capsule");
    }
    return names.getFirst();
  }

  private static Hash32 hash(String text) {
    try {
      return Hash32.parse(text.toLowerCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException("--sync is '" + text + "': allowed are 64 hex digits", e);
    }
  }
}
