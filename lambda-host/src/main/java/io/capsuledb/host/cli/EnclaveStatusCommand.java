package io.capsuledb.host.cli;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.terminal.JsonLine;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Says how the process of a running server that has the keys is protected. */
@Command(
    name = "status",
    header = "Say how the process of a running server that has the keys is protected.",
    description = {
      "",
      "mode is none where one process does everything, process where the keys, the memory and the",
      "procedures have one of their own (--enclave process). Each measure is on, or",
      "off with the reason. What the process says of itself is as true as the process: it is no",
      "attestation.",
      ""
    },
    footer = {"", "Examples:", "  capsule enclave status", "  capsule enclave status --json"})
final class EnclaveStatusCommand implements Callable<Integer> {

  private static final String PREFIX = "enclave_";

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  EnclaveStatusCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Map<String, String> fields = new LinkedHashMap<>();
    try (RespClient client = connect.open(context)) {
      String text = client.query(RespClient.ascii("INFO"), RespClient.ascii("enclave")).text();
      text.lines()
          .filter(line -> line.startsWith(PREFIX) && line.indexOf(':') > 0)
          .forEach(
              line -> {
                int colon = line.indexOf(':');
                fields.put(
                    line.substring(PREFIX.length(), colon).replace('_', '-'),
                    line.substring(colon + 1).strip());
              });
    }
    if (fields.isEmpty()) {
      throw new UnavailableException("the server says nothing about its enclave: it is too old");
    }
    PrintStream out = context.streams().out();
    if (json) {
      JsonLine.print(
          out,
          writer -> {
            for (Map.Entry<String, String> field : fields.entrySet()) {
              writer.writeStringField(field.getKey(), field.getValue());
            }
          });
    } else {
      fields.forEach((name, value) -> out.println(String.format("%-20s %s", name, value)));
    }
    return ExitCodes.OK;
  }
}
