package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.encoding.Octets;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;

/**
 * The measurement of a simulated enclave: a hash over every file of its code, by name, from jars
 * and folders of classes. Times and order in the jars do not count; one changed class does.
 *
 * <p>The hash is SHA-256 over a tag and, sorted by name, the length and bytes of each name and the
 * SHA-256 of each file. Of two files of one name the first on the path counts, as for the JVM.
 */
public final class CodeMeasurement {

  private static final int MAX_FILES = 200_000;
  private static final String TAG = "capsule/simulated-measurement/v1";

  private CodeMeasurement() {}

  /**
   * Measures code.
   *
   * @param classPath jars and folders, in the order of the class path
   * @throws InvalidRequestException if one of them cannot be read
   */
  public static Octets of(List<Path> classPath) {
    NavigableMap<String, Octets> files = new TreeMap<>();
    for (Path element : classPath) {
      try {
        if (Files.isDirectory(element)) {
          folder(files, element);
        } else {
          jar(files, element);
        }
      } catch (IOException e) {
        throw new InvalidRequestException("cannot measure " + element, e);
      }
    }
    MessageDigest digest = sha256();
    digest.update(TAG.getBytes(StandardCharsets.US_ASCII));
    files.forEach(
        (name, hash) -> {
          byte[] utf8 = name.getBytes(StandardCharsets.UTF_8);
          for (int shift = 24; shift >= 0; shift -= 8) {
            digest.update((byte) (utf8.length >>> shift));
          }
          digest.update(utf8);
          digest.update(hash.buffer());
        });
    return Octets.own(digest.digest());
  }

  private static void folder(NavigableMap<String, Octets> files, Path folder) throws IOException {
    List<Path> found = new ArrayList<>();
    try (Stream<Path> walk = Files.walk(folder)) {
      walk.filter(Files::isRegularFile).limit(MAX_FILES + 1L).forEach(found::add);
    }
    for (Path file : found) {
      String name = folder.relativize(file).toString().replace('\\', '/');
      try (InputStream in = Files.newInputStream(file)) {
        add(files, name, in);
      }
    }
  }

  private static void jar(NavigableMap<String, Octets> files, Path path) throws IOException {
    try (JarFile jar = new JarFile(path.toFile(), false)) {
      for (JarEntry entry : jar.stream().limit(MAX_FILES + 1L).toList()) {
        if (!entry.isDirectory()) {
          try (InputStream in = jar.getInputStream(entry)) {
            add(files, entry.getName(), in);
          }
        }
      }
    }
  }

  private static void add(NavigableMap<String, Octets> files, String name, InputStream in)
      throws IOException {
    MessageDigest digest = sha256();
    byte[] buffer = new byte[1 << 16];
    int read = in.read(buffer);
    while (read >= 0) {
      digest.update(buffer, 0, read);
      read = in.read(buffer);
    }
    files.putIfAbsent(name, Octets.own(digest.digest()));
    if (files.size() > MAX_FILES) {
      throw new InvalidRequestException("more than " + MAX_FILES + " files of code");
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
