package io.capsuledb.core.capsule;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleMetadata.DirectoryMode;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.golden.GoldenCapsule;
import org.junit.jupiter.api.Test;

/** Metadata of format 1: made again from the same seeds, read, and as documented. */
class MetadataGoldenTest {

  private static final GoldenCapsule CAPSULE = new GoldenCapsule();

  @Test
  void todaysCodeMakesTheSameBytes() {
    assertThat(CAPSULE.signedMetadata()).isEqualTo(Golden.bytes("metadata.hex"));
    assertThat(CAPSULE.signedMetadataWithReplicas())
        .isEqualTo(Golden.bytes("metadata-replicas.hex"));
  }

  @Test
  void theBytesAreRead() {
    CapsuleMetadata metadata =
        MetadataCodec.decode(Golden.bytes("metadata.hex"), Secp256k1.best()).orThrow();
    assertThat(metadata.ownerKey()).isEqualTo(CAPSULE.owner().ownerPublicKey());
    assertThat(metadata.applicationKey()).isEqualTo(CAPSULE.application().publicKey());
    assertThat(metadata.applicationPath())
        .containsExactly(0x80434150, 0x80000001, 0x80000000, 0x80000000);
    assertThat(metadata.replicas()).isEmpty();
    assertThat(metadata.quorum()).isZero();
    assertThat(metadata.directoryMode()).isEqualTo(DirectoryMode.ROSTER);
    assertThat(metadata.salt())
        .hasToString("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");

    CapsuleMetadata replicated =
        MetadataCodec.decode(Golden.bytes("metadata-replicas.hex"), Secp256k1.best()).orThrow();
    assertThat(replicated.replicas()).hasSize(3).doesNotHaveDuplicates();
    assertThat(replicated.quorum()).isEqualTo(2);
    assertThat(replicated.directoryMode()).isEqualTo(DirectoryMode.DERIVED);
  }

  @Test
  void theDocumentShowsThem() {
    assertThat(Golden.listed("metadata.md", "metadata.hex"))
        .isEqualTo(Golden.bytes("metadata.hex"));
    assertThat(Golden.listed("metadata.md", "metadata-replicas.hex"))
        .isEqualTo(Golden.bytes("metadata-replicas.hex"));
    assertThat(Golden.document("metadata.md")).contains("`" + CAPSULE.name() + "`");
  }
}
