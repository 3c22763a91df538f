package io.capsuledb.core.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.amazon.corretto.crypto.provider.AmazonCorrettoCryptoProvider;
import fr.acinq.secp256k1.Secp256k1CFunctions;
import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.bouncycastle.crypto.ec.CustomNamedCurves;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Secp256k1Test {

  private static final SecretBytes ONE = CryptoProbe.ONE;
  private static final Hash32 SATOSHI = CryptoProbe.SATOSHI;
  private static final String SATOSHI_SIGNATURE =
      "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
          + "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5";
  private static final String GENERATOR =
      "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

  private static final String JAVA =
      Path.of(System.getProperty("java.home"), "bin", "java").toString();

  @Test
  void theNativeLibraryIsUsedWhereThereIsOne() {
    assertThat(Secp256k1.best().description()).startsWith("libsecp256k1 (native, linux-");
    assertThat(Secp256k1.best()).isSameAs(Secp256k1.best());
  }

  @Test
  void bothAnswerAsPublished() {
    for (Secp256k1 curve :
        new Secp256k1[] {Secp256k1.best(), new BouncyCastleSecp256k1("under test")}) {
      assertThat(curve.sign(SATOSHI, ONE)).asHexString().isEqualToIgnoringCase(SATOSHI_SIGNATURE);
      assertThat(curve.publicKey(ONE)).hasToString(GENERATOR);
    }
  }

  @Test
  void whatIsNoPrivateKeyIsTheCallersMistake() {
    SecretBytes zero = SecretBytes.own(new byte[32]);
    SecretBytes order = SecretBytes.own(CurveSamples.bytes32(CurveSamples.N));
    SecretBytes longer = SecretBytes.own(new byte[33]);
    for (Secp256k1 curve :
        new Secp256k1[] {Secp256k1.best(), new BouncyCastleSecp256k1("under test")}) {
      for (SecretBytes wrong : new SecretBytes[] {zero, order, longer}) {
        assertThat(Secp256k1.isPrivateKey(wrong)).isFalse();
        assertThatThrownBy(() -> curve.sign(SATOSHI, wrong))
            .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> curve.publicKey(wrong))
            .isInstanceOf(IllegalArgumentException.class);
      }
      assertThatThrownBy(() -> curve.tweakPublicKey(curve.publicKey(ONE), longer))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void manyThreadsShareIt() throws Exception {
    Secp256k1 curve = Secp256k1.best();
    PublicKey publicKey = curve.publicKey(ONE);
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<Boolean>> results = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        int thread = t;
        results.add(
            threads.submit(
                () -> {
                  boolean good = true;
                  for (int i = 0; i < 500; i++) {
                    Hash32 digest = Hashes.sha256(new byte[] {(byte) thread, (byte) i});
                    byte[] signature = curve.sign(digest, ONE);
                    good &= curve.verify(digest, signature, 0, publicKey);
                    signature[9] ^= 1;
                    good &= !curve.verify(digest, signature, 0, publicKey);
                  }
                  return good;
                }));
      }
      for (Future<Boolean> result : results) {
        assertThat(result.get()).isTrue();
      }
    }
  }

  @Test
  void aTemporaryDirectoryThatCannotBeWrittenGivesTheFallbackAndTheReason(@TempDir Path directory)
      throws Exception {
    Path file = Files.writeString(directory.resolve("file"), "not a directory");
    List<String> lines = run(probe(file));
    assertThat(lines.get(0))
        .startsWith("Bouncy Castle")
        .contains("cannot be unpacked")
        .contains(file.toString())
        .contains("-Djava.io.tmpdir=");
    assertThat(lines.get(1)).isEqualTo(SATOSHI_SIGNATURE);
  }

  @Test
  void aNoexecTemporaryDirectoryGivesTheFallbackAndTheReason(@TempDir Path directory)
      throws Exception {
    List<String> namespace =
        List.of(
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            "mount -t tmpfs -o noexec tmpfs \"$0\" && exec \"$@\"",
            directory.toString());
    assumeTrue(works(concat(namespace, List.of("true"))), "no private mounts on this machine");
    List<String> lines = run(concat(namespace, probe(directory)));
    assertThat(lines.get(0))
        .startsWith("Bouncy Castle")
        .contains(directory.toString())
        .contains("noexec")
        .contains("-Djava.io.tmpdir=");
    assertThat(lines.get(1)).isEqualTo(SATOSHI_SIGNATURE);
    assertThat(lines.get(2)).startsWith("SunJCE").contains("noexec").contains("-Djava.io.tmpdir=");
  }

  @Test
  void itWorksOnAModulePathToo() throws Exception {
    URL native64 =
        Secp256k1CFunctions.class
            .getClassLoader()
            .getResource("fr/acinq/secp256k1/jni/native/linux-x86_64/libsecp256k1-jni.so");
    String modulePath =
        String.join(
            ":",
            location(Secp256k1.class),
            location(Secp256k1CFunctions.class),
            ((JarURLConnection) native64.openConnection()).getJarFile().getName(),
            location(AmazonCorrettoCryptoProvider.class),
            location(CustomNamedCurves.class));
    List<String> lines =
        run(
            List.of(
                JAVA,
                "--enable-native-access=io.capsuledb.core,secp256k1.kmp.jni.common,"
                    + "com.amazon.corretto.crypto.provider",
                "--module-path",
                modulePath,
                "--patch-module",
                "io.capsuledb.core=" + location(CryptoProbe.class),
                "--module",
                "io.capsuledb.core/" + CryptoProbe.class.getName()));
    assertThat(lines.get(0)).startsWith("libsecp256k1");
    assertThat(lines.get(1)).isEqualTo(SATOSHI_SIGNATURE);
    assertThat(lines.get(2)).startsWith("AmazonCorrettoCryptoProvider");
  }

  @Test
  void nothingStaysBehindInTheTemporaryDirectory(@TempDir Path directory) throws Exception {
    List<String> lines = run(probe(directory));
    assertThat(lines.get(0)).startsWith("libsecp256k1");
    try (var left = Files.list(directory)) {
      assertThat(left.filter(path -> path.getFileName().toString().startsWith("capsuledb")))
          .isEmpty();
    }
  }

  private static String location(Class<?> type) throws URISyntaxException {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  private static List<String> probe(Path temporaryDirectory) {
    return List.of(
        JAVA,
        "--enable-native-access=ALL-UNNAMED",
        "-Djava.io.tmpdir=" + temporaryDirectory,
        "-cp",
        System.getProperty("java.class.path"),
        CryptoProbe.class.getName());
  }

  private static boolean works(List<String> command) throws InterruptedException {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      return process.waitFor(60, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private static List<String> run(List<String> command) throws Exception {
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).isZero();
    return output.lines().toList();
  }

  private static List<String> concat(List<String> a, List<String> b) {
    List<String> all = new ArrayList<>(a);
    all.addAll(b);
    return all;
  }
}
