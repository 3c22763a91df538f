package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.WriterSource;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.config.ReplicaSetting;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the parties of a launch do with a capsule on replicas, in one process: the client founds it,
 * the leader looks at it and rotates its keys, members with granted keys write and read.
 */
class CapsuleVisitTest {

  private static final long READY_MS = 60_000;

  private final Clock clock = new SystemClock();
  private final Entropy entropy = new SystemEntropy();

  @TempDir private Path directory;

  private CapsuleVisit.Generations visit(
      String name,
      String replicas,
      CapsuleName capsule,
      Function<CapsuleVisit, CapsuleVisit.Generations> task) {
    try (CapsuleVisit visit =
        CapsuleVisit.open(
            directory.resolve(name),
            List.of(replicas),
            LinkSecurity.PLAIN,
            capsule,
            clock,
            entropy)) {
      return task.apply(visit);
    }
  }

  private CapsuleMember join(
      int number,
      String replicas,
      CapsuleName capsule,
      ApplicationKey key,
      CapsuleVisit.Generations granted) {
    return CapsuleMember.join(
        new CapsuleMember.Where(
            directory.resolve("member-" + number),
            List.of(replicas),
            List.of(),
            2_000,
            LinkSecurity.PLAIN),
        KeyRing.granted(capsule, granted.roots(), WriterSource.of(capsule, key)),
        clock,
        entropy);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  @Test
  @Timeout(120)
  void clientLeaderAndMembersUseOneCapsule() throws Exception {
    byte[] seed = new byte[32];
    entropy.fill(seed);
    try (ReplicaNode replica =
            ReplicaNode.start(
                ReplicaProcessOptions.builder()
                    .set(ReplicaSetting.DATA, "replica", directory)
                    .set(ReplicaSetting.KEY, "replica.key", directory)
                    .set(ReplicaSetting.LISTEN, "127.0.0.1:0", directory)
                    .set(ReplicaSetting.HTTP, "none", directory)
                    .set(ReplicaSetting.MIN_FREE_MB, "0", directory)
                    .build(),
                isProtected -> null,
                "test");
        KeyTree owner = KeyTree.fromSeed(SecretBytes.own(seed));
        ApplicationKey first = owner.application(CapsuleFounding.APPLICATION, 0);
        ApplicationKey second = owner.application(CapsuleFounding.APPLICATION, 1)) {
      String replicas = replica.address().toString();
      byte[] metadata =
          CapsuleFounding.findOrFound(
              directory.resolve("client"), replicas, LinkSecurity.PLAIN, owner, clock, entropy);
      CapsuleName capsule = MetadataCodec.nameOf(metadata);
      CapsuleVisit.Generations found = visit("look", replicas, capsule, visit -> visit.look(first));
      assertThat(found.inForce()).isZero();
      assertThat(found.newest()).isZero();
      try (CapsuleMember member = join(1, replicas, capsule, first, found)) {
        member.awaitReady(READY_MS);
        try (Transaction transaction = member.db().begin()) {
          transaction.put(ascii("key"), ValueType.STRING, ascii("value"), 0);
          member
              .db()
              .whenDurable(transaction.commit())
              .toCompletableFuture()
              .get(60, TimeUnit.SECONDS);
        }
      }
      CapsuleVisit.Generations rotated =
          visit("rotate", replicas, capsule, visit -> visit.rotate(first, second));
      assertThat(rotated.inForce()).isEqualTo(1);
      try (CapsuleMember member = join(2, replicas, capsule, second, rotated)) {
        member.awaitReady(READY_MS);
        assertThat(member.db().get(ascii("key")).value()).isEqualTo(ascii("value"));
        assertThat(member.db().keyGeneration()).isEqualTo(1);
      }
    }
  }
}
