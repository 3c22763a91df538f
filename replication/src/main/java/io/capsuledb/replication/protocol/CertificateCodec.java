package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.seal.ChainHead;
import java.util.ArrayList;
import java.util.List;

/**
 * Durability certificates to bytes and back. Canonical: a certificate has one encoding. Format 1,
 * docs/format/replication.md. What is decoded is well formed; whether it shows anything is for
 * {@link CertificateVerifier} to say.
 */
public final class CertificateCodec {

  private CertificateCodec() {}

  /**
   * Encodes a certificate.
   *
   * @throws IllegalArgumentException if it is longer than {@link CertificateLayout#MAX_BYTES}
   */
  public static byte[] encode(Certificate certificate) {
    FieldWriter out = new FieldWriter(1024);
    out.put(CertificateLayout.MAGIC);
    out.putShort(CertificateLayout.FORMAT);
    out.reserved(CertificateLayout.RESERVED_BYTES);
    out.putInt(certificate.memberships().size());
    out.putInt(certificate.statements().size());
    out.putInt(certificate.headers().size());
    out.putLong(certificate.writer());
    out.putLong(certificate.claim().sequence());
    out.put(certificate.claim().hash());
    out.put(certificate.metadata());
    certificate.memberships().forEach(out::put);
    long statements = 0;
    for (SignedStatement signed : certificate.statements()) {
      statements += signed.encoded().length();
      requireFits(statements);
      out.put(signed.encoded());
    }
    certificate.headers().forEach(out::put);
    byte[] bytes = out.toBytes();
    requireFits(bytes.length);
    return bytes;
  }

  private static void requireFits(long length) {
    if (length > CertificateLayout.MAX_BYTES) {
      throw new IllegalArgumentException(
          "certificate of " + length + " bytes, at most " + CertificateLayout.MAX_BYTES);
    }
  }

  /** Decodes a certificate. Takes any bytes; copies what it keeps. */
  public static Decoded<Certificate> decode(byte[] bytes) {
    if (bytes.length > CertificateLayout.MAX_BYTES) {
      return Decoded.reject(
          Reason.TOO_LARGE, "certificate has more than " + CertificateLayout.MAX_BYTES + " bytes");
    }
    FieldReader in = new FieldReader("certificate", bytes);
    for (byte expected : CertificateLayout.MAGIC) {
      if (in.unsignedByte() != expected) {
        in.reject(Reason.UNKNOWN_FORMAT, "it does not begin with its magic");
      }
    }
    int format = in.unsignedShort();
    if (format != CertificateLayout.FORMAT) {
      in.reject(Reason.UNKNOWN_FORMAT, "format " + format);
    }
    in.reserved(CertificateLayout.RESERVED_BYTES);
    int memberships = in.count(Message.MAX_MEMBERSHIPS, Integer.BYTES);
    int statements = in.count(Certificate.MAX_STATEMENTS, Integer.BYTES);
    int headers = in.count(Certificate.MAX_HEADERS, Integer.BYTES);
    long writer = in.signedLong();
    in.require(writer >= 1 && writer <= RosterEntry.MAX_WRITER, "the claim has no writer");
    ChainHead claim = head(in);
    Blob metadata = in.blob(MetadataCodec.MAX_BYTES);
    List<Blob> signedMemberships = blobs(in, memberships, MembershipLayout.MAX_BYTES);
    List<SignedStatement> signedStatements = statements(in, statements);
    List<Blob> chain = blobs(in, headers, RecordLayout.MAX_HEADER_BYTES);
    in.end();
    Rejection rejection = in.rejection();
    return rejection == null
        ? Decoded.accept(
            new Certificate(metadata, signedMemberships, writer, claim, signedStatements, chain))
        : new Decoded.Rejected<>(rejection);
  }

  private static ChainHead head(FieldReader in) {
    long sequence = in.signedLong();
    var hash = in.hash();
    boolean isHead = sequence >= 1 && !hash.isZero();
    in.require(isHead, "the claim has no record");
    return isHead ? new ChainHead(sequence, hash) : ChainHead.NONE;
  }

  private static List<Blob> blobs(FieldReader in, int count, int most) {
    List<Blob> blobs = new ArrayList<>();
    for (int i = 0; i < count && in.isSound(); i++) {
      blobs.add(in.blob(most));
    }
    return blobs;
  }

  private static List<SignedStatement> statements(FieldReader in, int count) {
    List<SignedStatement> statements = new ArrayList<>();
    for (Blob encoded : blobs(in, count, StatementLayout.MAX_BYTES)) {
      if (!in.isSound()) {
        break;
      }
      switch (StatementCodec.decode(encoded.bytes())) {
        case Decoded.Accepted<SignedStatement>(SignedStatement signed) -> {
          in.require(
              statements.isEmpty()
                  || Certificate.BY_REPLICA.compare(statements.getLast(), signed) < 0,
              "statements out of the order of their replicas");
          statements.add(signed);
        }
        case Decoded.Rejected<SignedStatement>(Rejection rejection) ->
            in.reject(rejection.reason(), rejection.detail());
      }
    }
    return statements;
  }
}
