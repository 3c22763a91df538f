package io.capsuledb.host.cli;

import io.capsuledb.engine.CapsuleCopy;
import io.capsuledb.host.node.Backup;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Copies the records of a data directory whose server is stopped. */
@Command(
    name = "backup",
    header = "Copy what is new in a stopped server's data directory to a backup.",
    description = {
      "",
      "Records are copied encrypted, as they are stored, and need no key; hash, chain and signature",
      "of each are verified on the way. A backup that is there already gets what it does not have,",
      "and gives back the space of what the capsule has released since. Interrupted, the command",
      "can be run again, and goes on where it was.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule backup capsule-data /mnt/backup",
      "  capsule backup capsule-data /mnt/backup --json",
      "",
      "The key is not part of a backup: keep owner.key or its words elsewhere. Without them nobody",
      "can read what is restored."
    })
final class BackupCommand implements Callable<Integer> {

  @Parameters(index = "0", paramLabel = "DIR", description = "The data directory.")
  private Path directory = Path.of("");

  @Parameters(
      index = "1",
      paramLabel = "TO",
      description = "The backup: a directory that is empty, new, or a backup of the same capsule.")
  private Path to = Path.of("");

  @Option(names = "--json", description = "Print what was done as a JSON object.")
  private boolean json;

  private final CommandContext context;

  BackupCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    CapsuleCopy.Summary copied =
        CopyReport.during("backup", context, progress -> Backup.backUp(directory, to, progress));
    CopyReport.print(copied, json, context);
    return ExitCodes.OK;
  }
}
