package io.capsuledb.enclave.script;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Brings the native library from this module's jar into the process, once. It is unpacked into a
 * directory that only this user can enter, loaded, and unlinked at once.
 */
final class EngineLoader {

  private static final String FILE_NAME = "libcapsule_script.so";

  /** Why there is no library, or null. Set once, when this class is first used. */
  private static final @Nullable String FAILURE = load();

  private EngineLoader() {}

  static @Nullable String failure() {
    return FAILURE;
  }

  private static @Nullable String load() {
    String os = System.getProperty("os.name", "unknown");
    String architecture = System.getProperty("os.arch", "unknown");
    String machine =
        switch (architecture) {
          case "amd64", "x86_64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> "";
        };
    if (!os.toLowerCase(Locale.ROOT).equals("linux") || machine.isEmpty()) {
      return "there is no script engine for " + os + " on " + architecture;
    }
    String directory = "linux-" + machine + "/";
    try (InputStream library = EngineLoader.class.getResourceAsStream(directory + FILE_NAME)) {
      if (library == null) {
        return whyNotBuilt(directory);
      }
      unpackAndLoad(library);
      NativeScript.initialize(ScriptHeap.class);
      return null;
    } catch (IOException e) {
      return "the script engine cannot be unpacked below "
          + temporaryDirectory()
          + " ("
          + e
          + "); start with -Djava.io.tmpdir=DIRECTORY naming one that can be written";
    } catch (LinkageError e) {
      return "the script engine cannot be loaded from below "
          + temporaryDirectory()
          + " ("
          + e.getMessage()
          + "); if that is mounted noexec, start with -Djava.io.tmpdir=DIRECTORY naming one that"
          + " allows execution";
    } catch (IllegalCallerException e) {
      return "native access is denied ("
          + e.getMessage()
          + "); start with --enable-native-access=ALL-UNNAMED or, on a module path,"
          + " --enable-native-access=io.capsuledb.enclave";
    }
  }

  private static String whyNotBuilt(String directory) throws IOException {
    try (InputStream reason =
        EngineLoader.class.getResourceAsStream(directory + "unavailable.txt")) {
      return reason == null
          ? "this build has no script engine for " + directory.replace("/", "")
          : new String(reason.readAllBytes(), StandardCharsets.UTF_8).strip();
    }
  }

  @SuppressWarnings("restricted") // Loading a native library is what this class is for.
  private static void unpackAndLoad(InputStream library) throws IOException {
    Path directory = Files.createTempDirectory("capsuledb-");
    Path file = directory.resolve(FILE_NAME);
    try {
      Files.copy(library, file);
      System.load(file.toAbsolutePath().toString());
    } finally {
      Files.deleteIfExists(file);
      Files.deleteIfExists(directory);
    }
  }

  private static String temporaryDirectory() {
    return "java.io.tmpdir=" + System.getProperty("java.io.tmpdir", "");
  }
}
