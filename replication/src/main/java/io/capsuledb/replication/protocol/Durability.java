package io.capsuledb.replication.protocol;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.Ballot;
import java.util.Map;
import java.util.TreeSet;

/**
 * When statements of replicas together show that a record is durable. One rule for whoever counts:
 * clients, certificates, tests.
 *
 * <p>Counting distinct replicas that have said they hold the record is not enough once its writer
 * is being sealed. Statements are of different times, and a replica may drop what it has said it
 * holds when it accepts a final head, of a ballot that another one then replaces. Safe are:
 *
 * <ul>
 *   <li>a quorum that held it <i>before accepting any</i> final head: every sealer meets one of
 *       them, so every final head there ever is includes the record;
 *   <li>a quorum that accepted a final head <i>of one ballot</i> and <i>holds all of the chain up
 *       to it</i>: this final head is chosen, and no later ballot has another one. Who accepted it
 *       and holds less may hold another branch, of a writer that signed two: it drops it when it
 *       sees where they part.
 * </ul>
 *
 * <p>A mixture of both, or of several ballots, shows nothing. Example, five replicas, quorum three,
 * record 7: D and E hold it. Ballot 1 prepares at A, B, C, which hold 3, and its final head 3
 * reaches D alone, which drops 7. Ballot 2 prepares at A, B, E; its final head 7 reaches A alone,
 * which fetches 7. Now A, D and E have each signed that they hold 7, and yet ballot 3, prepared at
 * B, C, D, ends with 3.
 */
public final class Durability {

  private Durability() {}

  /**
   * Whether a record is durable.
   *
   * @param membership the membership that all the statements were made in
   * @param entries by replica, its entry for the record's writer; on a chain with the record
   * @param sequence the record's sequence number
   */
  public static boolean isDurable(
      Membership membership, Map<PublicKey, Statement.Entry> entries, long sequence) {
    TreeSet<Ballot> ballots = new TreeSet<>();
    entries.values().forEach(entry -> ballots.add(entry.seal().accepted()));
    return !membership.current().replicas().isEmpty()
        && ballots.stream()
            .anyMatch(
                ballot ->
                    membership.isQuorum(
                        replica -> {
                          Statement.Entry entry = entries.get(replica);
                          return entry != null
                              && entry.head().sequence() >= sequence
                              && entry.seal().accepted().equals(ballot)
                              && isWhole(entry);
                        }));
  }

  /** Whether what is held is a part of the chain that the accepted final head ends, if one does. */
  private static boolean isWhole(Statement.Entry entry) {
    return !entry.seal().isFinal() || entry.head().equals(entry.seal().last());
  }
}
