package io.capsuledb.host.attest.ratls;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.CborReader;
import io.capsuledb.host.attest.encoding.Decoding;
import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.verdict.Claim;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Evidence found in a certificate, and what its report data has to be.
 *
 * <p>Extensions are found by their parsed object identifiers. Where there are several, the first of
 * {@link Format} counts and the others are not looked at. Immutable.
 */
public final class CertificateEvidence {

  /** TCG DICE, conceptual message wrapper. */
  public static final String DICE_WRAPPER = "2.23.133.5.4.9";

  /** The extension of RFC 9999. */
  public static final String PKIX_WRAPPER = "1.3.6.1.5.5.7.1.35";

  /** What Gramine meant, and what decoding its doubly encoded identifier gives. */
  private static final List<String> GRAMINE_LEGACY =
      List.of("0.6.9.42.840.113741.1337.6", "1.2.840.113741.1337.6");

  /** The tag of a quote with claims in interoperable RA-TLS. */
  public static final int TAG_QUOTE = 60000;

  /**
   * The media type of our own records of RFC 9999: a CBOR pair of evidence and claims, for evidence
   * that interoperable RA-TLS has no tag for.
   */
  public static final String MEDIA_TYPE = "application/vnd.capsuledb.evidence+cbor";

  private static final int MAX_CERTIFICATE_RECORD_BYTES = 1 << 16;

  /** How evidence is wrapped, most wanted first. */
  public enum Format {
    /** CBOR tag 60000 in the DICE extension. */
    TCG_DICE("tcg-dice"),
    /** A record of RFC 9999, in the DICE extension or in its own. */
    CMW("cmw"),
    /** A bare quote under Gramine's old object identifier. */
    GRAMINE("gramine");

    private final String text;

    Format(String text) {
      this.text = text;
    }

    @Override
    public String toString() {
      return text;
    }
  }

  private final Format format;
  private final Octets evidence;
  private final @Nullable EvidenceClaims claims;

  private CertificateEvidence(Format format, Octets evidence, @Nullable EvidenceClaims claims) {
    this.format = format;
    this.evidence = evidence;
    this.claims = claims;
  }

  /** Finds the evidence in a certificate. */
  public static Decoded<CertificateEvidence> find(Certificate certificate) {
    return Decoding.of(
        () -> {
          Octets wrapper = certificate.extension(DICE_WRAPPER);
          if (wrapper != null) {
            return readCbor(wrapper);
          }
          Octets pkix = certificate.extension(PKIX_WRAPPER);
          if (pkix != null) {
            return readPkix(pkix);
          }
          for (String oid : GRAMINE_LEGACY) {
            Octets quote = certificate.extension(oid);
            if (quote != null) {
              return new CertificateEvidence(Format.GRAMINE, quote, null);
            }
          }
          throw malformed(Reason.UNKNOWN_FORMAT, "the certificate carries no evidence we read");
        });
  }

  /** Reads what is in a DICE extension: a tagged pair, or a record of RFC 9999. */
  public static Decoded<CertificateEvidence> decode(Octets wrapper) {
    return Decoding.of(() -> readCbor(wrapper));
  }

  private static CertificateEvidence readCbor(Octets wrapper) {
    if (wrapper.length() > MAX_CERTIFICATE_RECORD_BYTES) {
      throw malformed(Reason.TOO_LARGE, "evidence of " + wrapper.length() + " bytes");
    }
    CborReader reader = new CborReader(wrapper);
    if (reader.nextType() == CborReader.ARRAY) {
      return readRecord(reader);
    }
    long tag = reader.tag();
    if (tag != TAG_QUOTE) {
      throw malformed(
          Reason.UNKNOWN_TYPE, "CBOR tag " + tag + ": only quotes, 60000, can be verified here");
    }
    return readPair(Format.TCG_DICE, reader);
  }

  private static CertificateEvidence readPair(Format format, CborReader reader) {
    if (reader.array() != 2) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "evidence is not a pair of quote and claims");
    }
    Octets evidence = reader.byteString();
    Octets claims = reader.byteString();
    reader.end();
    return new CertificateEvidence(format, evidence, EvidenceClaims.read(claims));
  }

  private static CertificateEvidence readRecord(CborReader reader) {
    int elements = reader.array();
    if (elements != 2 && elements != 3) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "a record of " + elements + " elements");
    }
    String type = reader.text();
    Octets value = reader.byteString();
    if (elements == 3) {
      reader.unsigned();
    }
    reader.end();
    return ofRecord(type, value);
  }

  private static CertificateEvidence ofRecord(String type, Octets value) {
    if (!type.equals(MEDIA_TYPE)) {
      throw malformed(Reason.UNKNOWN_TYPE, "a record of type '" + type + "'");
    }
    return readPair(Format.CMW, new CborReader(value));
  }

  private static CertificateEvidence readPkix(Octets extension) {
    DerReader reader = new DerReader(extension);
    if (reader.nextTag() == DerReader.OCTET_STRING) {
      Octets cbor = reader.octetString();
      reader.end();
      return readCbor(cbor);
    }
    Octets json = reader.read(DerReader.UTF8_STRING);
    reader.end();
    List<Json> elements = Json.parse("record", json).elements(3);
    if (elements.size() < 2) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "a record of " + elements.size() + " elements");
    }
    try {
      return ofRecord(
          elements.get(0).text(),
          Octets.own(Base64.getUrlDecoder().decode(elements.get(1).text())));
    } catch (IllegalArgumentException e) {
      IntegrityException failure = malformed(Reason.UNKNOWN_FORMAT, "a record: not base64url");
      failure.initCause(e);
      throw failure;
    }
  }

  /** How it was wrapped. */
  public Format format() {
    return format;
  }

  /** The quote or report. */
  public Octets evidence() {
    return evidence;
  }

  /**
   * What the report data has to be, 64 bytes, if the certificate's key is {@code publicKeyInfo}.
   */
  public Octets expectedReportData(Octets publicKeyInfo) {
    Octets hash = claims == null ? Digests.sha256(publicKeyInfo) : Digests.sha256(claims.bytes());
    return hash.paddedTo(64);
  }

  /** Whether the evidence names the key itself; otherwise its report data has to. */
  public boolean namesKey() {
    return claims != null;
  }

  /** Whether the evidence names this key, or has no place to name one. */
  public boolean isFor(Octets publicKeyInfo) {
    return claims == null || claims.nameKey(publicKeyInfo);
  }

  /** The nonce in the claims, or null. */
  public @Nullable Octets nonce() {
    return claims == null ? null : claims.nonce();
  }

  /** What the wrapping says. */
  public List<Claim> fields() {
    List<Claim> fields = new ArrayList<>();
    fields.add(Claim.of("wrapping.format", format));
    if (claims != null) {
      fields.add(Claim.of("wrapping.claims", claims.bytes()));
      fields.add(Claim.of("wrapping.key-hash", claims.keyHash()));
      Octets nonce = claims.nonce();
      if (nonce != null) {
        fields.add(Claim.of("wrapping.nonce", nonce));
      }
    }
    return List.copyOf(fields);
  }

  /** The contents of a DICE extension for a quote, in the form of interoperable RA-TLS. */
  public static Octets encodeQuote(Octets quote, Octets claims) {
    return cborHead(CborReader.TAG, TAG_QUOTE).then(pair(quote, claims));
  }

  /** The contents of a DICE extension for other evidence: a record of RFC 9999. */
  public static Octets encodeRecord(Octets evidence, Octets claims) {
    Octets type = Octets.own(MEDIA_TYPE.getBytes(StandardCharsets.UTF_8));
    Octets value = pair(evidence, claims);
    return cborHead(CborReader.ARRAY, 2)
        .then(cborHead(CborReader.TEXT, type.length()))
        .then(type)
        .then(cborHead(CborReader.BYTES, value.length()))
        .then(value);
  }

  /** Claims that name a key by its SHA-256, and a nonce if there is one. */
  public static Octets encodeClaims(Octets publicKeyInfo, @Nullable Octets nonce) {
    Octets hash = Digests.sha256(publicKeyInfo);
    Octets entry =
        cborHead(CborReader.ARRAY, 2)
            .then(cborHead(CborReader.UNSIGNED, EvidenceClaims.SHA_256))
            .then(cborHead(CborReader.BYTES, hash.length()))
            .then(hash);
    Octets claims = cborHead(CborReader.MAP, nonce == null ? 1 : 2);
    if (nonce != null) {
      // Deterministic encoding sorts keys by their bytes: the shorter first.
      claims = claims.then(text(EvidenceClaims.NONCE)).then(bytes(nonce));
    }
    return claims.then(text(EvidenceClaims.PUBLIC_KEY_HASH)).then(bytes(entry));
  }

  private static Octets pair(Octets first, Octets second) {
    return cborHead(CborReader.ARRAY, 2).then(bytes(first)).then(bytes(second));
  }

  private static Octets text(String value) {
    Octets utf8 = Octets.own(value.getBytes(StandardCharsets.UTF_8));
    return cborHead(CborReader.TEXT, utf8.length()).then(utf8);
  }

  private static Octets bytes(Octets value) {
    return cborHead(CborReader.BYTES, value.length()).then(value);
  }

  private static Octets cborHead(int type, int argument) {
    int major = type << 5;
    if (argument < 24) {
      return Octets.own(new byte[] {(byte) (major | argument)});
    }
    if (argument < 1 << 8) {
      return Octets.own(new byte[] {(byte) (major | 24), (byte) argument});
    }
    if (argument < 1 << 16) {
      return Octets.own(new byte[] {(byte) (major | 25), (byte) (argument >>> 8), (byte) argument});
    }
    return Octets.own(
        new byte[] {
          (byte) (major | 26),
          (byte) (argument >>> 24),
          (byte) (argument >>> 16),
          (byte) (argument >>> 8),
          (byte) argument
        });
  }
}
