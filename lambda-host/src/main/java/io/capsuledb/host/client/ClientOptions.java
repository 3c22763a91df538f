package io.capsuledb.host.client;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.config.HostPort;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** How to reach a server. Immutable, but for the password, which is cleared once it was sent. */
public final class ClientOptions {

  /** Where a server listens unless told otherwise. */
  public static final HostPort DEFAULT_ADDRESS = new HostPort("127.0.0.1", 6380);

  private static final int DEFAULT_TIMEOUT_MS = 30_000;
  private static final int MAX_TIMEOUT_MS = 3_600_000;

  private final HostPort address;
  private final boolean tls;
  private final @Nullable Path tlsCa;
  private final @Nullable Path tlsCert;
  private final @Nullable Path tlsKey;
  private final String user;
  private final @Nullable SecretBytes password;
  private final int timeoutMs;

  private ClientOptions(Builder builder) {
    this.address = builder.address;
    this.tls = builder.tls || builder.tlsCa != null || builder.tlsCert != null;
    this.tlsCa = builder.tlsCa;
    this.tlsCert = builder.tlsCert;
    this.tlsKey = builder.tlsKey;
    this.user = builder.user;
    this.password = builder.password;
    this.timeoutMs = builder.timeoutMs;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Collects options; {@link #build} checks them. */
  public static final class Builder {
    private HostPort address = DEFAULT_ADDRESS;
    private boolean tls;
    private @Nullable Path tlsCa;
    private @Nullable Path tlsCert;
    private @Nullable Path tlsKey;
    private String user = "default";
    private @Nullable SecretBytes password;
    private int timeoutMs = DEFAULT_TIMEOUT_MS;

    Builder() {}

    /** The server's address; {@link #DEFAULT_ADDRESS} if not set. */
    public Builder address(HostPort value) {
      this.address = value;
      return this;
    }

    /** Whether to speak TLS; implied by {@link #tlsCa} and {@link #tlsIdentity}. */
    public Builder tls(boolean value) {
      this.tls = value;
      return this;
    }

    /** PEM file of the certificates that vouch for the server; the system's if not set. */
    public Builder tlsCa(@Nullable Path file) {
      this.tlsCa = file;
      return this;
    }

    /** PEM files of this client's own certificate chain and its PKCS #8 private key. */
    public Builder tlsIdentity(@Nullable Path certificate, @Nullable Path privateKey) {
      this.tlsCert = certificate;
      this.tlsKey = privateKey;
      return this;
    }

    /** The user to authenticate as, if there is a password; {@code default} if not set. */
    public Builder user(String name) {
      this.user = name;
      return this;
    }

    /** The password, which is cleared after it was sent; null: do not authenticate. */
    public Builder password(@Nullable SecretBytes value) {
      this.password = value;
      return this;
    }

    /** Longest wait for a connection, and for each reply: 1 to 3,600,000 ms. */
    public Builder timeoutMs(int value) {
      this.timeoutMs = value;
      return this;
    }

    /** Checks the options. */
    public ClientOptions build() {
      if (timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
        throw new InvalidRequestException(
            "the timeout is " + timeoutMs + " ms: allowed are 1 to " + MAX_TIMEOUT_MS);
      }
      if (address.port() == 0) {
        throw new InvalidRequestException("the server's port is 0: allowed are 1 to 65535");
      }
      if ((tlsCert == null) != (tlsKey == null)) {
        throw new InvalidRequestException(
            "only one of --tls-cert and --tls-key is set: a client identity needs both");
      }
      return new ClientOptions(this);
    }
  }

  public HostPort address() {
    return address;
  }

  boolean tls() {
    return tls;
  }

  @Nullable Path tlsCa() {
    return tlsCa;
  }

  @Nullable Path tlsCert() {
    return tlsCert;
  }

  @Nullable Path tlsKey() {
    return tlsKey;
  }

  String user() {
    return user;
  }

  @Nullable SecretBytes password() {
    return password;
  }

  int timeoutMs() {
    return timeoutMs;
  }
}
