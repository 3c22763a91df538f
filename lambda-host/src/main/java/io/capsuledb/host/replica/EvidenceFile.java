package io.capsuledb.host.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.ContradictionProof;
import io.capsuledb.replication.protocol.Evidence;
import io.capsuledb.replication.protocol.EvidenceCodec;
import io.capsuledb.replication.protocol.MembershipChain;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A proof against a writer or a replica with everything that somebody needs who has nothing but the
 * owner's public key: docs/format/evidence-file.md.
 *
 * @param metadata the capsule's signed metadata
 * @param memberships its signed memberships, from version 1 on
 * @param roster the ROSTER record that introduced the writer accused; null if a replica is accused
 * @param proof as in the payload of an EVIDENCE record
 */
public record EvidenceFile(
    Blob metadata, List<Blob> memberships, @Nullable Blob roster, Blob proof) {

  /** Most bytes of such a file. */
  public static final int MAX_BYTES = 128 << 20;

  private static final String FORMAT = "capsuledb-evidence 1";

  /** Keeps a copy of the list. */
  public EvidenceFile {
    memberships = List.copyOf(memberships);
  }

  /**
   * What a proof shows.
   *
   * @param capsule of which capsule
   * @param owner whose capsule that is
   * @param accused the writer's index in hex, or the replica's public key
   * @param kind whether it is a writer or a replica
   * @param reason what it did, for people
   */
  public record Verdict(
      CapsuleName capsule, PublicKey owner, String accused, Evidence.Kind kind, String reason) {}

  /** Its bytes: ASCII. */
  public byte[] encode() {
    StringBuilder text = new StringBuilder(FORMAT).append('\n');
    line(text, "metadata", metadata);
    memberships.forEach(membership -> line(text, "membership", membership));
    Blob introduction = roster;
    if (introduction != null) {
      line(text, "roster", introduction);
    }
    line(text, "proof", proof);
    return text.append("end\n").toString().getBytes(StandardCharsets.US_ASCII);
  }

  private static void line(StringBuilder text, String name, Blob bytes) {
    text.append(name).append(' ').append(HexFormat.of().formatHex(bytes.bytes())).append('\n');
  }

  /** Takes any bytes; nothing that is in the file is checked yet. */
  public static Decoded<EvidenceFile> decode(byte[] bytes) {
    if (bytes.length > MAX_BYTES) {
      return Decoded.reject(
          Rejection.Reason.TOO_LARGE, "an evidence file has at most " + MAX_BYTES + " bytes");
    }
    List<String> lines = List.of(new String(bytes, StandardCharsets.ISO_8859_1).split("\n", -1));
    if (!lines.getFirst().equals(FORMAT)) {
      return Decoded.reject(
          Rejection.Reason.UNKNOWN_FORMAT, "the file does not begin with '" + FORMAT + "'");
    }
    int end = lines.size() - 2;
    if (end < 1 || !lines.get(end).equals("end") || !lines.getLast().isEmpty()) {
      return Decoded.reject(Rejection.Reason.TRUNCATED, "the file does not end with 'end'");
    }
    Blob metadata = null;
    Blob roster = null;
    Blob proof = null;
    List<Blob> memberships = new ArrayList<>();
    for (String line : lines.subList(1, end)) {
      int space = line.indexOf(' ');
      Blob value;
      try {
        value = Blob.of(HexFormat.of().parseHex(line.substring(space + 1)));
      } catch (IllegalArgumentException e) {
        return Decoded.reject(
            Rejection.Reason.FIELD_OUT_OF_RANGE, "a line of the file is not in hexadecimal");
      }
      String name = space < 0 ? "" : line.substring(0, space);
      if (name.equals("metadata") && metadata == null) {
        metadata = value;
      } else if (name.equals("membership") && roster == null && proof == null) {
        memberships.add(value);
      } else if (name.equals("roster") && roster == null && proof == null) {
        roster = value;
      } else if (name.equals("proof") && proof == null) {
        proof = value;
      } else {
        return Decoded.reject(
            Rejection.Reason.MISPLACED, "a line of the file has no place where it is");
      }
    }
    if (metadata == null || proof == null) {
      return Decoded.reject(Rejection.Reason.TRUNCATED, "the file has no metadata or no proof");
    }
    return Decoded.accept(new EvidenceFile(metadata, memberships, roster, proof));
  }

  /**
   * Checks everything, with no key but the owner's.
   *
   * @param owner whose capsule it has to be about; null: the file's own word is taken for that
   */
  public Decoded<Verdict> check(@Nullable PublicKey owner) {
    CapsuleName name = MetadataCodec.nameOf(metadata.bytes());
    return CapsuleView.of(name, metadata, memberships).then(view -> check(view, owner));
  }

  private Decoded<Verdict> check(CapsuleView view, @Nullable PublicKey owner) {
    Secp256k1 curve = Secp256k1.best();
    if (owner != null && !view.metadata().ownerKey().equals(owner)) {
      return Decoded.reject(
          Rejection.Reason.SIGNATURE,
          "capsule "
              + view.name()
              + " belongs to owner "
              + view.metadata().ownerKey()
              + ", not to "
              + owner);
    }
    return EvidenceCodec.decode(
            view.name(), proof.bytes(), writer -> writerKey(view, writer), curve)
        .then(
            evidence ->
                switch (evidence) {
                  case Evidence.Equivocation(EquivocationProof shown) ->
                      Decoded.accept(
                          new Verdict(
                              view.name(),
                              view.metadata().ownerKey(),
                              Long.toHexString(shown.writer()),
                              Evidence.Kind.EQUIVOCATION,
                              "the writer signed two different records " + shown.sequence()));
                  case Evidence.Contradiction(ContradictionProof shown) -> against(view, shown);
                });
  }

  /** A key that contradicts itself proves nothing unless it is, or was, one of the capsule's. */
  private static Decoded<Verdict> against(CapsuleView view, ContradictionProof shown) {
    PublicKey replica = shown.replica();
    boolean named = view.metadata().replicas().contains(replica);
    MembershipChain chain = MembershipChain.of(view.name(), view.metadata());
    for (Blob membership : view.memberships()) {
      chain = chain.then(membership.bytes(), Secp256k1.best()).orThrow();
      named |= chain.newest().names(replica);
    }
    return named
        ? Decoded.accept(
            new Verdict(
                view.name(),
                view.metadata().ownerKey(),
                replica.toString(),
                Evidence.Kind.CONTRADICTION,
                shown.reason()))
        : Decoded.reject(
            Rejection.Reason.UNKNOWN_WRITER,
            replica + " contradicts itself, and is no replica of the capsule");
  }

  private @Nullable PublicKey writerKey(CapsuleView view, long writer) {
    Blob introduction = roster;
    return introduction == null ? null : introducedBy(view, introduction, writer);
  }

  /** The key that a ROSTER record gives a writer; null if it does not verify or gives none. */
  public static @Nullable PublicKey introducedBy(CapsuleView view, Blob record, long writer) {
    if (RecordCodec.decode(view.name(), record.bytes())
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord roster)
        && roster.header().type() == RecordType.ROSTER
        && RosterCodec.decode(view.name(), roster.payload(), view.metadata(), Secp256k1.best())
            instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries)) {
      for (RosterEntry entry : entries) {
        if (entry.writer() == writer) {
          return entry.key();
        }
      }
    }
    return null;
  }
}
