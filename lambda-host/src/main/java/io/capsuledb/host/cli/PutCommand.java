package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.terminal.JsonLine;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes one key. */
@Command(
    name = "put",
    header = "Write a key on a running server; done when the write is durable.",
    footer = {
      "",
      "Examples:",
      "  capsule put greeting hello",
      "  capsule put --ttl 60 session abc",
      "  capsule put --file photo.jpg photo",
      "  echo -n hello | capsule put greeting -"
    })
final class PutCommand implements Callable<Integer> {

  /** Longest value a server takes, in bytes. */
  private static final int MAX_VALUE_BYTES = 16 << 20;

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(index = "0", paramLabel = "KEY", description = "The key.")
  private String key = "";

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "VALUE",
      description = "The value; - takes the standard input, to its end, byte for byte.")
  private @Nullable String value;

  @Option(
      names = "--file",
      paramLabel = "FILE",
      description = "Take the value from this file, byte for byte.")
  private @Nullable Path file;

  @Option(
      names = "--ttl",
      paramLabel = "SECONDS",
      description = "Let the key expire after so many seconds.")
  private @Nullable Long ttlSeconds;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  PutCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    byte[] keyBytes = key.getBytes(StandardCharsets.UTF_8);
    byte[] valueBytes = valueBytes();
    Long ttl = ttlSeconds;
    if (ttl != null && ttl < 1) {
      throw new InvalidRequestException("--ttl is " + ttl + ": allowed is 1 second or more");
    }
    try (RespClient client = connect.open(context)) {
      if (ttl == null) {
        client.update(RespClient.ascii("SET"), keyBytes, valueBytes);
      } else {
        client.update(
            RespClient.ascii("SET"),
            keyBytes,
            valueBytes,
            RespClient.ascii("EX"),
            RespClient.ascii(Long.toString(ttl)));
      }
    }
    if (json) {
      JsonLine.print(context.streams().out(), fields -> fields.writeBooleanField("ok", true));
    } else {
      context.streams().out().println("OK");
    }
    return ExitCodes.OK;
  }

  private byte[] valueBytes() {
    if ((value == null) == (file == null)) {
      throw new InvalidRequestException(
          "there must be one value: after the key, as - for the standard input, or by --file");
    }
    if (file == null && value != null && !value.equals("-")) {
      return value.getBytes(StandardCharsets.UTF_8);
    }
    try (InputStream in = file == null ? context.streams().in() : Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(MAX_VALUE_BYTES + 1);
      if (bytes.length > MAX_VALUE_BYTES) {
        throw new InvalidRequestException(
            "the value is longer than " + MAX_VALUE_BYTES + " bytes, the most a key can hold");
      }
      return bytes;
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read the value from " + (file == null ? "the standard input" : file), e);
    }
  }
}
