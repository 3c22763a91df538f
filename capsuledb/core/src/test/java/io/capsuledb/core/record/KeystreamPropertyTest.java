package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * No key and nonce are used twice, seen from outside: whoever knows two plaintexts could tell by
 * XOR that two records were encrypted with one keystream. Nothing here knows how nonces are made.
 */
class KeystreamPropertyTest {

  /** Enough of a keystream that two of them do not agree by chance. */
  private static final int KNOWN_BYTES = 16;

  private static final Capsules CAPSULE = new Capsules(31);

  @Property(tries = 20)
  void noTwoRecordsShareAKeystream(@ForAll long seed) {
    Random random = new Random(seed);
    Map<ByteBuffer, String> seen = new HashMap<>();
    long writer = 1L + random.nextInt(1 << 20);
    for (int chain = 0; chain < 3; chain++) {
      // A worker that was started again, from whatever state, is another writer.
      writer += 1L + random.nextInt(1000);
      for (Map.Entry<CapsuleRecord, byte[]> sealed : seal(writer, random)) {
        byte[] stream = sealed.getKey().payload();
        byte[] plain = sealed.getValue();
        byte[] known = new byte[KNOWN_BYTES];
        for (int i = 0; i < KNOWN_BYTES; i++) {
          known[i] = (byte) (stream[i] ^ plain[i]);
        }
        String before = seen.put(ByteBuffer.wrap(known), sealed.getKey().toString());
        assertThat(before).as("%s has the keystream of", sealed.getKey()).isNull();
      }
    }
  }

  private static List<Map.Entry<CapsuleRecord, byte[]>> seal(long writer, Random random) {
    List<Map.Entry<CapsuleRecord, byte[]>> all = new ArrayList<>();
    try (RecordSealer sealer = CAPSULE.sealer(writer)) {
      long lamport = 1;
      CAPSULE.introduce(sealer, lamport, List.of());
      int records = 5 + random.nextInt(20);
      while (all.size() < records) {
        byte[] payload = new byte[KNOWN_BYTES + random.nextInt(40)];
        random.nextBytes(payload);
        lamport += 1L + random.nextInt(3);
        all.add(
            Map.entry(
                sealer.seal(RecordType.DATA, 0, lamport, List.of(), payload, 0, payload.length),
                payload));
      }
    }
    return all;
  }
}
