package io.capsuledb.replication.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.sim.SimReplicaDisk.Fault;
import io.capsuledb.replication.sim.SimReplicaDisk.Place;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The simulated log keeps the contract, and its disk fails as it is told to. */
class SimReplicaLogTest extends ReplicaLogContract {

  private final SimReplicaDisk disk = new SimReplicaDisk(5);

  @Override
  protected ReplicaLog open(Path directory) {
    return disk.open();
  }

  private void powerUp() {
    log = disk.open();
  }

  @Test
  void eachFaultLeavesTheBatchOrNothing() {
    TestChain chain = chain(ONE, 1);
    for (Fault fault : Fault.values()) {
      StoredRecord a = chain.next(20);
      StoredRecord b = chain.next(20);
      long before = chain.length() - 2;
      disk.onNextCommit(fault);
      assertThatThrownBy(
              () -> {
                commit(
                    w -> w.record(ONE, a, TestChain.lamportOf(a.sequence())),
                    w -> w.record(ONE, b, TestChain.lamportOf(b.sequence())),
                    w -> w.numberFloor(b.sequence()));
              })
          .as("%s", fault)
          .isInstanceOf(
              fault == Fault.OUT_OF_SPACE ? UnavailableException.class : StorageException.class);
      assertThatThrownBy(() -> commit(w -> w.numberFloor(99)))
          .as("%s: only opening again helps", fault)
          .isInstanceOf(StorageException.class);
      log.close();
      powerUp();
      boolean kept = fault == Fault.ERROR_AFTER || fault == Fault.POWER_CUT_AFTER;
      if (!kept) {
        chain.truncate(before);
      }
      assertHeld(chain);
      assertThat(recoveredChain(ONE, 1).head()).as("%s", fault).isEqualTo(chain.head());
    }
    assertThat(chain.length()).isEqualTo(4);
    assertThat(disk.commits()).isEqualTo(1 + Fault.values().length);
  }

  @Test
  void aFullDiskRefusesRecordsAndTakesTheRest() {
    TestChain chain = chain(ONE, 1);
    append(chain, 1000);
    disk.capacityBytes(log.sizeBytes() + 500);
    StoredRecord more = chain.next(1000);
    for (int i = 0; i < 2; i++) {
      assertThatThrownBy(() -> commit(w -> w.numberFloor(9), w -> w.record(ONE, more, 6)))
          .isInstanceOf(UnavailableException.class);
      assertThat(log.read(ONE, 1, 1)).isEqualTo(chain.at(1).bytes());
      assertThat(log.read(ONE, 1, 2)).isNull();
    }
    commit(w -> w.numberFloor(5), w -> w.release(ONE, chain.stub(1)));
    commit(w -> w.record(ONE, more, 6));
    reopen();
    assertThat(log.recovered().numberFloor()).isEqualTo(5);
    assertThat(log.read(ONE, more.hash())).isEqualTo(more.bytes());
  }

  @Test
  void aLyingDiskForgetsWhatItDidNotSync() {
    TestChain chain = chain(ONE, 1);
    append(chain, 20);
    disk.lieAboutSync(true);
    append(chain, 30);
    disk.sync();
    append(chain, 40);
    disk.powerCut();
    chain.truncate(2);
    powerUp();
    assertHeld(chain);
    assertThat(recoveredChain(ONE, 1).head()).isEqualTo(chain.head());
  }

  @Test
  void damageIsFoundAndRepaired() {
    TestChain chain = chain(ONE, 1);
    append(chain, 20, 30, 40);
    disk.flipByte(new Place(ONE, 1, 1), 3);
    disk.lose(new Place(ONE, 1, 2));
    assertThat(disk.damaged()).containsExactly(new Place(ONE, 1, 1), new Place(ONE, 1, 2));
    for (long s = 1; s <= 2; s++) {
      long at = s;
      assertThatThrownBy(() -> log.read(ONE, 1, at)).isInstanceOf(IntegrityException.class);
      assertThatThrownBy(() -> log.read(ONE, chain.at(at).hash()))
          .isInstanceOf(IntegrityException.class);
    }
    commit(w -> w.repair(ONE, chain.at(1)), w -> w.repair(ONE, chain.at(2)));
    assertHeld(chain);
    assertThat(disk.damaged()).isEmpty();
    disk.forgeByte(new Place(ONE, 1, 3), 0);
    assertThat(log.read(ONE, 1, 3)).isNotEqualTo(chain.at(3).bytes());
    assertThat(disk.damaged()).isEmpty();
    disk.lose(new Place(ONE, 1, 3));
    log.close();
    assertThatThrownBy(disk::open).isInstanceOf(IntegrityException.class);
    disk.wipe();
    powerUp();
  }

  @Test
  void aDiskIsRolledBackWithItsIncarnationAndLostWithoutIt() {
    TestChain chain = chain(ONE, 1);
    append(chain, 20);
    SimReplicaDisk old = disk.copy();
    append(chain, 30);
    long incarnation = log.recovered().incarnation();
    log.close();
    disk.rollBackTo(old);
    powerUp();
    assertThat(log.recovered().incarnation()).isEqualTo(incarnation);
    assertThat(recoveredChain(ONE, 1).head()).isEqualTo(chain.head(1));
    assertThatThrownBy(disk::wipe).isInstanceOf(IllegalStateException.class);
    disk.powerCut();
    disk.wipe();
    powerUp();
    assertThat(log.recovered().incarnation()).isNotEqualTo(incarnation);
    assertThat(log.recovered().capsules()).isEmpty();
    try (SimReplicaLog copied = old.open()) {
      assertThat(copied.recovered().capsules()).hasSize(1);
    }
  }
}
