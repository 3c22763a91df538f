package io.capsuledb.replication.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog.Rebuilding;
import io.capsuledb.replication.sim.TestChain;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class ReplicaCodecTest {

  private static final Hash32 CAPSULE = counting(0);
  private static final Hash32 HASH = counting(0x80);
  private static final Hash32 OLDER = counting(0x40);
  private static final long WRITER = 0x1122334455667788L;

  private static final ReplicaCodec.StoreRow STORE =
      new ReplicaCodec.StoreRow(0x0102030405060708L, 4096);
  private static final ReplicaCodec.ChainRow CHAIN =
      new ReplicaCodec.ChainRow(
          new RosterEntry(WRITER, TestChain.KEY, RosterEntry.Role.LEADER, 3),
          new ChainHead(9, HASH),
          27);
  private static final SealState SEAL =
      new SealState(
          new Ballot(5, 6), new ChainHead(9, HASH), new Ballot(4, 7), new ChainHead(8, OLDER));
  private static final ReplicaCodec.CursorRow CURSOR =
      new ReplicaCodec.CursorRow(CAPSULE, WRITER, 9, 2);

  private static Hash32 counting(int from) {
    byte[] bytes = new byte[Hash32.BYTES];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (from + i);
    }
    return Hash32.of(bytes);
  }

  /** The bytes of format 1, which never change; docs/format/store.md shows the same ones. */
  @Test
  void golden() throws IOException {
    Map<String, byte[][]> rows = new TreeMap<>();
    byte[] text = "membership".getBytes(StandardCharsets.US_ASCII);
    byte[] proof = "proof".getBytes(StandardCharsets.US_ASCII);
    row(rows, "1.store", ReplicaCodec.storeKey(ReplicaLayout.STORE), ReplicaCodec.store(STORE));
    row(rows, "2.membership", ReplicaCodec.membershipKey(CAPSULE, 1), text);
    row(
        rows,
        "3.chain",
        ReplicaCodec.writerKey(ReplicaLayout.CHAIN, CAPSULE, WRITER),
        ReplicaCodec.chain(CHAIN));
    row(
        rows,
        "4.seal",
        ReplicaCodec.writerKey(ReplicaLayout.SEAL, CAPSULE, WRITER),
        ReplicaCodec.seal(SEAL));
    row(rows, "5.evidence", ReplicaCodec.evidenceKey(CAPSULE, HASH), proof);
    row(
        rows,
        "6.rebuilding",
        ReplicaCodec.capsuleKey(ReplicaLayout.REBUILDING, CAPSULE),
        ReplicaCodec.rebuilding(Rebuilding.JOINING));
    row(
        rows,
        "7.cursor",
        ReplicaCodec.storeKey(ReplicaLayout.SCRUB_CURSOR),
        ReplicaCodec.cursor(CURSOR));
    row(rows, "8.generation", StoreLayout.generationKey(), StoreCodec.formatBody(1));
    StringBuilder lines = new StringBuilder();
    rows.forEach(
        (name, row) ->
            lines
                .append(name)
                .append(".key ")
                .append(HexFormat.of().formatHex(row[0]))
                .append('\n')
                .append(name)
                .append(".value ")
                .append(HexFormat.of().formatHex(row[1]))
                .append('\n'));
    try (InputStream in = ReplicaCodecTest.class.getResourceAsStream("/golden/v1/replica.txt")) {
      assertThat(lines.toString())
          .isEqualTo(new String(in.readAllBytes(), StandardCharsets.US_ASCII));
    }
  }

  private static void row(Map<String, byte[][]> rows, String name, byte[] key, byte[] body) {
    rows.put(name, new byte[][] {key, StoreCodec.seal(key, body)});
  }

  @Test
  void whatIsWrittenIsRead() {
    assertThat(ReplicaCodec.store(ReplicaCodec.store(STORE))).isEqualTo(STORE);
    assertThat(ReplicaCodec.chain(WRITER, ReplicaCodec.chain(CHAIN))).isEqualTo(CHAIN);
    assertThat(ReplicaCodec.seal(ReplicaCodec.seal(SEAL))).isEqualTo(SEAL);
    assertThat(ReplicaCodec.seal(ReplicaCodec.seal(SealState.OPEN))).isEqualTo(SealState.OPEN);
    assertThat(ReplicaCodec.cursor(ReplicaCodec.cursor(CURSOR))).isEqualTo(CURSOR);
    for (RosterEntry.Role role : RosterEntry.Role.values()) {
      ReplicaCodec.ChainRow row =
          new ReplicaCodec.ChainRow(new RosterEntry(1, TestChain.KEY, role, 0), ChainHead.NONE, 0);
      assertThat(ReplicaCodec.chain(1, ReplicaCodec.chain(row))).isEqualTo(row);
    }
    for (Rebuilding rebuilding : Rebuilding.values()) {
      assertThat(ReplicaCodec.rebuilding(ReplicaCodec.rebuilding(rebuilding)))
          .isEqualTo(rebuilding);
    }
    byte[] key = ReplicaCodec.writerKey(ReplicaLayout.SEAL, CAPSULE, WRITER);
    assertThat(ReplicaCodec.capsuleOf(key)).isEqualTo(CAPSULE);
    assertThat(ReplicaCodec.writerOf(key)).isEqualTo(WRITER);
    assertThat(ReplicaCodec.versionOf(ReplicaCodec.membershipKey(CAPSULE, 77))).isEqualTo(77);
  }

  /** Any bytes are a row or are refused, and a row is read back as it was written. */
  @Property
  void anyBytesAreARowOrNone(@ForAll @Size(max = 120) byte[] bytes) {
    ReplicaCodec.StoreRow store = ReplicaCodec.store(bytes);
    assertThat(store == null || Arrays.equals(ReplicaCodec.store(store), bytes)).isTrue();
    SealState seal = ReplicaCodec.seal(bytes);
    assertThat(seal == null || Arrays.equals(ReplicaCodec.seal(seal), bytes)).isTrue();
    ReplicaCodec.CursorRow cursor = ReplicaCodec.cursor(bytes);
    assertThat(cursor == null || Arrays.equals(ReplicaCodec.cursor(cursor), bytes)).isTrue();
    Rebuilding rebuilding = ReplicaCodec.rebuilding(bytes);
    assertThat(rebuilding == null || Arrays.equals(ReplicaCodec.rebuilding(rebuilding), bytes))
        .isTrue();
  }

  @Property
  void aFlippedBitOfAChainIsAnotherChainOrNone(
      @ForAll @net.jqwik.api.constraints.IntRange(max = 8 * ReplicaLayout.CHAIN_BYTES - 1)
          int bit) {
    byte[] bytes = ReplicaCodec.chain(CHAIN);
    bytes[bit / 8] ^= (byte) (1 << (bit % 8));
    ReplicaCodec.ChainRow row = ReplicaCodec.chain(WRITER, bytes);
    assertThat(row == null || !row.equals(CHAIN)).isTrue();
    assertThat(row == null || Arrays.equals(ReplicaCodec.chain(row), bytes)).isTrue();
    assertThat(ReplicaCodec.chain(0, ReplicaCodec.chain(CHAIN))).isNull();
  }
}
