package io.capsuledb.host.node;

import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.metrics.PrometheusTelemetry;
import java.nio.file.Path;

/** Finds an owner's capsule on replicas, or founds one: what a client does before it launches. */
public final class CapsuleFounding {

  /** Which application of an owner programs belong to. */
  public static final int APPLICATION = Node.APPLICATION;

  private CapsuleFounding() {}

  /**
   * Signed metadata of the owner's capsule.
   *
   * @param data a directory, for the name of one of several capsules, as for {@code serve}
   * @param replicas a list as {@code --replicas} takes it
   * @param links what carries links to them
   * @throws io.capsuledb.core.error.CapsuleException if the replicas cannot be asked, or refuse
   */
  public static byte[] findOrFound(
      Path data, String replicas, LinkSecurity links, KeyTree owner, Clock clock, Entropy entropy) {
    ServeOptions.Builder builder = ServeOptions.builder().shared(true);
    builder.set(ServeSetting.DATA, data.toString(), Path.of(""));
    builder.set(ServeSetting.REPLICAS, replicas, Path.of(""));
    CapsuleMember.secure(builder, links);
    ServeOptions options = builder.build();
    CapsuleDirectory directory = new CapsuleDirectory(data);
    directory.create();
    return ReplicatedCapsule.findOrFound(
        new ReplicatedCapsule.Context(
            options,
            new LocalOutside(options),
            directory,
            clock,
            entropy,
            new PrometheusTelemetry()),
        owner);
  }
}
