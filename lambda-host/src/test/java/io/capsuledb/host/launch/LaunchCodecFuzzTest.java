package io.capsuledb.host.launch;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.launch.LaunchMessage.*;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class LaunchCodecFuzzTest {

  private static SecretBytes secret(int length) {
    byte[] bytes = new byte[length];
    Arrays.fill(bytes, (byte) 7);
    return SecretBytes.own(bytes);
  }

  private static List<LaunchMessage> samples() {
    Octets job = Octets.ofHex("0a".repeat(16));
    Octets hash = Octets.ofHex("0b".repeat(32));
    CapsuleName capsule = new CapsuleName(Hash32.of(hash.toArray()));
    Place place = new Place(List.of("a:1", "b:2"), List.of("c:3"));
    Membership membership = new Membership(hash, List.of(secret(32)), place);
    ShareResult result =
        new ShareResult(true, hash, Octets.ofHex("01"), Octets.ofHex("02".repeat(64)));
    return List.of(
        new Prove(Secp256k1.best().publicKey(secret(32)), Octets.ofHex("03".repeat(64))),
        new OpenApplication(
            hash,
            5,
            secret(78),
            Octets.ofHex("05".repeat(97)),
            place,
            new PolicyText("x = 1", List.of(new PolicyFile("root.pem", hash)))),
        new StartJob(capsule, job, secret(32), hash, hash, 4, List.of("ä", ""), 1000),
        new RotateKeys(capsule, secret(78), Octets.ofHex("07".repeat(97))),
        new Opened(2, 3),
        new Pause(),
        new Paused(),
        new AskJob(job, 12),
        new StopJob(job),
        new ResetApplication(capsule),
        new Done(),
        new Refused("no"),
        new JobReport(
            List.of(new ShareReport(ShareState.DONE, 2, "aa", result)),
            List.of(new JobLine(0, "line")),
            7,
            List.of("worker bb")),
        new Take(job, hash),
        new Serve(),
        membership,
        new Grant(membership, 1, 4, secret(32), hash, List.of("arg"), 1000),
        new NotNow("later"),
        new WantWriter(3, capsule, RosterEntry.Role.COMPACTOR),
        new GiveWriter(3, hash, secret(32)),
        new NoWriter(3, "none"),
        new Printed(List.of("a", "b")),
        new Finished(result),
        new Reset("done"),
        new Idle(),
        new Busy(),
        new Offer(job, hash),
        new Through(job, true),
        new Submit(job, hash, 4),
        new Withdraw(job),
        new AskScheduler(),
        new SchedulerReport(4, 3, 2, 1));
  }

  @Test
  void everyMessageComesBackAsItWas() {
    for (LaunchMessage message : samples()) {
      assertThat(LaunchCodec.decode(LaunchCodec.encode(message)).orThrow()).isEqualTo(message);
    }
  }

  @Property(tries = 20_000)
  void anyBytesAreAMessageOrARejection(@ForAll long seed, @ForAll @IntRange(max = 8) int changes) {
    Random random = new Random(seed);
    List<LaunchMessage> samples = samples();
    byte[] bytes = LaunchCodec.encode(samples.get(random.nextInt(samples.size())));
    for (int i = 0; i < changes; i++) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
    }
    byte[] cut =
        Arrays.copyOf(
            bytes, random.nextInt(4) == 0 ? random.nextInt(bytes.length + 9) : bytes.length);
    if (LaunchCodec.decode(cut) instanceof Decoded.Accepted<LaunchMessage>(LaunchMessage read)) {
      assertThat(LaunchCodec.encode(read)).isEqualTo(cut);
    }
  }
}
