package io.capsuledb.host.cli;

import io.capsuledb.core.error.UnavailableException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.Enumeration;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Has the JVM open what it opens only when it is first needed: every jar, the image with its own
 * classes, its libraries, time zones. A process that is going to open nothing more needs that.
 */
final class OpenEverything {

  /** Libraries of the JDK that classes load when they are first used. */
  private static final List<String> LIBRARIES =
      List.of("net", "nio", "zip", "management", "management_ext", "extnet", "jimage");

  private static final String CLASS_FILE = ".class";

  private OpenEverything() {}

  static void now() {
    try {
      ClassLoader loader = OpenEverything.class.getClassLoader();
      // Nobody has it, so all are asked; and all jars stay open from then on.
      Enumeration<URL> none = loader.getResources("io/capsuledb/no-such-resource");
      if (none.hasMoreElements()) {
        throw new UnavailableException("a resource is there that nobody made");
      }
      for (String module : List.of("java.base", "java.management", "java.net.http")) {
        ModuleLayer.boot().findModule(module).ifPresent(OpenEverything::open);
      }
    } catch (IOException e) {
      throw new UnavailableException("the program cannot be read", e);
    }
    String unused =
        String.format(Locale.ROOT, "%tc", ZonedDateTime.now(ZoneId.systemDefault()))
            + StandardCharsets.UTF_8.newEncoder().maxBytesPerChar();
    assert !unused.isEmpty();
    LIBRARIES.forEach(OpenEverything::load);
    for (String entry :
        Pattern.compile(Pattern.quote(File.pathSeparator))
            .split(System.getProperty("java.class.path", ""), -1)) {
      Path path = Path.of(entry);
      if (!entry.isEmpty() && Files.isDirectory(path)) {
        loadAll(path);
      }
    }
  }

  /** In development: each class of a directory is a file of its own. */
  private static void loadAll(Path directory) {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        String name = directory.relativize(file).toString();
        if (name.endsWith(CLASS_FILE) && !name.contains("-info.") && !name.startsWith("META-INF")) {
          load(name.substring(0, name.length() - CLASS_FILE.length()), file);
        }
      }
    } catch (IOException e) {
      throw new UnavailableException("the program's classes cannot be read", e);
    }
  }

  private static void load(String path, Path file) {
    try {
      Class<?> loaded =
          Class.forName(
              path.replace(File.separatorChar, '.'), false, OpenEverything.class.getClassLoader());
      assert loaded != null;
    } catch (ClassNotFoundException | LinkageError e) {
      // It needs what is not here, so nobody can use it.
      System.getLogger(OpenEverything.class.getName())
          .log(System.Logger.Level.DEBUG, "event=enclave.class_not_loaded file=" + file);
    }
  }

  private static void open(Module module) {
    try (InputStream in = module.getResourceAsStream("module-info.class")) {
      if (in != null) {
        byte[] bytes = in.readAllBytes();
        assert bytes.length > 0;
      }
    } catch (IOException e) {
      throw new UnavailableException("the JDK's own classes cannot be read", e);
    }
  }

  @SuppressWarnings("restricted") // The JDK's own libraries, which it loads itself later.
  private static void load(String library) {
    try {
      System.loadLibrary(library);
    } catch (UnsatisfiedLinkError e) {
      // Not in this JDK, or loaded by it already.
      System.getLogger(OpenEverything.class.getName())
          .log(System.Logger.Level.DEBUG, "event=enclave.library_not_loaded name=" + library);
    }
  }
}
