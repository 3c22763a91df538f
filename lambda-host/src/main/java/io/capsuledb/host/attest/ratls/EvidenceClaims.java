package io.capsuledb.host.attest.ratls;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.CborReader;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Digests;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The claims that evidence in a certificate vouches for: a CBOR map whose hash is the report data
 * (interoperable RA-TLS of the Confidential Computing Consortium).
 *
 * @param bytes the map, which is what is hashed
 * @param hashAlgorithm of the key's hash, in IANA's registry of named information: 1, 7 or 8 for
 *     SHA-256, SHA-384 and SHA-512
 * @param keyHash the hash of the certificate's SubjectPublicKeyInfo
 * @param nonce the verifier's nonce, or null
 */
record EvidenceClaims(Octets bytes, int hashAlgorithm, Octets keyHash, @Nullable Octets nonce) {

  static final String PUBLIC_KEY_HASH = "pubkey-hash";
  static final String NONCE = "nonce";
  static final int SHA_256 = 1;
  static final int SHA_384 = 7;
  static final int SHA_512 = 8;

  private static final int MAX_CLAIMS = 64;

  /** Reads a map; a hash of the key has to be in it, once. Other claims are left alone. */
  static EvidenceClaims read(Octets bytes) {
    CborReader reader = new CborReader(bytes);
    int pairs = reader.map();
    if (pairs > MAX_CLAIMS) {
      throw malformed(Reason.TOO_LARGE, pairs + " claims");
    }
    Set<Octets> names = new HashSet<>();
    Octets hash = null;
    Octets nonce = null;
    for (int i = 0; i < pairs; i++) {
      String name = "";
      Octets key;
      if (reader.nextType() == CborReader.TEXT) {
        name = reader.text();
        key = Octets.copyOf(name.getBytes(StandardCharsets.UTF_8));
      } else {
        key = reader.skip();
      }
      if (!names.add(key)) {
        throw malformed(Reason.FIELD_OUT_OF_RANGE, "a claim comes twice");
      }
      switch (name) {
        case PUBLIC_KEY_HASH -> hash = reader.byteString();
        case NONCE -> nonce = reader.byteString();
        default -> reader.skip();
      }
    }
    reader.end();
    if (hash == null) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the claims do not say whose key it is");
    }
    CborReader entry = new CborReader(hash);
    if (entry.array() != 2) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the key's hash is not a pair");
    }
    long algorithm = entry.unsigned();
    Octets digest = entry.byteString();
    entry.end();
    int expected =
        algorithm == SHA_256 ? 32 : algorithm == SHA_384 ? 48 : algorithm == SHA_512 ? 64 : -1;
    if (digest.length() != expected) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the key's hash, or its algorithm " + algorithm);
    }
    return new EvidenceClaims(bytes, (int) algorithm, digest, nonce);
  }

  /** Whether the claims are about the key of {@code publicKeyInfo}. */
  boolean nameKey(Octets publicKeyInfo) {
    Octets actual =
        switch (hashAlgorithm) {
          case SHA_256 -> Digests.sha256(publicKeyInfo);
          case SHA_384 -> Digests.sha384(publicKeyInfo);
          default -> Digests.sha512(publicKeyInfo);
        };
    return actual.equals(keyHash);
  }
}
