package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.error.InvalidRequestException;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import java.util.regex.Pattern;

/**
 * The code of this process: its class path, with what the manifests of its jars name besides. The
 * JVM itself, its flags and agents are not part of it, which is one of the reasons why a
 * measurement made from it is insecure-simulated.
 */
public final class OwnCode {

  private static final int MAX_ELEMENTS = 10_000;
  private static final Pattern BLANKS = Pattern.compile("\\s+");

  private OwnCode() {}

  /**
   * Jars and folders, in the order in which the JVM looks into them.
   *
   * @throws InvalidRequestException if a jar cannot be read
   */
  public static List<Path> classPath() {
    return expand(System.getProperty("java.class.path"));
  }

  static List<Path> expand(String classPath) {
    Set<Path> elements = new LinkedHashSet<>();
    List<Path> open = new ArrayList<>();
    for (String element : classPath.split(Pattern.quote(File.pathSeparator), -1)) {
      open.add(Path.of(element).toAbsolutePath().normalize());
    }
    while (!open.isEmpty()) {
      Path element = open.removeFirst();
      if (!Files.exists(element) || !elements.add(element)) {
        // The JVM leaves out what is not there.
        continue;
      }
      if (elements.size() > MAX_ELEMENTS) {
        throw new InvalidRequestException("the class path has more than " + MAX_ELEMENTS + " jars");
      }
      if (!Files.isDirectory(element)) {
        open.addAll(0, named(element));
      }
    }
    return List.copyOf(elements);
  }

  private static List<Path> named(Path jar) {
    try (JarFile file = new JarFile(jar.toFile(), false)) {
      Manifest manifest = file.getManifest();
      String value =
          manifest == null
              ? null
              : manifest.getMainAttributes().getValue(Attributes.Name.CLASS_PATH);
      List<Path> paths = new ArrayList<>();
      if (value != null) {
        for (String entry : BLANKS.split(value.strip(), -1)) {
          URI uri = jar.toUri().resolve(entry);
          if ("file".equals(uri.getScheme())) {
            paths.add(Path.of(uri).normalize());
          }
        }
      }
      return paths;
    } catch (IOException | IllegalArgumentException e) {
      throw new InvalidRequestException("cannot read " + jar + " of the class path", e);
    }
  }
}
