package io.capsuledb.host.job;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.ResultBox;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * What a client keeps of a job: its id, the capsule's metadata and the key that opens its results.
 * One file for each job, which only the user may read.
 *
 * @param job its id
 * @param metadata of the capsule, signed
 * @param resultKey opens the results
 */
public record JobFile(Octets job, Octets metadata, PrivateKey resultKey) {

  private static final String FORMAT = "capsule-job-1";
  private static final int LINES = 4;

  private static Path path(Path data, String job) {
    return data.resolve("jobs").resolve(job + ".job");
  }

  /** Writes it below a data directory. */
  public void write(Path data) {
    Path path = path(data, job.hex());
    try {
      Files.createDirectories(path.getParent());
    } catch (IOException e) {
      throw new InvalidRequestException("cannot make " + path.getParent() + " (" + e + ")", e);
    }
    String text =
        String.join(
            "\n",
            FORMAT,
            job.hex(),
            Base64.getEncoder().encodeToString(metadata.toArray()),
            Base64.getEncoder().encodeToString(resultKey.getEncoded()),
            "");
    PrivateFile.write(path, text.getBytes(StandardCharsets.US_ASCII), false);
  }

  /**
   * Reads one.
   *
   * @param job its id in hex
   * @throws InvalidRequestException if there is none
   */
  public static JobFile read(Path data, String job) {
    Path path = path(data, job);
    try {
      List<String> lines = Files.readAllLines(path, StandardCharsets.US_ASCII);
      if (lines.size() < LINES || !lines.get(0).equals(FORMAT)) {
        throw new InvalidRequestException(path + " is no file of a job");
      }
      try (SecretBytes key = SecretBytes.own(Base64.getDecoder().decode(lines.get(3)))) {
        return new JobFile(
            Octets.ofHex(lines.get(1)),
            Octets.own(Base64.getDecoder().decode(lines.get(2))),
            ResultBox.privateKey(key).orThrow());
      }
    } catch (NoSuchFileException e) {
      throw new InvalidRequestException(
          "there is no job " + job + " below " + data + ": give the --data it was launched with",
          e);
    } catch (IOException | IllegalArgumentException e) {
      throw new InvalidRequestException("cannot read " + path + " (" + e + ")", e);
    }
  }

  /** Jobs of a data directory, by id. */
  public static List<String> list(Path data) {
    List<String> jobs = new ArrayList<>();
    Path directory = data.resolve("jobs");
    if (Files.isDirectory(directory)) {
      try (var files = Files.newDirectoryStream(directory, "*.job")) {
        files.forEach(file -> jobs.add(String.valueOf(file.getFileName()).replace(".job", "")));
      } catch (IOException e) {
        throw new InvalidRequestException("cannot list " + directory + " (" + e + ")", e);
      }
    }
    jobs.sort(null);
    return jobs;
  }
}
