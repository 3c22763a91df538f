package io.capsuledb.replication.router;

import io.capsuledb.replication.session.PeerLinks;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Does what cores want done with links. Belongs to one thread, or to whoever holds a lock. */
final class Dials {

  private final Map<Long, Long> dialByToken = new HashMap<>();
  private final Map<Long, Long> tokenByDial = new HashMap<>();

  /** The token of a dial; 0: a peer made the link; -1: it was given up. */
  long token(long dial) {
    return dial == 0 ? 0 : tokenByDial.getOrDefault(dial, -1L);
  }

  /** Carries an output out; returns whether a frame found no room. */
  boolean perform(PeerLinks links, RouterOutput output) {
    switch (output) {
      case RouterOutput.Dial(long token, String address) -> {
        long dial = links.connect(address, null);
        dialByToken.put(token, dial);
        tokenByDial.put(dial, token);
      }
      case RouterOutput.HangUp(long token) -> {
        @Nullable Long dial = dialByToken.remove(token);
        if (dial != null) {
          tokenByDial.remove(dial);
          links.disconnect(dial);
        }
      }
      case RouterOutput.Send(long link, var body) -> {
        return !links.send(link, body.bytes());
      }
      case RouterOutput.Drop(long link, String reason) -> links.drop(link, reason);
      case RouterOutput.Deliver _ -> throw new IllegalStateException("not for links");
    }
    return false;
  }
}
