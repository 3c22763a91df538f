package io.capsuledb.host.cli;

import io.capsuledb.host.terminal.JsonLine;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Says which version this is. */
@Command(
    name = "version",
    header = "Print the version of the program and of the Java it runs on.",
    footer = {"", "Example:", "  capsule version --json"})
final class VersionCommand implements Callable<Integer> {

  private static final String RESOURCE = "/io/capsuledb/host/build.properties";

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  VersionCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    String version = version();
    String java = System.getProperty("java.version", "unknown");
    String vm = System.getProperty("java.vm.name", "unknown");
    String os = System.getProperty("os.name") + " " + System.getProperty("os.arch");
    if (json) {
      JsonLine.print(
          context.streams().out(),
          fields -> {
            fields.writeStringField("version", version);
            fields.writeStringField("java", java);
            fields.writeStringField("vm", vm);
            fields.writeStringField("os", os);
          });
    } else {
      context.streams().out().println("capsule " + version);
      context.streams().out().println("java " + java + " (" + vm + ") on " + os);
    }
    return ExitCodes.OK;
  }

  /** The version the build put in. */
  static String version() {
    Properties build = new Properties();
    try (InputStream in = VersionCommand.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new IllegalStateException("the build left out " + RESOURCE);
      }
      build.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + RESOURCE, e);
    }
    return build.getProperty("version", "unknown");
  }
}
