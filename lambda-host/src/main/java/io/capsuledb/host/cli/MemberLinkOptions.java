package io.capsuledb.host.cli;

import io.capsuledb.host.config.LinkSecurity;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How those who launch programs, and run them, are linked to replicas and routers. */
final class MemberLinkOptions {

  @Option(
      names = "--replica-transport",
      paramLabel = "plain|zmq|tls",
      description =
          "What carries links to replicas and routers; plain if not given, for loopback only.")
  private String transport = "plain";

  @Option(
      names = "--replica-tls-cert",
      paramLabel = "FILE",
      description = "PEM file of the certificate to show to them, if they ask for one.")
  private @Nullable Path tlsCert;

  @Option(
      names = "--replica-tls-key",
      paramLabel = "FILE",
      description = "PEM file of that certificate's private key (PKCS #8).")
  private @Nullable Path tlsKey;

  @Option(
      names = "--replica-tls-ca",
      paramLabel = "FILE",
      description = "PEM file of the authorities that vouch for them; else the system's.")
  private @Nullable Path tlsCa;

  /**
   * What was given.
   *
   * @throws io.capsuledb.core.error.InvalidRequestException if it does not fit together
   */
  LinkSecurity security() {
    return LinkSecurity.of("--replica-", LinkSecurity.parse(transport), tlsCert, tlsKey, tlsCa);
  }
}
