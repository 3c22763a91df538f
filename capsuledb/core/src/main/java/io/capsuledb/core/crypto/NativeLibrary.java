package io.capsuledb.core.crypto;

import fr.acinq.secp256k1.Secp256k1CFunctions;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Brings libsecp256k1 from its jar into the process.
 *
 * <p>The library is unpacked into a directory that only this user can enter, loaded, and unlinked
 * at once: nobody can swap it, and nothing is left behind however the process ends.
 */
final class NativeLibrary {

  /** What became of loading. */
  sealed interface Outcome permits Loaded, Failed {}

  /** The library is there. */
  record Loaded(String platform) implements Outcome {}

  /** It is not; {@code reason} names the cause and the remedy. */
  record Failed(String reason) implements Outcome {}

  private static final String RESOURCES = "fr/acinq/secp256k1/jni/native/";
  private static final String FILE_NAME = "libsecp256k1-jni.so";

  private NativeLibrary() {}

  static Outcome load() {
    String os = System.getProperty("os.name", "unknown");
    String architecture = System.getProperty("os.arch", "unknown");
    String machine =
        switch (architecture) {
          case "amd64", "x86_64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> "";
        };
    if (!os.toLowerCase(Locale.ROOT).equals("linux") || machine.isEmpty()) {
      return new Failed("there is no native libsecp256k1 for " + os + " on " + architecture);
    }
    String platform = "linux-" + machine;
    try (InputStream library = resource(RESOURCES + platform + "/" + FILE_NAME)) {
      if (library == null) {
        return new Failed("the jar with the native libsecp256k1 for " + platform + " is missing");
      }
      unpackAndLoad(library);
      return new Loaded(platform);
    } catch (IOException e) {
      return new Failed(
          "the native libsecp256k1 cannot be unpacked below "
              + temporaryDirectory()
              + " ("
              + e
              + "); start with -Djava.io.tmpdir=DIRECTORY naming one that can be written");
    } catch (LinkageError e) {
      return new Failed(
          "the native libsecp256k1 cannot be loaded from below "
              + temporaryDirectory()
              + " ("
              + e.getMessage()
              + "); if that is mounted noexec, start with -Djava.io.tmpdir=DIRECTORY naming one"
              + " that allows execution");
    } catch (IllegalCallerException e) {
      return new Failed(
          "native access is denied ("
              + e.getMessage()
              + "); start with --enable-native-access=ALL-UNNAMED or, on a module path,"
              + " --enable-native-access=io.capsuledb.core,secp256k1.kmp.jni.common");
    }
  }

  /**
   * Asks the class loader, not the class: on a module path the library is in a module of its own.
   */
  private static @Nullable InputStream resource(String name) {
    ClassLoader loader = Secp256k1CFunctions.class.getClassLoader();
    return loader == null ? null : loader.getResourceAsStream(name);
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
