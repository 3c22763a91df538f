package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.engine.CapsuleCopy;
import io.capsuledb.host.node.Backup;
import io.capsuledb.host.terminal.JsonLine;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a data directory out of a backup. */
@Command(
    name = "restore",
    header = "Make a data directory out of a backup.",
    description = {
      "",
      "Verifies hash, chain and signature of each record on the way, and needs no key. The directory",
      "has to be new or empty, so that nothing is ever overwritten. Interrupted, the command can be",
      "run again, and goes on where it was; until it has ended, no server starts in the directory.",
      "A capsule that replicas hold is served with replicas only: with --for-replicas the records are",
      "put where 'serve --replicas' and 'worker' keep copies, and these bring to the replicas, empty",
      "ones with the keys they had, whatever they lack. That is not enough when all replicas have lost",
      "their disks and the capsule has released payloads: then --as-replica makes the directory of one",
      "replica. Started in it with the key it had, it hands on everything to the others, which start",
      "empty.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule restore /mnt/backup capsule-data",
      "  capsule restore /mnt/backup capsule-data --json",
      "  capsule restore /mnt/backup worker-data --for-replicas",
      "  capsule restore /mnt/backup replica-data --as-replica",
      "",
      "Then put the owner.key of the capsule into the directory, or make it again from its words:",
      "capsule keys new capsule-data/owner.key --words-file FILE"
    })
final class RestoreCommand implements Callable<Integer> {

  @Parameters(index = "0", paramLabel = "FROM", description = "The backup.")
  private Path from = Path.of("");

  @Parameters(
      index = "1",
      paramLabel = "DIR",
      description = "The data directory to make: new, empty, or of an interrupted restore.")
  private Path directory = Path.of("");

  @Option(
      names = "--for-replicas",
      description = "Make a directory for a server or worker that has replicas.")
  private boolean forReplicas;

  @Option(
      names = "--as-replica",
      description = "Make the directory of a replica, when all replicas have lost theirs.")
  private boolean asReplica;

  @Option(names = "--json", description = "Print what was done as a JSON object.")
  private boolean json;

  private final CommandContext context;

  RestoreCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (asReplica) {
      return asReplica();
    }
    CapsuleCopy.Summary copied =
        CopyReport.during(
            "restore", context, progress -> Backup.restore(from, directory, forReplicas, progress));
    CopyReport.print(copied, json, context);
    if (!json) {
      context
          .streams()
          .out()
          .println("owner.key is not part of a backup: put it into " + directory);
    }
    return ExitCodes.OK;
  }

  private Integer asReplica() {
    if (forReplicas) {
      throw new InvalidRequestException(
          "--for-replicas and --as-replica are both given: allowed is one of them");
    }
    long records =
        CopyReport.during(
            "restore", context, progress -> Backup.restoreReplica(from, directory, progress));
    if (json) {
      JsonLine.print(
          context.streams().out(), fields -> fields.writeNumberField("records", records));
    } else {
      context
          .streams()
          .out()
          .println(
              String.format(
                  Locale.ROOT,
                  "%,d records, verified. Start it with the key that the replica had: capsule replica"
                      + " --data %s --key FILE",
                  records,
                  directory));
    }
    return ExitCodes.OK;
  }
}
