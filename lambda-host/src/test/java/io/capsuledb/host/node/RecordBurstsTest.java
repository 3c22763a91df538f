package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.worker.WorkerInput;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** What is kept of others' frames. */
class RecordBurstsTest {

  private static final long SENDER = 7;
  private static final SampleCapsule CAPSULE = new SampleCapsule(5, List.of(), 0);
  private static final List<CapsuleRecord> RECORDS = records(3 * SclMessage.MAX_RECORDS / 2);

  private static List<CapsuleRecord> records(int count) {
    List<CapsuleRecord> records = new ArrayList<>();
    try (SampleCapsule.Chain chain = CAPSULE.chain(SENDER, Role.WORKER)) {
      records.add(chain.first());
      while (records.size() < count) {
        records.add(chain.next(RecordType.DATA, List.of(), new byte[1]));
      }
    }
    return records;
  }

  private static SclMessage.Records frame(int from, int to) {
    return new SclMessage.Records(SENDER, from, to, RECORDS.subList(from - 1, to));
  }

  private static SclMessage.Records said(WorkerInput.Received input) {
    assertThat(input.sender()).isEqualTo(SENDER);
    return (SclMessage.Records) input.message();
  }

  /** However a chain is cut into frames, in whichever order and how often they come. */
  @Property(tries = 100)
  void framesOfOneChainBecomeOne(
      @ForAll List<@IntRange(min = 1, max = 50) Integer> begins,
      @ForAll @IntRange(min = 1, max = 9) int length) {
    RecordBursts bursts = new RecordBursts();
    bursts.add(SENDER, frame(20, 30));
    bursts.add(SENDER, new SclMessage.Records(SENDER, 31, 60, List.of()));
    begins.forEach(begin -> bursts.add(SENDER, frame(begin, begin + length)));
    List<WorkerInput.Received> taken = bursts.take();
    assertThat(taken).hasSize(1);
    SclMessage.Records all = said(taken.getFirst());
    int first = Math.min(20, begins.stream().mapToInt(b -> b).min().orElse(20));
    assertThat(all.from()).isEqualTo(first);
    assertThat(all.to()).isEqualTo(60);
    assertThat(all.records())
        .containsExactlyElementsOf(
            RECORDS.stream()
                .filter(
                    record -> {
                      long at = record.header().sequence();
                      return (at >= 20 && at <= 30)
                          || begins.stream().anyMatch(b -> at >= b && at <= b + length);
                    })
                .toList());
    assertThat(bursts.isEmpty()).isTrue();
    assertThat(bursts.take()).isEmpty();
  }

  @Test
  void moreThanAMessageHoldsComesInPieces() {
    RecordBursts bursts = new RecordBursts();
    for (int from = 1; from <= RECORDS.size(); from += 100) {
      bursts.add(SENDER, frame(from, Math.min(RECORDS.size(), from + 99)));
    }
    List<WorkerInput.Received> taken = bursts.take();
    assertThat(taken).hasSize(2);
    assertThat(taken.stream().flatMap(input -> said(input).records().stream()))
        .containsExactlyElementsOf(RECORDS);
  }

  @Test
  void whatOthersSayOfOthersStaysApart() {
    RecordBursts bursts = new RecordBursts();
    bursts.add(SENDER, frame(1, 2));
    bursts.add(8, new SclMessage.Records(9, 1, 3, List.of()));
    bursts.add(8, new SclMessage.Records(8, 1, 4, List.of()));
    assertThat(bursts.take())
        .containsExactly(
            new WorkerInput.Received(SENDER, frame(1, 2)),
            new WorkerInput.Received(8, new SclMessage.Records(9, 1, 3, List.of())),
            new WorkerInput.Received(8, new SclMessage.Records(8, 1, 4, List.of())));
  }
}
