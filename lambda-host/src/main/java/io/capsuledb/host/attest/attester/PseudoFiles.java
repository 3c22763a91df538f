package io.capsuledb.host.attest.attester;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A port to the kernel's or the enclave runtime's pseudo-files, which look like files and do not
 * behave like them: a write makes another file's content, and a directory goes with all it shows.
 */
public interface PseudoFiles {

  /** The real ones. */
  PseudoFiles SYSTEM =
      new PseudoFiles() {
        @Override
        public Octets read(Path file, int most) throws IOException {
          return CollateralFolder.read(file, most);
        }

        @Override
        public void write(Path file, Octets contents) throws IOException {
          // Neither created nor truncated: it is no real file.
          Files.write(file, contents.toArray(), StandardOpenOption.WRITE);
        }

        @Override
        public void createDirectory(Path directory) throws IOException {
          Files.createDirectory(directory);
        }

        @Override
        public void removeDirectory(Path directory) throws IOException {
          Files.delete(directory);
        }
      };

  /** The contents of a file, of at most {@code most} bytes. */
  Octets read(Path file, int most) throws IOException;

  /** Writes all of a file in one call. */
  void write(Path file, Octets contents) throws IOException;

  void createDirectory(Path directory) throws IOException;

  /** Removes a directory, with the files that are shown in it. */
  void removeDirectory(Path directory) throws IOException;
}
