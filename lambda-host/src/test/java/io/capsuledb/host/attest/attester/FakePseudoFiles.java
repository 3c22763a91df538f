package io.capsuledb.host.attest.attester;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A tree of real files that behaves as the pseudo-files do: what happens on a write, on a read or
 * with a new directory is what a test says.
 */
final class FakePseudoFiles implements PseudoFiles {

  /** What the kernel or Gramine does. */
  interface Reaction {
    void on(Path path) throws IOException;
  }

  final List<String> log = new ArrayList<>();
  Reaction created = path -> {};
  Reaction written = path -> {};
  Reaction beforeRead = path -> {};

  @Override
  public Octets read(Path file, int most) throws IOException {
    beforeRead.on(file);
    log.add("read " + file.getFileName());
    return CollateralFolder.read(file, most);
  }

  @Override
  public void write(Path file, Octets contents) throws IOException {
    log.add("write " + file.getFileName() + " " + contents.length());
    Files.write(
        file, contents.toArray(), StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
    written.on(file);
  }

  @Override
  public void createDirectory(Path directory) throws IOException {
    Files.createDirectory(directory);
    created.on(directory);
  }

  @Override
  public void removeDirectory(Path directory) throws IOException {
    log.add("remove");
    try (Stream<Path> shown = Files.list(directory)) {
      for (Path file : shown.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(directory);
  }
}
