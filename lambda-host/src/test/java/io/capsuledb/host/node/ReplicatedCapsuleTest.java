package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.replication.store.RocksStorage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a node keeps on its own machine of a capsule that lives on replicas. */
class ReplicatedCapsuleTest {

  @TempDir Path directory;

  @Test
  void aCacheThatCannotBeOpenedIsSetAsideAndNotDeleted() throws IOException {
    Path cache = directory.resolve("cache");
    ReplicatedCapsule.openCache(cache).close();
    for (int i = 0; i < 2; i++) {
      Path descriptor;
      try (Stream<Path> files = Files.list(cache)) {
        descriptor =
            files.filter(f -> f.getFileName().toString().startsWith("MANIFEST")).findAny().get();
      }
      byte[] bytes = Files.readAllBytes(descriptor);
      bytes[bytes.length / 2] ^= 1;
      Files.write(descriptor, bytes);
      try (RocksStorage opened = ReplicatedCapsule.openCache(cache)) {
        assertThat(opened.capsules()).isEmpty();
      }
    }
    try (Stream<Path> all = Files.list(directory)) {
      assertThat(all.map(f -> f.getFileName().toString()).sorted().toList())
          .isEqualTo(List.of("cache", "cache.damaged", "cache.damaged-1"));
    }
  }
}
