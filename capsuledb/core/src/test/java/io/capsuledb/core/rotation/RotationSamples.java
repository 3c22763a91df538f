package io.capsuledb.core.rotation;

import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.golden.GoldenCapsule;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.seal.ChainHead;
import java.util.List;
import java.util.Objects;

/** A rotation of the golden capsule to generation 1, which ends two of its chains. */
final class RotationSamples {

  static final GoldenCapsule CAPSULE = new GoldenCapsule();
  static final ApplicationKey NEXT = CAPSULE.owner().application(0, 1);
  static final long WRITER = 0x2222333344445555L;

  private RotationSamples() {}

  static byte[] wrapped() {
    try (DataRoot before = CAPSULE.application().dataRoot(CAPSULE.name().toBytes());
        DataRoot after = NEXT.dataRoot(CAPSULE.name().toBytes())) {
      return after.wrap(before);
    }
  }

  static Rotation rotation(List<Rotation.End> ends) {
    return new Rotation(1, Objects.requireNonNull(NEXT.certificate()), wrapped(), ends);
  }

  static Rotation rotation() {
    return rotation(
        List.of(
            new Rotation.End(GoldenCapsule.FIRST_WRITER, new ChainHead(2, CAPSULE.data().hash())),
            new Rotation.End(
                GoldenCapsule.SECOND_WRITER, new ChainHead(1, CAPSULE.join().hash()))));
  }

  static byte[] encoded() {
    return RotationCodec.encode(CAPSULE.name(), rotation(), NEXT::sign);
  }

  /** The roster that introduces a worker of generation 1. */
  static byte[] roster() {
    return RosterCodec.encode(
        CAPSULE.name(),
        NEXT,
        List.of(new RosterEntry(WRITER, NEXT.writerPublicKey(WRITER), RosterEntry.Role.WORKER, 1)));
  }

  static Hash32 hash(int seed) {
    byte[] bytes = new byte[Hash32.BYTES];
    bytes[0] = (byte) seed;
    bytes[1] = 1;
    return Hash32.of(bytes);
  }
}
