package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.TextOrBase64;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Reads one key. */
@Command(
    name = "get",
    header = "Read a key from a running server; exit code 1 if there is no such key.",
    footer = {
      "",
      "Examples:",
      "  capsule get greeting",
      "  capsule get --file photo.jpg photo",
      "  capsule get --json greeting"
    })
final class GetCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(paramLabel = "KEY", description = "The key.")
  private String key = "";

  @Option(
      names = "--file",
      paramLabel = "FILE",
      description = "Write the value to this file, byte for byte.")
  private @Nullable Path file;

  @Option(names = "--raw", description = "Print the value byte for byte, without a line end.")
  private boolean raw;

  @Option(
      names = "--json",
      description = "Print a JSON object; a value that is not text is \"valueBase64\".")
  private boolean json;

  private final CommandContext context;

  GetCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Reply reply;
    try (RespClient client = connect.open(context)) {
      reply = client.query(RespClient.ascii("GET"), key.getBytes(StandardCharsets.UTF_8));
    }
    if (!(reply instanceof Reply.Bulk bulk)) {
      if (json) {
        JsonLine.print(context.streams().out(), fields -> fields.writeBooleanField("found", false));
      }
      context.streams().err().println("capsule get: there is no such key");
      return ExitCodes.FAILED;
    }
    byte[] value = bulk.bytes();
    Path target = file;
    if (target != null) {
      try {
        Files.write(target, value);
      } catch (IOException e) {
        throw new InvalidRequestException(
            "cannot write the value to " + target + ": check the directory and its permissions", e);
      }
    }
    if (json) {
      JsonLine.print(
          context.streams().out(),
          fields -> {
            fields.writeBooleanField("found", true);
            if (target == null) {
              TextOrBase64.write(fields, "value", value);
            }
          });
    } else if (target == null) {
      context.streams().out().write(value, 0, value.length);
      if (!raw) {
        context.streams().out().write('\n');
      }
    }
    return ExitCodes.OK;
  }
}
