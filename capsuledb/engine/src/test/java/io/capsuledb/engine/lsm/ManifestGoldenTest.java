package io.capsuledb.engine.lsm;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.core.proof.StateCommitment;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.Manifest.Moment;
import io.capsuledb.engine.lsm.Manifest.Run;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Manifests of formats 1 and 2: made again, read, and as documented. */
class ManifestGoldenTest {

  private static final long WRITER = 0x0123456789abcdefL;
  private static final long COMPACTOR = 0x1111111122222222L;

  /** 2030-01-01T00:00:00Z. */
  private static final long WALL_MS = 1_893_456_000_000L;

  private static final TableDescriptor NEWER =
      new TableDescriptor(
          hash(0x60),
          COMPACTOR,
          32,
          2,
          bytes("apple"),
          bytes("cherry"),
          3,
          1,
          0,
          35,
          40,
          900,
          0,
          hash(0x80));

  private static final TableDescriptor OLDER =
      new TableDescriptor(
          hash(0xa0),
          COMPACTOR,
          12,
          3,
          bytes("a"),
          bytes("zebra"),
          200,
          0,
          7,
          13,
          30,
          20_000,
          65_536,
          hash(0xc0));

  private static final Manifest MANIFEST =
      new Manifest(
          hash(0),
          40,
          12,
          List.of(
              new Chain(WRITER, 9, hash(0x20), 38, true, false),
              new Chain(COMPACTOR, 31, hash(0x40), 30, false, true)),
          List.of(new Version(20, WRITER, 3)),
          List.of(new Moment(25, WALL_MS)),
          List.of(new Run(0, List.of(NEWER)), new Run(1, List.of(OLDER))),
          List.of());

  /** Beside a merge that has written two tables, with a flush between them. */
  private static final Manifest WITH_LEFTOVERS =
      new Manifest(
          hash(0x10),
          40,
          0,
          List.of(),
          List.of(),
          List.of(),
          List.of(new Run(0, List.of(NEWER))),
          List.of(
              new Checkpoint.Range(COMPACTOR, 28, 31), new Checkpoint.Range(COMPACTOR, 34, 36)));

  private static Hash32 hash(int first) {
    byte[] bytes = new byte[Hash32.BYTES];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (first + i);
    }
    return Hash32.of(bytes);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  @Test
  void theGoldenManifestIsMadeReadAndDocumented() {
    byte[] golden = Golden.bytes("manifest.hex");
    assertThat(ManifestCodec.encode(MANIFEST)).isEqualTo(golden);
    assertThat(ManifestCodec.decode(golden).orThrow()).isEqualTo(MANIFEST);
    assertThat(Golden.listed("manifest.md", "manifest.hex")).isEqualTo(golden);
    assertThat(Golden.document("manifest.md")).contains(golden.length + " bytes");
  }

  @Test
  void theGoldenManifestWithLeftoversIsMadeReadAndDocumented() {
    byte[] golden = Golden.bytes("v2", "manifest.hex");
    assertThat(ManifestCodec.encode(WITH_LEFTOVERS)).isEqualTo(golden);
    assertThat(ManifestCodec.decode(golden).orThrow()).isEqualTo(WITH_LEFTOVERS);
    assertThat(Golden.listed("manifest.md", "v2/manifest.hex")).isEqualTo(golden);
    assertThat(Golden.document("manifest.md")).contains(golden.length + " bytes");
  }

  @Test
  void theStateRootIsMadeAndDocumented() {
    List<Hash32> leaves =
        List.of(
            StateCommitment.tableLeaf(0, NEWER.firstKey(), NEWER.lastKey(), 3, NEWER.root()),
            StateCommitment.tableLeaf(1, OLDER.firstKey(), OLDER.lastKey(), 200, OLDER.root()));
    List<Hash32> made =
        List.of(leaves.get(0), leaves.get(1), MerkleTree.root(leaves), StateRoot.of(MANIFEST));
    byte[] golden = Golden.bytes("manifest-state-root.hex");
    String document = Golden.document("manifest.md");
    for (int i = 0; i < made.size(); i++) {
      assertThat(made.get(i)).isEqualTo(Hash32.copyOf(golden, i * Hash32.BYTES));
      assertThat(document).contains("   " + made.get(i) + "\n");
    }
    assertThat(golden).hasSize(made.size() * Hash32.BYTES);
  }

  @Test
  void anotherFormatIsRefusedWithAHint() {
    byte[] other = Golden.bytes("manifest.hex");
    for (int format = 0; format < 256; format++) {
      other[0] = (byte) format;
      if (format != ManifestLayout.FORMAT && format != ManifestLayout.FORMAT_WITH_LEFTOVERS) {
        assertThat(ManifestCodec.decode(other))
            .isInstanceOfSatisfying(
                Decoded.Rejected.class,
                rejected -> {
                  Rejection rejection = rejected.rejection();
                  assertThat(rejection.reason()).isEqualTo(Reason.UNKNOWN_FORMAT);
                  assertThat(rejection.detail()).contains("format " + (other[0] & 0xFF), "newer");
                });
      }
    }
  }

  /** What decodes at all is what is encoded again; so nothing is read over. */
  @Test
  void everyChangedByteIsRefusedOrMeansSomethingElse() {
    changed(Golden.bytes("manifest.hex"), MANIFEST);
    changed(Golden.bytes("v2", "manifest.hex"), WITH_LEFTOVERS);
  }

  private static void changed(byte[] golden, Manifest intact) {
    for (int at = 0; at < golden.length; at++) {
      for (int bit = 0; bit < 8; bit++) {
        byte[] changed = golden.clone();
        changed[at] ^= (byte) (1 << bit);
        if (ManifestCodec.decode(changed)
            instanceof Decoded.Accepted<Manifest>(Manifest manifest)) {
          assertThat(manifest).isNotEqualTo(intact);
          assertThat(ManifestCodec.encode(manifest)).isEqualTo(changed);
        }
      }
      assertThat(ManifestCodec.decode(Arrays.copyOf(golden, at)))
          .isInstanceOf(Decoded.Rejected.class);
    }
    assertThat(ManifestCodec.decode(Arrays.copyOf(golden, golden.length + 1)))
        .isInstanceOf(Decoded.Rejected.class);
  }
}
