package io.capsuledb.replication.session;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.MessageCodec;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Messages to and from peers that proved who they are, over {@link PeerLinks}: a peer that sends
 * what is no message is dropped. Thread-safe.
 */
public final class Messenger implements AutoCloseable {

  /**
   * What happens. Told on threads of the transport and of the messenger, which must not be kept
   * waiting; for one link never by two at once.
   */
  public interface Events {
    /**
     * A peer proved who it is: messages can be sent.
     *
     * @param link the link's number, which never comes back
     * @param peer whose private key the other side has
     * @param dial what {@link Messenger#connect} returned; 0 if the peer made the link
     */
    void up(long link, PublicKey peer, long dial);

    /** A message from the peer of that link. */
    void received(long link, Message message);

    /** The link is gone; a dialled one is dialled again, and then has another number. */
    void down(long link, DropReason reason, String detail);
  }

  /** What a messenger needs from outside. */
  public record Ports(Clock clock, Entropy entropy, Scheduler scheduler, Telemetry telemetry) {}

  private final PeerLinks links;

  private Messenger(PeerLinks links) {
    this.links = links;
  }

  /**
   * Starts a messenger without links.
   *
   * @param network makes the transport, which the messenger closes with itself
   */
  public static Messenger start(
      Identity self,
      MessengerOptions options,
      Ports ports,
      Function<Transport.Events, Network> network,
      Events events) {
    return new Messenger(
        PeerLinks.start(
            self,
            options,
            new PeerLinks.Ports(
                ports.clock(), ports.entropy(), ports.scheduler(), ports.telemetry()),
            network,
            new Decoding(events)));
  }

  private record Decoding(Events events) implements PeerLinks.Events {
    @Override
    public void up(long link, PublicKey peer, long dial) {
      events.up(link, peer, dial);
    }

    @Override
    public @Nullable Rejection received(long link, PublicKey peer, Blob body) {
      // Most statements are about whoever sends them, whose key need not be decoded again.
      return switch (MessageCodec.decode(body.bytes(), peer)) {
        case Decoded.Accepted<Message>(Message message) -> {
          events.received(link, message);
          yield null;
        }
        case Decoded.Rejected<Message>(Rejection rejection) -> rejection;
      };
    }

    @Override
    public void down(long link, DropReason reason, String detail) {
      events.down(link, reason, detail);
    }
  }

  /** The key that peers see. */
  public PublicKey identity() {
    return links.identity();
  }

  /** Accepts links; see {@link PeerLinks#listen}. */
  public String listen(String address) {
    return links.listen(address);
  }

  /**
   * Keeps a link to a peer, until {@link #disconnect}: dials, and after each end dials again.
   *
   * @param expected the key it must prove to have; null for any
   * @return the dial's number, which {@link Events#up} repeats
   */
  public long connect(String address, @Nullable PublicKey expected) {
    return links.connect(address, expected);
  }

  /** Ends what {@link #connect} began. Idempotent. */
  public void disconnect(long dial) {
    links.disconnect(dial);
  }

  /**
   * Sends a message if the link is up and has room for it.
   *
   * @return false if it was not sent; true says nothing of its arrival
   */
  public boolean send(long link, Message message) {
    return links.send(link, MessageCodec.encode(message));
  }

  /** Ends a link; {@link Events#down} follows. Idempotent. */
  public void drop(long link, String detail) {
    links.drop(link, detail);
  }

  /** Everything counted so far, by stable names, and the transport's counters. */
  public Map<String, Long> counters() {
    return links.counters();
  }

  /** Ends all links, each with its {@link Events#down}, and the transport. Idempotent. */
  @Override
  public void close() {
    links.close();
  }
}
