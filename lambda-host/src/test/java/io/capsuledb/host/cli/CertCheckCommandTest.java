package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Certificate;
import io.capsuledb.replication.protocol.CertificateCodec;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CertCheckCommandTest {

  private static final long WRITER = 0x77;
  private static final ChainHead HEAD = new ChainHead(4, Hashes.sha256(new byte[] {4}));
  private static final List<PublicKey> REPLICAS =
      IntStream.rangeClosed(1, 3).mapToObj(i -> secp().publicKey(secret(i))).toList();
  private static final SampleCapsule CAPSULE = new SampleCapsule(6, REPLICAS, 2);
  private static final String OWNER = CAPSULE.metadata.ownerKey().toString();

  @TempDir private Path directory;

  private static Secp256k1 secp() {
    return Secp256k1.best();
  }

  private static SecretBytes secret(int replica) {
    byte[] scalar = new byte[Secp256k1.SCALAR_BYTES];
    scalar[scalar.length - 1] = (byte) replica;
    return SecretBytes.own(scalar);
  }

  private static SignedStatement holds(int replica) {
    return StatementCodec.encode(
        new Statement(
            Statement.Kind.HELD,
            CAPSULE.name,
            REPLICAS.get(replica - 1),
            0,
            1,
            1,
            Hash32.ZERO,
            List.of(new Statement.Entry(WRITER, HEAD, SealState.OPEN))),
        digest -> secp().sign(digest, secret(replica)));
  }

  private String file(String name, SignedStatement... statements) throws IOException {
    Path file = directory.resolve(name);
    Files.write(
        file,
        CertificateCodec.encode(
            new Certificate(
                Blob.of(CAPSULE.signedMetadata),
                List.of(),
                WRITER,
                HEAD,
                List.of(statements),
                List.of())));
    return file.toString();
  }

  private static CliRun check(int exitCode, String... arguments) {
    String[] all = new String[arguments.length + 2];
    all[0] = "cert";
    all[1] = "check";
    System.arraycopy(arguments, 0, all, 2, arguments.length);
    CliRun run = CliRun.of(all);
    assertThat(run.exitCode()).as(run.toString()).isEqualTo(exitCode);
    return run;
  }

  @Test
  void whatAQuorumSignedIsDurable() throws IOException {
    String file = file("good.cert", holds(1), holds(3));
    assertThat(check(0, file, "--owner", OWNER).out())
        .contains(
            "ok  quorum: 2 of 3 replicas",
            "capsule     " + CAPSULE.name,
            "writer      77",
            "sequence    4",
            "record      " + HEAD.hash(),
            "membership  version 0",
            "verdict     durable");
    assertThat(check(0, "--json", file, "--owner", OWNER, "--capsule", "" + CAPSULE.name).out())
        .contains(
            "\"proven\":true",
            "\"sequence\":4",
            "\"membership\":0",
            "{\"name\":\"quorum\",\"held\":true,");
  }

  @Test
  void everythingElseIsRefused() throws IOException {
    String few = file("few.cert", holds(2));
    assertThat(check(4, few, "--owner", OWNER).out())
        .contains("no  quorum: 1 of 3 replicas", "refused: PROOF: ")
        .doesNotContain("verdict");
    String good = file("good.cert", holds(1), holds(3));
    assertThat(check(4, good, "--owner", REPLICAS.get(0).toString()).out())
        .contains("refused: MISPLACED: ");
    assertThat(check(4, good, "--owner", OWNER, "--capsule", "00".repeat(32)).out())
        .contains("no  capsule: ");
    byte[] damaged = Files.readAllBytes(Path.of(good));
    damaged[damaged.length - 10] ^= 1;
    Files.write(Path.of(good), damaged);
    assertThat(check(4, "--json", good, "--owner", OWNER).out())
        .contains("\"proven\":false", "\"reason\":\"PROOF\"", "\"held\":false");
    Files.write(Path.of(good), new byte[] {1, 2, 3});
    assertThat(check(4, "--json", good, "--owner", OWNER).out())
        .contains("\"reason\":\"UNKNOWN_FORMAT\"")
        .doesNotContain("\"writer\"");
  }

  @Test
  void whatCannotBeReadIsAWrongCommandLine() throws IOException {
    String good = file("good.cert", holds(1), holds(3));
    assertThat(check(2, good + ".none", "--owner", OWNER).err()).contains("cannot read");
    assertThat(check(2, good, "--owner", "02ab").err()).contains("--owner is no public key");
    assertThat(check(2, good, "--owner", OWNER, "--capsule", "1").err()).contains("64 hex digits");
    check(2, good);
    assertThat(CliRun.of("cert").exitCode()).isEqualTo(2);
  }
}
