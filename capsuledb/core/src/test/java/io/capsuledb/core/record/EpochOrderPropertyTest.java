package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/** Which epochs a chain may go through, against a rule that is written down a second time here. */
class EpochOrderPropertyTest {

  private static final long WRITER = 91;

  private final Capsules capsule = new Capsules(46);

  @Property(tries = 200)
  void epochsFollow(@ForAll long seed) {
    Random random = new Random(seed);
    boolean isWorker = random.nextBoolean();
    RosterEntry.Role role = isWorker ? RosterEntry.Role.WORKER : RosterEntry.Role.COORDINATOR;
    ChainVerifier verifier = capsule.verifier();
    try (RecordSealer sealer = capsule.sealer(WRITER)) {
      long epoch = random.nextInt(3);
      byte[] roster =
          RosterCodec.encode(
              capsule.name,
              0,
              List.of(
                  new RosterEntry(WRITER, capsule.application.writerPublicKey(WRITER), role, 0)),
              capsule.application::sign);
      assertThat(
              verifier.link(
                  sealer.seal(RecordType.ROSTER, epoch, 1, List.of(), roster, 0, roster.length)))
          .isNull();
      long lastEoe = -1;
      for (int i = 2; i < 20; i++) {
        RecordType type =
            isWorker
                ? random.nextInt(3) == 0 ? RecordType.EOE : RecordType.DATA
                : random.nextBoolean() ? RecordType.RTS : RecordType.SYNC;
        long next = Math.max(0, epoch - 2 + random.nextInt(4));
        boolean allowed;
        if (type == RecordType.EOE) {
          allowed = lastEoe < 0 ? next >= epoch - 1 : next >= lastEoe;
        } else {
          allowed = isWorker ? next == epoch : next >= epoch;
        }
        CapsuleRecord record =
            sealer.seal(
                type, next, i, List.of(Hash32.of(new byte[32]), sealer.head()), new byte[9], 0, 9);
        Rejection refused = verifier.link(record);
        assertThat(refused == null).as("seed %d, record %d", seed, i).isEqualTo(allowed);
        if (refused != null) {
          assertThat(refused.reason()).isEqualTo(Reason.EPOCH_ORDER);
          return;
        }
        lastEoe = type == RecordType.EOE ? next : lastEoe;
        epoch = type == RecordType.EOE ? next + 1 : next;
      }
    }
  }
}
