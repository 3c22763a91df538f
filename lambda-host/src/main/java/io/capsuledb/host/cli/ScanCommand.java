package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.ReplyErrors;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.load.TsvFields;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.TextOrBase64;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Lists keys. */
@Command(
    name = "scan",
    header = "List the keys of a running server, in no particular order.",
    description = {
      "A key that is there from beginning to end is listed; one that changes meanwhile may be",
      "listed twice or not. Tabs, line feeds and backslashes in keys and values are printed as",
      "\\t, \\n and \\\\, so that 'capsule load --format tsv' reads what --values prints."
    },
    footer = {
      "",
      "Examples:",
      "  capsule scan",
      "  capsule scan user: --count 10",
      "  capsule scan --values > dump.tsv"
    })
final class ScanCommand implements Callable<Integer> {

  /** Keys asked for in one step. */
  private static final int STEP_KEYS = 512;

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(
      arity = "0..1",
      paramLabel = "PREFIX",
      description = "List only keys that begin with this.")
  private String prefix = "";

  @Option(names = "--count", paramLabel = "N", description = "Stop after so many keys.")
  private long most = Long.MAX_VALUE;

  @Option(names = "--values", description = "Print each key's value too, after a tab.")
  private boolean values;

  @Option(names = "--json", description = "Print one JSON object a line.")
  private boolean json;

  private final CommandContext context;

  ScanCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (most < 1) {
      throw new InvalidRequestException("--count is " + most + ": allowed is 1 or more");
    }
    PrintStream out = context.streams().out();
    try (RespClient client = connect.open(context)) {
      byte[] cursor = RespClient.ascii("0");
      long left = most;
      do {
        Reply step =
            client.query(
                RespClient.ascii("SCAN"),
                cursor,
                RespClient.ascii("MATCH"),
                pattern(prefix),
                RespClient.ascii("COUNT"),
                RespClient.ascii(Integer.toString(STEP_KEYS)));
        if (!(step instanceof Reply.Sequence(List<Reply> parts))
            || parts.size() != 2
            || !(parts.get(0) instanceof Reply.Bulk next)
            || !(parts.get(1) instanceof Reply.Sequence(List<Reply> keys))) {
          throw new UnavailableException("the server's answer to SCAN is not one");
        }
        cursor = next.bytes();
        List<Reply> wanted = keys.subList(0, (int) Math.min(left, keys.size()));
        left -= print(client, wanted);
        // Nobody reads any more, as in 'capsule scan | head'.
      } while (left > 0 && !(cursor.length == 1 && cursor[0] == '0') && !out.checkError());
    }
    return ExitCodes.OK;
  }

  /** Prints keys, with their values if asked; returns how many lines that were. */
  private int print(RespClient client, List<Reply> keys) {
    List<byte[]> names = new ArrayList<>(keys.size());
    for (Reply key : keys) {
      if (key instanceof Reply.Bulk bulk) {
        names.add(bulk.bytes());
        if (values) {
          client.send(RespClient.ascii("GET"), bulk.bytes());
        }
      }
    }
    if (values) {
      client.flush();
    }
    int printed = 0;
    for (byte[] name : names) {
      if (!values) {
        print(name, null);
        printed++;
      } else {
        Reply reply = client.receive();
        switch (reply) {
          case Reply.Bulk value -> {
            print(name, value.bytes());
            printed++;
          }
          case Reply.Absent _ -> {
            // Gone since the scan saw it.
          }
          default -> ReplyErrors.orThrow(reply);
        }
      }
    }
    return printed;
  }

  private void print(byte[] key, byte @Nullable [] value) {
    PrintStream out = context.streams().out();
    if (json) {
      JsonLine.print(
          out,
          fields -> {
            TextOrBase64.write(fields, "key", key);
            if (value != null) {
              TextOrBase64.write(fields, "value", value);
            }
          });
      return;
    }
    TsvFields.write(key, out);
    if (value != null) {
      out.write('\t');
      TsvFields.write(value, out);
    }
    out.write('\n');
  }

  /** A glob pattern that matches what begins with {@code prefix}. */
  private static byte[] pattern(String prefix) {
    ByteArrayOutputStream pattern = new ByteArrayOutputStream();
    for (byte b : prefix.getBytes(StandardCharsets.UTF_8)) {
      if (b == '*' || b == '?' || b == '[' || b == ']' || b == '\\' || b == '^') {
        pattern.write('\\');
      }
      pattern.write(b);
    }
    pattern.write('*');
    return pattern.toByteArray();
  }
}
