package io.capsuledb.replication.transport;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.util.Base64;
import java.util.List;

/** A self-signed certificate for localhost and its key, made by the JDK's keytool. */
public final class TlsFiles {

  private static final char[] PASSWORD = "password".toCharArray();

  private TlsFiles() {}

  /** Writes {@code name.crt} and {@code name.key}. */
  public static void make(Path directory, String name) {
    try {
      Path store = directory.resolve(name + ".p12");
      Process keytool =
          new ProcessBuilder(
                  List.of(
                      Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                      "-genkeypair",
                      "-keystore",
                      store.toString(),
                      "-storepass",
                      new String(PASSWORD),
                      "-alias",
                      name,
                      "-keyalg",
                      "EC",
                      "-groupname",
                      "secp256r1",
                      "-dname",
                      "CN=" + name,
                      "-ext",
                      "san=dns:localhost,ip:127.0.0.1",
                      "-validity",
                      "30"))
              .redirectErrorStream(true)
              .start();
      String output = new String(keytool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (keytool.waitFor() != 0) {
        throw new IllegalStateException(output);
      }
      KeyStore keys = KeyStore.getInstance(store.toFile(), PASSWORD);
      Certificate certificate = keys.getCertificate(name);
      PrivateKey key = (PrivateKey) keys.getKey(name, PASSWORD);
      write(directory.resolve(name + ".crt"), "CERTIFICATE", certificate.getEncoded());
      write(directory.resolve(name + ".key"), "PRIVATE KEY", key.getEncoded());
    } catch (IOException | InterruptedException | java.security.GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void write(Path file, String kind, byte[] der) throws IOException {
    Files.writeString(
        file,
        "-----BEGIN "
            + kind
            + "-----\n"
            + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
            + "\n-----END "
            + kind
            + "-----\n");
  }
}
