package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The file that makes a directory a backup: how far each chain went when it was whole for the last
 * time. Lines of ASCII, docs/format/backup.md.
 *
 * @param capsule what it is a backup of
 * @param complete whether the last run came to its end; if not, the next one looks at everything
 * @param heads the newest record of each chain, by writer; empty if it never was whole
 */
record BackupMark(CapsuleName capsule, boolean complete, List<ChainVerifier.Head> heads) {

  /** Its name in the backup. */
  static final String FILE = "backup";

  private static final String FORMAT = "capsuledb-backup 1";
  private static final long MAX_BYTES = 16 << 20;

  BackupMark {
    heads = List.copyOf(heads);
  }

  /**
   * Reads it; null if there is none.
   *
   * @throws IntegrityException if it is damaged, or of a format this version does not know
   */
  static @Nullable BackupMark read(Path backup) {
    Path file = backup.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      return null;
    }
    List<String> lines;
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new InvalidRequestException(file + " is too long to be the mark of a backup");
      }
      lines = Files.readAllLines(file, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new StorageException("cannot read " + file + " (" + e + ")", e);
    }
    if (lines.isEmpty() || !lines.getFirst().equals(FORMAT)) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.UNKNOWN_FORMAT,
              file + " does not begin with '" + FORMAT + "': use a newer version"));
    }
    try {
      return parse(lines);
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.FIELD_OUT_OF_RANGE,
              file + " is damaged: run 'capsule backup' into a new directory"));
    }
  }

  private static BackupMark parse(List<String> lines) {
    CapsuleName capsule = new CapsuleName(Hash32.parse(field(lines.get(1), "capsule ")));
    String state = field(lines.get(2), "state ");
    if (!state.equals("complete") && !state.equals("incomplete")) {
      throw new IllegalArgumentException("state");
    }
    List<ChainVerifier.Head> heads = new ArrayList<>();
    for (String line : lines.subList(3, lines.size() - 1)) {
      String[] words = field(line, "chain ").split(" ", -1);
      heads.add(
          new ChainVerifier.Head(
              Long.parseUnsignedLong(words[0], 16),
              Long.parseLong(words[1]),
              Hash32.parse(words[2]),
              Long.parseLong(words[3])));
    }
    if (!lines.getLast().equals("end")) {
      throw new IllegalArgumentException("end");
    }
    return new BackupMark(capsule, state.equals("complete"), heads);
  }

  private static String field(String line, String name) {
    if (!line.startsWith(name)) {
      throw new IllegalArgumentException(name);
    }
    return line.substring(name.length());
  }

  /** Writes it, durably, whole or not at all. */
  void write(Path backup) {
    StringBuilder text = new StringBuilder(FORMAT).append('\n');
    text.append("capsule ").append(capsule).append('\n');
    text.append("state ").append(complete ? "complete" : "incomplete").append('\n');
    for (ChainVerifier.Head head : heads) {
      text.append("chain ")
          .append(Long.toHexString(head.writer()))
          .append(' ')
          .append(head.sequence())
          .append(' ')
          .append(head.hash())
          .append(' ')
          .append(head.lamport())
          .append('\n');
    }
    text.append("end\n");
    PrivateFile.write(
        backup.resolve(FILE), text.toString().getBytes(StandardCharsets.US_ASCII), true);
  }
}
