package io.capsuledb.core.record;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;

/**
 * Decrypts the payloads of records. Keeps the cipher of the writer it saw last, as records of one
 * chain come in bursts. One thread at a time.
 */
public final class RecordOpener implements AutoCloseable {

  private final CapsuleName capsule;
  private final KeyRing keys;
  private Cached cached = new Cached(0, -1, null);

  private record Cached(
      long writer, int generation, @org.jspecify.annotations.Nullable Aead aead) {}

  public RecordOpener(CapsuleName capsule, KeyRing keys) {
    this.capsule = capsule;
    this.keys = keys;
  }

  /** The payload of {@code record} in clear, whatever its type. */
  public Decoded<byte[]> open(CapsuleRecord record) {
    RecordHeader header = record.header();
    if (header.type().isClear()) {
      return Decoded.accept(record.payload());
    }
    if (!keys.holds(header.generation())) {
      return Decoded.reject(
          Reason.KEY_GENERATION,
          record + " was written in unknown generation " + header.generation());
    }
    Aead aead = aead(header.writer(), header.generation());
    byte[] associated = RecordCodec.associatedData(capsule, record.bytes());
    byte[] plaintext = new byte[header.payloadLength() - RecordLayout.TAG_BYTES];
    int length =
        aead.open(
            RecordCodec.nonce(header.writer(), header.sequence()),
            associated,
            0,
            associated.length,
            record.bytes(),
            record.payloadOffset(),
            header.payloadLength(),
            plaintext,
            0);
    if (length < 0) {
      return Decoded.reject(Reason.DECRYPTION, record + " does not decrypt under its writer's key");
    }
    return Decoded.accept(plaintext);
  }

  private Aead aead(long writer, int generation) {
    Aead aead = cached.aead;
    if (aead == null || cached.writer != writer || cached.generation != generation) {
      if (aead != null) {
        aead.close();
      }
      try (var key = keys.dataKey(generation, writer)) {
        aead = Aead.aes256Gcm(key);
      }
      cached = new Cached(writer, generation, aead);
    }
    return aead;
  }

  @Override
  public void close() {
    Aead aead = cached.aead;
    if (aead != null) {
      aead.close();
    }
    cached = new Cached(0, -1, null);
  }
}
