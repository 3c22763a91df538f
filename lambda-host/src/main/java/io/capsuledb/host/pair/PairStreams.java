package io.capsuledb.host.pair;

import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.scl.resp.ClientStreams;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;

/** Tells the other process about clients' connections, and reads what it tells. Thread-safe. */
final class PairStreams implements ClientStreams {

  private static final int MAX_ADDRESS_BYTES = 16;
  private static final int MAX_PORT = 65_535;
  private static final byte[] NOTHING = {};

  private final PairLink link;

  PairStreams(PairLink link) {
    this.link = link;
  }

  private void tell(PairKind kind, long stream, byte[] body) {
    if (!link.isOver()) {
      try {
        link.send(kind, stream, body);
      } catch (UnavailableException e) {
        // It has just ended, and whoever reads from it is told so.
        System.getLogger(PairStreams.class.getName())
            .log(System.Logger.Level.DEBUG, "event=pair.link_over");
      }
    }
  }

  @Override
  public void opened(long stream, InetSocketAddress remote, InetSocketAddress local) {
    PairWriter body = new PairWriter();
    write(body, remote);
    write(body, local);
    tell(PairKind.OPENED, stream, body.toBytes());
  }

  static void write(PairWriter to, InetSocketAddress address) {
    to.bytes(address.getAddress().getAddress()).u32(address.getPort());
  }

  static InetSocketAddress address(PairReader from) {
    byte[] address = from.bytes(MAX_ADDRESS_BYTES);
    int port = from.count(MAX_PORT);
    try {
      return new InetSocketAddress(InetAddress.getByAddress(address), port);
    } catch (UnknownHostException e) {
      throw PairReader.rejected(
          Rejection.Reason.FIELD_OUT_OF_RANGE, "address of " + address.length + " bytes");
    }
  }

  @Override
  public void bytes(long stream, byte[] bytes) {
    tell(PairKind.BYTES, stream, bytes);
  }

  @Override
  public void taken(long stream, int bytes) {
    tell(PairKind.TAKEN, stream, new PairWriter().u32(bytes).toBytes());
  }

  @Override
  public void ended(long stream) {
    tell(PairKind.ENDED, stream, NOTHING);
  }

  @Override
  public void closed(long stream) {
    tell(PairKind.CLOSED, stream, NOTHING);
  }

  /**
   * Passes a message on.
   *
   * @return false if it is about something else
   */
  static boolean pass(PairKind kind, long stream, byte[] body, ClientStreams to) {
    PairReader fields = new PairReader(body);
    switch (kind) {
      case OPENED -> {
        InetSocketAddress remote = address(fields);
        InetSocketAddress local = address(fields);
        fields.end();
        to.opened(stream, remote, local);
      }
      case BYTES -> {
        if (body.length == 0 || body.length > MAX_CHUNK_BYTES) {
          throw PairReader.rejected(Rejection.Reason.TOO_LARGE, "chunk of " + body.length);
        }
        to.bytes(stream, body);
      }
      case TAKEN -> {
        int bytes = fields.u32();
        fields.end();
        to.taken(stream, bytes);
      }
      case ENDED -> to.ended(stream);
      case CLOSED -> to.closed(stream);
      default -> {
        return false;
      }
    }
    return true;
  }
}
