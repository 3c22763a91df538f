package io.capsuledb.host.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The program without a command: says which there are. */
@Command(
    name = "capsule",
    header = "A key-value store on storage you need not trust.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule serve                        start a server on 127.0.0.1:6380",
      "  capsule cluster                      the same over three replicas, all on this machine",
      "  capsule put greeting hello           write a key",
      "  capsule get greeting                 read it back",
      "  capsule verify capsule-data          check every record of a stopped server",
      "  capsule backup capsule-data copy     copy what is new of it, encrypted as it is",
      "",
      "Each command explains itself: capsule COMMAND --help",
      ""
    },
    exitCodeListHeading = "Exit codes:%n")
final class RootCommand implements Runnable {

  // picocli acts on it before any command runs; nobody reads it.
  @SuppressWarnings("UnusedVariable")
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      scope = ScopeType.INHERIT,
      description = "Print this help and end.")
  private boolean help;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command was given");
  }
}
