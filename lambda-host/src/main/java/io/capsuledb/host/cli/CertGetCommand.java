package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Fetches the certificate of a record. */
@Command(
    name = "get",
    header =
        "Fetch the certificate that a record is durable on a quorum of replicas, from a server.",
    description = {"", "The server has it for records that it wrote itself since it started.", ""},
    footer = {"", "Examples:", "  capsule cert get --out newest.cert"})
final class CertGetCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(
      paramLabel = "HASH",
      arity = "0..1",
      description = "The record, 64 hex digits; the server's newest durable one if not given.")
  private @Nullable String record;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Write it to this file; to the standard output if not given.")
  private @Nullable Path file;

  private final CommandContext context;

  CertGetCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Reply reply;
    try (RespClient client = connect.open(context)) {
      byte[] command = RespClient.ascii("CAPSULE.CERTIFICATE");
      String hash = record;
      reply = hash == null ? client.query(command) : client.query(command, RespClient.ascii(hash));
    }
    if (!(reply instanceof Reply.Bulk bulk)) {
      throw new UnavailableException("the server answered with no certificate");
    }
    byte[] certificate = bulk.bytes();
    Path target = file;
    if (target == null) {
      context.streams().out().write(certificate, 0, certificate.length);
      return ExitCodes.OK;
    }
    try {
      Files.write(target, certificate);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot write the certificate to " + target + ": check the directory and its permissions",
          e);
    }
    return ExitCodes.OK;
  }
}
