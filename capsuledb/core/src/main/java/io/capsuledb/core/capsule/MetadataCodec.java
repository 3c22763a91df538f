package io.capsuledb.core.capsule;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata.DirectoryMode;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/** Signed capsule metadata to bytes and back; format 1, docs/format/metadata.md. */
public final class MetadataCodec {

  /** The longest metadata there is, in bytes. */
  public static final int MAX_BYTES =
      MetadataLayout.bytes(CapsuleMetadata.MAX_PATH_LENGTH, CapsuleMetadata.MAX_REPLICAS);

  private static final byte[] TAG = "capsuledb/v1/metadata".getBytes(StandardCharsets.US_ASCII);

  private MetadataCodec() {}

  /** The name that signed metadata gives a capsule. */
  public static CapsuleName nameOf(byte[] signedMetadata) {
    return new CapsuleName(Hashes.sha256(signedMetadata));
  }

  /**
   * Encodes and signs.
   *
   * @param ownerSigner signs a digest with the owner key, 64 bytes
   */
  public static byte[] encode(CapsuleMetadata metadata, Function<Hash32, byte[]> ownerSigner) {
    byte[] bytes =
        new byte
            [MetadataLayout.bytes(metadata.applicationPath().size(), metadata.replicas().size())];
    System.arraycopy(MetadataLayout.MAGIC, 0, bytes, 0, MetadataLayout.MAGIC.length);
    LittleEndian.putShort(bytes, MetadataLayout.FORMAT_OFFSET, MetadataLayout.FORMAT);
    bytes[MetadataLayout.DIRECTORY_MODE_OFFSET] = (byte) metadata.directoryMode().number();
    metadata.ownerKey().copyTo(bytes, MetadataLayout.OWNER_KEY_OFFSET);
    metadata.applicationKey().copyTo(bytes, MetadataLayout.APPLICATION_KEY_OFFSET);
    metadata.salt().copyTo(bytes, MetadataLayout.SALT_OFFSET);
    LittleEndian.putShort(
        bytes, MetadataLayout.PATH_LENGTH_OFFSET, metadata.applicationPath().size());
    LittleEndian.putShort(bytes, MetadataLayout.REPLICA_COUNT_OFFSET, metadata.replicas().size());
    LittleEndian.putShort(bytes, MetadataLayout.QUORUM_OFFSET, metadata.quorum());
    int at = MetadataLayout.PATH_OFFSET;
    for (int component : metadata.applicationPath()) {
      LittleEndian.putInt(bytes, at, component);
      at += MetadataLayout.PATH_COMPONENT_BYTES;
    }
    for (PublicKey replica : metadata.replicas()) {
      replica.copyTo(bytes, at);
      at += MetadataLayout.REPLICA_BYTES;
    }
    byte[] signature = ownerSigner.apply(digest(bytes));
    if (signature.length != MetadataLayout.SIGNATURE_BYTES) {
      throw new IllegalStateException("a signature has 64 bytes, not " + signature.length);
    }
    System.arraycopy(signature, 0, bytes, at, signature.length);
    return bytes;
  }

  /** Decodes metadata and verifies the owner's signature. Takes any bytes. */
  public static Decoded<CapsuleMetadata> decode(byte[] bytes, Secp256k1 curve) {
    if (bytes.length < MetadataLayout.MIN_BYTES) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "metadata has " + bytes.length + " bytes, at least " + MetadataLayout.MIN_BYTES);
    }
    if (bytes.length > MAX_BYTES) {
      return Decoded.reject(
          Reason.TOO_LARGE, "metadata has " + bytes.length + " bytes, at most " + MAX_BYTES);
    }
    if (!Arrays.equals(
        bytes,
        0,
        MetadataLayout.MAGIC.length,
        MetadataLayout.MAGIC,
        0,
        MetadataLayout.MAGIC.length)) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "metadata does not begin with its magic");
    }
    int format = LittleEndian.getUnsignedShort(bytes, MetadataLayout.FORMAT_OFFSET);
    if (format != MetadataLayout.FORMAT) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "metadata format " + format);
    }
    int modeNumber = bytes[MetadataLayout.DIRECTORY_MODE_OFFSET];
    if (modeNumber != DirectoryMode.ROSTER.number()
        && modeNumber != DirectoryMode.DERIVED.number()) {
      return Decoded.reject(Reason.UNKNOWN_TYPE, "metadata directory mode " + modeNumber);
    }
    DirectoryMode mode =
        modeNumber == DirectoryMode.ROSTER.number() ? DirectoryMode.ROSTER : DirectoryMode.DERIVED;
    if (bytes[MetadataLayout.RESERVED_OFFSET] != 0) {
      return Decoded.reject(Reason.RESERVED_BITS, "metadata byte 11 is not zero");
    }
    int pathLength = LittleEndian.getUnsignedShort(bytes, MetadataLayout.PATH_LENGTH_OFFSET);
    int replicaCount = LittleEndian.getUnsignedShort(bytes, MetadataLayout.REPLICA_COUNT_OFFSET);
    int quorum = LittleEndian.getUnsignedShort(bytes, MetadataLayout.QUORUM_OFFSET);
    if (pathLength > CapsuleMetadata.MAX_PATH_LENGTH
        || replicaCount > CapsuleMetadata.MAX_REPLICAS) {
      return Decoded.reject(
          Reason.TOO_LARGE,
          "metadata announces " + pathLength + " path components, " + replicaCount + " replicas");
    }
    int expected = MetadataLayout.bytes(pathLength, replicaCount);
    if (bytes.length != expected) {
      return Decoded.reject(
          bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "metadata has " + bytes.length + " bytes where its counts say " + expected);
    }
    List<Integer> path = new ArrayList<>(pathLength);
    int at = MetadataLayout.PATH_OFFSET;
    for (int i = 0; i < pathLength; i++, at += MetadataLayout.PATH_COMPONENT_BYTES) {
      path.add(LittleEndian.getInt(bytes, at));
    }
    List<PublicKey> replicas = new ArrayList<>(replicaCount);
    for (int i = 0; i < replicaCount; i++, at += MetadataLayout.REPLICA_BYTES) {
      switch (PublicKey.decode(bytes, at)) {
        case Decoded.Accepted<PublicKey>(PublicKey key) -> replicas.add(key);
        case Decoded.Rejected<PublicKey>(var rejection) -> {
          return new Decoded.Rejected<>(rejection);
        }
      }
    }
    int signatureOffset = at;
    return PublicKey.decode(bytes, MetadataLayout.OWNER_KEY_OFFSET)
        .then(
            owner -> {
              if (!curve.verify(digest(bytes), bytes, signatureOffset, owner)) {
                return Decoded.reject(Reason.SIGNATURE, "metadata is not signed by its owner key");
              }
              return PublicKey.decode(bytes, MetadataLayout.APPLICATION_KEY_OFFSET)
                  .then(
                      application ->
                          assemble(
                              owner,
                              application,
                              path,
                              replicas,
                              quorum,
                              mode,
                              Hash32.copyOf(bytes, MetadataLayout.SALT_OFFSET)));
            });
  }

  private static Decoded<CapsuleMetadata> assemble(
      PublicKey owner,
      PublicKey application,
      List<Integer> path,
      List<PublicKey> replicas,
      int quorum,
      DirectoryMode mode,
      Hash32 salt) {
    try {
      return Decoded.accept(
          new CapsuleMetadata(owner, application, path, replicas, quorum, mode, salt));
    } catch (InvalidRequestException invalid) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "metadata: " + invalid.getMessage());
    }
  }

  private static Hash32 digest(byte[] signedMetadata) {
    return Hashes.tagged(
        TAG, Arrays.copyOf(signedMetadata, signedMetadata.length - MetadataLayout.SIGNATURE_BYTES));
  }
}
