package io.capsuledb.host.attest.amd;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Decoding;
import io.capsuledb.host.attest.encoding.Octets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The host's table of certificates that an extended guest request returns, and configfs-tsm in
 * {@code auxblob} (GHCB specification, SNP Extended Guest Request): entries of GUID, offset and
 * length, a GUID of zeros, then the certificates.
 */
public final class CertificateTable {

  private static final int GUID_BYTES = 16;
  private static final int ENTRY_BYTES = GUID_BYTES + 8;
  private static final int MAX_ENTRIES = 64;
  private static final int MAX_BYTES = 1 << 20;

  private static final Octets ARK = Octets.ofHex("c0b406a4a80349529743" + "3fb6014cd0ae");
  private static final Octets ASK = Octets.ofHex("4ab7b379bbac4fe4a02f" + "05aef327c782");
  private static final Octets VCEK = Octets.ofHex("63da758de6644564adc5" + "f4b93be8accd");
  private static final Octets VLEK = Octets.ofHex("a8074bc2a25a483eaae6" + "39c045a0b8a1");

  private CertificateTable() {}

  /** Reads a table; unknown entries are skipped. */
  public static Decoded<AmdCollateral> decode(Octets table) {
    return Decoding.of(() -> read(table));
  }

  private static AmdCollateral read(Octets table) {
    if (table.length() > MAX_BYTES) {
      throw malformed(Reason.TOO_LARGE, "a certificate table of " + table.length() + " bytes");
    }
    Map<Octets, Octets> blobs = new LinkedHashMap<>();
    for (int i = 0; i < MAX_ENTRIES; i++) {
      int at = i * ENTRY_BYTES;
      Octets guid = table.slice(at, GUID_BYTES);
      if (guid.isZero()) {
        Octets leaf = blobs.getOrDefault(VCEK, blobs.get(VLEK));
        return new AmdCollateral(leaf, blobs.get(ASK), blobs.get(ARK), null);
      }
      Octets blob =
          table.slice(table.unsignedInt(at + GUID_BYTES), table.unsignedInt(at + GUID_BYTES + 4));
      if (blobs.put(guid, blob) != null) {
        throw malformed(Reason.FIELD_OUT_OF_RANGE, "two certificates of one kind");
      }
    }
    throw malformed(Reason.TOO_LARGE, "more than " + MAX_ENTRIES + " certificates");
  }
}
