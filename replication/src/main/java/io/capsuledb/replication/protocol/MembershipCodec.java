package io.capsuledb.replication.protocol;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.function.Function;

/**
 * Memberships from version 1 on to signed bytes and back; version 0 is in the metadata. Format 1,
 * docs/format/replication.md. Whether one may follow another is for {@link MembershipChain} to say.
 */
public final class MembershipCodec {

  private static final byte[] TAG = "capsuledb/v1/membership".getBytes(StandardCharsets.US_ASCII);

  private MembershipCodec() {}

  /** What the next membership names as its previous one. */
  public static Hash32 hashOf(byte[] signedMembership) {
    return Hashes.sha256(signedMembership);
  }

  /**
   * Encodes and signs.
   *
   * @param ownerSigner signs a digest with the capsule's owner key, 64 bytes
   * @throws IllegalArgumentException if it is version 0, or names no replica
   */
  public static byte[] encode(Membership membership, Function<Hash32, byte[]> ownerSigner) {
    ReplicaSet current = membership.current();
    ReplicaSet outgoing = membership.outgoing();
    if (membership.version() < 1 || current.replicas().isEmpty()) {
      throw new IllegalArgumentException(
          "membership version "
              + membership.version()
              + " of "
              + current.replicas().size()
              + " replicas");
    }
    byte[] bytes =
        new byte[MembershipLayout.bytes(current.replicas().size() + outgoing.replicas().size())];
    bytes[MembershipLayout.FORMAT_OFFSET] = MembershipLayout.FORMAT;
    LittleEndian.putInt(bytes, MembershipLayout.VERSION_OFFSET, membership.version());
    membership.capsule().hash().copyTo(bytes, MembershipLayout.CAPSULE_OFFSET);
    membership.previous().copyTo(bytes, MembershipLayout.PREVIOUS_OFFSET);
    LittleEndian.putShort(bytes, MembershipLayout.CURRENT_COUNT_OFFSET, current.replicas().size());
    LittleEndian.putShort(bytes, MembershipLayout.CURRENT_QUORUM_OFFSET, current.quorum());
    LittleEndian.putShort(
        bytes, MembershipLayout.OUTGOING_COUNT_OFFSET, outgoing.replicas().size());
    LittleEndian.putShort(bytes, MembershipLayout.OUTGOING_QUORUM_OFFSET, outgoing.quorum());
    int at = MembershipLayout.REPLICAS_OFFSET;
    for (ReplicaSet set : List.of(current, outgoing)) {
      for (PublicKey replica : set.replicas()) {
        replica.copyTo(bytes, at);
        at += MembershipLayout.REPLICA_BYTES;
      }
    }
    byte[] signature = ownerSigner.apply(digest(bytes));
    if (signature.length != MembershipLayout.SIGNATURE_BYTES) {
      throw new IllegalStateException("a signature has 64 bytes, not " + signature.length);
    }
    System.arraycopy(signature, 0, bytes, at, signature.length);
    return bytes;
  }

  /**
   * Decodes a membership and verifies the owner's signature. Takes any bytes.
   *
   * @param owner the owner key in the capsule's metadata
   */
  public static Decoded<Membership> decode(byte[] bytes, PublicKey owner, Secp256k1 curve) {
    if (bytes.length < MembershipLayout.MIN_BYTES) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "membership has " + bytes.length + " bytes, at least " + MembershipLayout.MIN_BYTES);
    }
    if (bytes[MembershipLayout.FORMAT_OFFSET] != MembershipLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "membership format " + bytes[MembershipLayout.FORMAT_OFFSET]);
    }
    if (!StatementCodec.isZero(
        bytes, MembershipLayout.RESERVED_OFFSET, MembershipLayout.VERSION_OFFSET)) {
      return Decoded.reject(Reason.RESERVED_BITS, "reserved bytes of a membership are not zero");
    }
    int currentCount = LittleEndian.getUnsignedShort(bytes, MembershipLayout.CURRENT_COUNT_OFFSET);
    int outgoingCount =
        LittleEndian.getUnsignedShort(bytes, MembershipLayout.OUTGOING_COUNT_OFFSET);
    if (currentCount > CapsuleMetadata.MAX_REPLICAS
        || outgoingCount > CapsuleMetadata.MAX_REPLICAS) {
      return Decoded.reject(
          Reason.TOO_LARGE,
          "membership of " + currentCount + " replicas, " + outgoingCount + " outgoing ones");
    }
    int expected = MembershipLayout.bytes(currentCount + outgoingCount);
    if (bytes.length != expected) {
      return Decoded.reject(
          bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "membership has " + bytes.length + " bytes where its counts say " + expected);
    }
    int version = LittleEndian.getInt(bytes, MembershipLayout.VERSION_OFFSET);
    Hash32 previous = Hash32.copyOf(bytes, MembershipLayout.PREVIOUS_OFFSET);
    if (version < 1 || previous.isZero() || currentCount == 0) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE,
          "membership version " + version + " of " + currentCount + " replicas after " + previous);
    }
    // Before the keys are decoded: that costs a square root each.
    if (!curve.verify(digest(bytes), bytes, expected - MembershipLayout.SIGNATURE_BYTES, owner)) {
      return Decoded.reject(Reason.SIGNATURE, "the membership is not signed by the owner key");
    }
    int at = MembershipLayout.REPLICAS_OFFSET;
    int outgoingAt = at + currentCount * MembershipLayout.REPLICA_BYTES;
    int currentQuorum =
        LittleEndian.getUnsignedShort(bytes, MembershipLayout.CURRENT_QUORUM_OFFSET);
    int outgoingQuorum =
        LittleEndian.getUnsignedShort(bytes, MembershipLayout.OUTGOING_QUORUM_OFFSET);
    return set(bytes, at, currentCount, currentQuorum)
        .then(
            current ->
                set(bytes, outgoingAt, outgoingCount, outgoingQuorum)
                    .then(
                        outgoing ->
                            Decoded.accept(
                                new Membership(
                                    new CapsuleName(
                                        Hash32.copyOf(bytes, MembershipLayout.CAPSULE_OFFSET)),
                                    version,
                                    previous,
                                    current,
                                    outgoing))));
  }

  private static Decoded<ReplicaSet> set(byte[] bytes, int from, int count, int quorum) {
    List<PublicKey> replicas = new ArrayList<>(count);
    for (int i = 0, at = from; i < count; i++, at += MembershipLayout.REPLICA_BYTES) {
      switch (PublicKey.decode(bytes, at)) {
        case Decoded.Accepted<PublicKey>(PublicKey key) -> replicas.add(key);
        case Decoded.Rejected<PublicKey>(var rejection) -> {
          return new Decoded.Rejected<>(rejection);
        }
      }
    }
    int least = count == 0 ? 0 : count / 2 + 1;
    if (quorum < least || quorum > count || new HashSet<>(replicas).size() != count) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE,
          "quorum " + quorum + " of " + count + " replicas, or one of them twice");
    }
    return Decoded.accept(new ReplicaSet(replicas, quorum));
  }

  private static Hash32 digest(byte[] signed) {
    return Hashes.tagged(
        TAG, Arrays.copyOf(signed, signed.length - MembershipLayout.SIGNATURE_BYTES));
  }
}
