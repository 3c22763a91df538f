package io.capsuledb.scl.frame;

import io.capsuledb.core.sim.FuzzTarget;
import io.capsuledb.scl.session.TokenCodec;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** The decoders between workers. */
public final class FrameFuzzTargets {

  private FrameFuzzTargets() {}

  /** All of them. */
  public static List<FuzzTarget> all() {
    SplittableRandom random = new SplittableRandom(4);
    return List.of(
        FuzzTarget.codec(
            "scl-message",
            IntStream.range(0, SampleMessages.KINDS)
                .mapToObj(kind -> MessageCodec.encode(SampleMessages.of(kind, random)))
                .toList(),
            bytes -> MessageCodec.decode(SampleMessages.CAPSULE.name, bytes, bytes.length),
            MessageCodec::encode),
        FuzzTarget.of(
            "scl-frame",
            FuzzTarget.golden("frame-grant.hex"),
            bytes -> {
              try (FrameCodec receiver =
                  new FrameCodec(SampleMessages.CAPSULE.name, SampleMessages.CAPSULE.keys, 0, 2)) {
                receiver.open(bytes.clone());
              }
            }),
        FuzzTarget.decoder(
            "session-token",
            List.of(),
            bytes ->
                TokenCodec.decode(
                    SampleMessages.CAPSULE.name, new String(bytes, StandardCharsets.ISO_8859_1))));
  }
}
