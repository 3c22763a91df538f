package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
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

/** Fetches the proof of one key. */
@Command(
    name = "get",
    header = "Fetch the proof of what a key holds, or that it holds nothing, from a server.",
    description = {
      "",
      "The server writes what it has in memory to tables first, if that is needed. A proof shows",
      "the neighbours of the key in the order of keys: the user has to be allowed to read all keys.",
      ""
    },
    footer = {"", "Examples:", "  capsule proof get greeting --out greeting.proof"})
final class ProofGetCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(paramLabel = "KEY", description = "The key.")
  private String key = "";

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Write the proof to this file; to the standard output if not given.")
  private @Nullable Path file;

  private final CommandContext context;

  ProofGetCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Reply reply;
    try (RespClient client = connect.open(context)) {
      reply = client.query(RespClient.ascii("CAPSULE.PROOF"), key.getBytes(StandardCharsets.UTF_8));
    }
    if (!(reply instanceof Reply.Bulk bulk)) {
      throw new UnavailableException("the server answered with no proof");
    }
    byte[] proof = bulk.bytes();
    Path target = file;
    if (target == null) {
      context.streams().out().write(proof, 0, proof.length);
      return ExitCodes.OK;
    }
    try {
      Files.write(target, proof);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot write the proof to " + target + ": check the directory and its permissions", e);
    }
    return ExitCodes.OK;
  }
}
