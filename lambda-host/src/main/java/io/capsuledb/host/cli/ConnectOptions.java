package io.capsuledb.host.cli;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.terminal.SecretInput;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options of every command that talks to a running server. */
final class ConnectOptions {

  static final String HEADING = "%nConnection:%n";

  @Option(
      names = "--connect",
      paramLabel = "HOST:PORT",
      description = "Address of the server; 127.0.0.1:6380 if not given.")
  private String address = ClientOptions.DEFAULT_ADDRESS.toString();

  @Option(names = "--tls", description = "Speak TLS; the system's authorities vouch.")
  private boolean tls;

  @Option(
      names = "--tls-ca",
      paramLabel = "FILE",
      description = "Speak TLS; the authorities in this PEM file vouch for the server.")
  private @Nullable Path tlsCa;

  @Option(
      names = "--tls-cert",
      paramLabel = "FILE",
      description = "PEM file of the client's certificate, if the server asks for one.")
  private @Nullable Path tlsCert;

  @Option(
      names = "--tls-key",
      paramLabel = "FILE",
      description = "PEM file of that certificate's private key (PKCS #8).")
  private @Nullable Path tlsKey;

  @Option(
      names = "--user",
      paramLabel = "NAME",
      description =
          "Authenticate as this user; the password comes from --password-file, from the"
              + " environment variable CAPSULE_PASSWORD or from a prompt.")
  private @Nullable String user;

  @Option(
      names = "--password-file",
      paramLabel = "FILE",
      description = "File whose first line is the password; - is the standard input.")
  private @Nullable String passwordFile;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      description = "Longest wait for a connection and for a reply; 30 if not given.")
  private int timeoutSeconds = 30;

  /** Connects to the server the options name. */
  RespClient open(CommandContext context) {
    if (timeoutSeconds < 1 || timeoutSeconds > 3600) {
      throw new InvalidRequestException(
          "--timeout is " + timeoutSeconds + ": allowed are 1 to 3600 seconds");
    }
    ClientOptions.Builder options =
        ClientOptions.builder()
            .address(HostPort.parse(address))
            .tls(tls)
            .tlsCa(tlsCa)
            .tlsIdentity(tlsCert, tlsKey)
            .timeoutMs(timeoutSeconds * 1000)
            .password(password(context));
    if (user != null) {
      options.user(user);
    }
    return RespClient.open(options.build());
  }

  private @Nullable SecretBytes password(CommandContext context) {
    if (passwordFile != null) {
      return SecretInput.firstLine(passwordFile, context.streams().in(), "password");
    }
    String inEnvironment = context.environment().get("CAPSULE_PASSWORD");
    if (inEnvironment != null) {
      return SecretBytes.own(inEnvironment.getBytes(StandardCharsets.UTF_8));
    }
    return user == null ? null : SecretInput.prompt("password of " + user);
  }
}
