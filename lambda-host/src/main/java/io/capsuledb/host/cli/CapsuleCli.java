package io.capsuledb.host.cli;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.host.terminal.Streams;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.ParameterException;

/**
 * The command line: finds the command, runs it, and turns what went wrong into one sentence on the
 * standard error and an exit code.
 */
public final class CapsuleCli {

  private static final int HELP_WIDTH = 100;

  private CapsuleCli() {}

  /**
   * Runs one command.
   *
   * @param arguments the command's name and its arguments
   * @param streams its standard streams; flushed, not closed
   * @param environment its environment variables
   * @return the exit code
   */
  public static int run(String[] arguments, Streams streams, Map<String, String> environment) {
    int code = commandLine(new CommandContext(streams, environment), arguments).execute(arguments);
    streams.out().flush();
    streams.err().flush();
    return code;
  }

  /**
   * The commands that {@code arguments} may mean: the one named first, else all. Each is described
   * to picocli by reflection, which for all of them takes longer than most of them run.
   */
  static CommandLine commandLine(CommandContext context, String... arguments) {
    Map<String, Supplier<CommandLine>> commands = new LinkedHashMap<>();
    commands.put("serve", () -> ServeCommand.commandLine(context));
    commands.put("replica", () -> ReplicaCommand.commandLine(context));
    commands.put("worker", () -> WorkerCommand.commandLine(context));
    commands.put("router", () -> RouterCommand.commandLine(context));
    commands.put("age", () -> new CommandLine(new AgeCommand(context)));
    commands.put("leader", () -> new CommandLine(new LeaderCommand(context)));
    commands.put("scheduler", () -> new CommandLine(new SchedulerCommand(context)));
    commands.put("lambda-worker", () -> LambdaWorkerCommand.worker(context));
    commands.put("coordinator", () -> LambdaWorkerCommand.coordinator(context));
    commands.put("app", () -> AppCommand.commandLine(context));
    commands.put("cluster", () -> new CommandLine(new ClusterCommand(context)));
    commands.put("replicas", () -> ReplicasCommand.commandLine(context));
    commands.put(
        "evidence",
        () ->
            new CommandLine(new EvidenceCommand())
                .addSubcommand(new EvidenceCheckCommand(context)));
    commands.put("put", () -> new CommandLine(new PutCommand(context)));
    commands.put("get", () -> new CommandLine(new GetCommand(context)));
    commands.put("del", () -> new CommandLine(new DelCommand(context)));
    commands.put("scan", () -> new CommandLine(new ScanCommand(context)));
    commands.put("load", () -> new CommandLine(new LoadCommand(context)));
    commands.put("verify", () -> new CommandLine(new VerifyCommand(context)));
    commands.put(
        "proof",
        () ->
            new CommandLine(new ProofCommand())
                .addSubcommand(new ProofGetCommand(context))
                .addSubcommand(new ProofCheckCommand(context)));
    commands.put(
        "cert",
        () ->
            new CommandLine(new CertCommand())
                .addSubcommand(new CertGetCommand(context))
                .addSubcommand(new CertCheckCommand(context)));
    commands.put(
        "attest",
        () ->
            new CommandLine(new AttestCommand())
                .addSubcommand(new AttestVerifyCommand(context))
                .addSubcommand(new AttestShowCommand(context)));
    commands.put(
        "enclave",
        () ->
            new CommandLine(new EnclaveCommand()).addSubcommand(new EnclaveStatusCommand(context)));
    commands.put(
        "fn",
        () ->
            new CommandLine(new FnCommand())
                .addSubcommand(new FnLoadCommand(context))
                .addSubcommand(new FnListCommand(context))
                .addSubcommand(new FnCallCommand(context))
                .addSubcommand(new FnLogsCommand(context))
                .addSubcommand(new FnBenchCommand(context))
                .addSubcommand(new FnRunCommand(context)));
    commands.put("stats", () -> new CommandLine(new StatsCommand(context)));
    commands.put("backup", () -> new CommandLine(new BackupCommand(context)));
    commands.put("restore", () -> new CommandLine(new RestoreCommand(context)));
    commands.put("keys", () -> new CommandLine(new KeysCommand(context)));
    commands.put("rotate", () -> new CommandLine(new RotateCommand(context)));
    commands.put("users", () -> new CommandLine(new UsersCommand(context)));
    commands.put(
        "bench",
        () ->
            new CommandLine(new BenchCommand(context))
                .addSubcommand(new BenchEngineCommand(context))
                .addSubcommand(new BenchReplicationCommand(context))
                .addSubcommand(new BenchProceduresCommand(context))
                .addSubcommand(new BenchSclCommand(context))
                .addSubcommand(new BenchLaunchCommand(context)));
    commands.put("version", () -> new CommandLine(new VersionCommand(context)));
    commands.put("rehearse", () -> new CommandLine(new RehearseCommand(context)));
    CommandLine root = new CommandLine(new RootCommand());
    if (arguments.length > 0 && commands.containsKey(arguments[0])) {
      commands.keySet().retainAll(Set.of(arguments[0]));
    }
    commands.forEach((name, command) -> root.addSubcommand(name, command.get()));
    // An argument that begins with @ is ours: a file that lists replicas.
    root.setExpandAtFiles(false);
    root.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
    root.setUsageHelpWidth(HELP_WIDTH);
    root.setUsageHelpLongOptionsMaxWidth(32);
    root.setOut(new PrintWriter(context.streams().out(), true, StandardCharsets.UTF_8));
    root.setErr(new PrintWriter(context.streams().err(), true, StandardCharsets.UTF_8));
    root.setParameterExceptionHandler((e, _) -> usageError(e, context.streams()));
    root.setExecutionExceptionHandler((e, command, _) -> failure(e, command, context));
    root.getCommandSpec().usageMessage().exitCodeList(ExitCodes.DESCRIPTIONS);
    return root;
  }

  private static int usageError(ParameterException e, Streams streams) {
    String command = e.getCommandLine().getCommandSpec().qualifiedName();
    streams.err().println(command + ": " + e.getMessage() + "; see '" + command + " --help'");
    return ExitCodes.USAGE;
  }

  private static int failure(Exception e, CommandLine command, CommandContext context) {
    String name = command.getCommandSpec().qualifiedName();
    context.streams().out().flush();
    if (e instanceof CapsuleException known) {
      context.streams().err().println(name + ": " + known.getMessage());
      return ExitCodes.of(known);
    }
    context.streams().err().println(name + ": this is a defect, please report it:");
    e.printStackTrace(context.streams().err());
    return ExitCodes.FAILED;
  }
}
