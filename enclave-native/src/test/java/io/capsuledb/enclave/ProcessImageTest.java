package io.capsuledb.enclave;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class ProcessImageTest {

  private static final int PIECE_BYTES = 1 << 20;

  @Test
  @EnabledOnOs(OS.LINUX)
  @Timeout(60)
  void nothingOfAReplacedImageIsLeft() throws Exception {
    byte[] random = new byte[16];
    new Random().nextBytes(random);
    byte[] secret = HexFormat.of().formatHex(random).getBytes(StandardCharsets.US_ASCII);
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                ReplacedProcess.class.getName(),
                "übung",
                "")
            .redirectErrorStream(true)
            .start();
    try (OutputStream in = process.getOutputStream();
        BufferedReader out =
            new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      in.write(secret);
      in.flush();
      assertThat(out.readLine()).startsWith("holds ");
      String first = out.readLine();
      assertThat(first).startsWith("first " + process.pid()).endsWith("sockets-open hardened");
      if (isReadable(process.pid())) {
        assertThat(occurrences(process.pid(), secret)).isGreaterThan(1000);
      }
      in.write('\n');
      in.flush();
      String second = out.readLine();
      assertThat(second)
          .isEqualTo(first.replace("first ", "second ").replace("sockets-open", "nothing-open"));
      if (isReadable(process.pid())) {
        assertThat(occurrences(process.pid(), secret)).isZero();
      } else {
        System.out.println("memory of other processes cannot be read here: not scanned");
      }
    }
    assertThat(process.waitFor()).isZero();
  }

  private static boolean isReadable(long pid) {
    try (RandomAccessFile memory = new RandomAccessFile("/proc/" + pid + "/mem", "r")) {
      return memory.getFD().valid();
    } catch (IOException e) {
      return false;
    }
  }

  /** How often a process has some bytes in memory that it can write. */
  private static int occurrences(long pid, byte[] wanted) throws IOException {
    int hits = 0;
    byte[] piece = new byte[PIECE_BYTES];
    try (RandomAccessFile memory = new RandomAccessFile("/proc/" + pid + "/mem", "r")) {
      for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/maps"))) {
        String[] fields = line.split(" ", 3);
        if (!fields[1].startsWith("rw")) {
          continue;
        }
        String[] ends = fields[0].split("-", 2);
        long to = Long.parseUnsignedLong(ends[1], 16);
        for (long at = Long.parseUnsignedLong(ends[0], 16); at < to; ) {
          int length = (int) Math.min(piece.length, to - at);
          try {
            memory.seek(at);
            memory.readFully(piece, 0, length);
            hits += occurrences(piece, length, wanted);
          } catch (IOException e) {
            assertThat(line).as("mapped, and not there").isNotEmpty();
          }
          at += length;
        }
      }
    }
    return hits;
  }

  private static int occurrences(byte[] bytes, int length, byte[] wanted) {
    int hits = 0;
    for (int i = 0; i + wanted.length <= length; i++) {
      int j = 0;
      while (j < wanted.length && bytes[i + j] == wanted[j]) {
        j++;
      }
      hits += j == wanted.length ? 1 : 0;
    }
    return hits;
  }
}
