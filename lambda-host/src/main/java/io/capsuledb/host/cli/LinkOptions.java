package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.replica.ReplicaCaller;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options of every command that asks replicas. */
final class LinkOptions {

  static final String HEADING = "%nLinks:%n";

  private static final int MAX_TIMEOUT_SECONDS = 600;

  @Option(
      names = "--transport",
      paramLabel = "plain|zmq|tls",
      description = "What carries links; plain if not given, which is for loopback only.")
  private String transport = "plain";

  @Option(
      names = "--tls-ca",
      paramLabel = "FILE",
      description = "PEM file of the authorities that vouch for replicas; else the system's.")
  private @Nullable Path tlsCa;

  @Option(
      names = "--tls-cert",
      paramLabel = "FILE",
      description = "PEM file of this side's certificate, if replicas ask for one.")
  private @Nullable Path tlsCert;

  @Option(
      names = "--tls-key",
      paramLabel = "FILE",
      description = "PEM file of that certificate's private key (PKCS #8).")
  private @Nullable Path tlsKey;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      description = "Most seconds to wait for a link, and for an answer; 5 if not given.")
  private int timeoutSeconds = 5;

  /** Makes links to replicas. */
  ReplicaCaller open(List<ReplicaAddress> replicas) {
    if (timeoutSeconds < 1 || timeoutSeconds > MAX_TIMEOUT_SECONDS) {
      throw new InvalidRequestException(
          "--timeout is " + timeoutSeconds + ": allowed are 1 to " + MAX_TIMEOUT_SECONDS);
    }
    return ReplicaCaller.open(replicas, security(replicas), 1000L * timeoutSeconds);
  }

  /** What carries links to these replicas. */
  LinkSecurity security(List<ReplicaAddress> replicas) {
    LinkSecurity security =
        LinkSecurity.of("--", LinkSecurity.parse(transport), tlsCert, tlsKey, tlsCa);
    LinkSecurity.requireLoopbackWithoutTls("REPLICAS", replicas, security);
    return security;
  }

  /**
   * The replicas of a list.
   *
   * @throws InvalidRequestException if it is none
   */
  static List<ReplicaAddress> list(String text) {
    return new ArrayList<>(ReplicaAddress.parseList(text, Path.of("")));
  }
}
