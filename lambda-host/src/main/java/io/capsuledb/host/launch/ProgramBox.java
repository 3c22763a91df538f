package io.capsuledb.host.launch;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Digests;
import java.nio.charset.StandardCharsets;

/** Programs, sealed by a client with a key drawn for one job: AES-256-GCM, the job's id with it. */
public final class ProgramBox {

  private static final Octets TAG =
      Octets.own("capsuledb/v1/launch/program".getBytes(StandardCharsets.US_ASCII));

  private ProgramBox() {}

  /**
   * Seals a program.
   *
   * @param key 32 bytes, used for nothing else
   */
  public static Octets seal(SecretBytes key, Octets job, SecretBytes program) {
    return Boxes.seal(key, TAG.then(job), program);
  }

  /**
   * Opens a program. Takes any bytes.
   *
   * @param expected SHA-256 of the box, from the leader
   */
  public static Decoded<SecretBytes> open(
      SecretBytes key, Octets job, Octets expected, Octets box) {
    return hash(box).equals(expected)
        ? Boxes.open(key, TAG.then(job), box)
        : Decoded.reject(Reason.PAYLOAD_HASH, "this is not the program of the job");
  }

  /** SHA-256 of a sealed program. */
  public static Octets hash(Octets box) {
    return Digests.sha256(box);
  }
}
