package io.capsuledb.core.proof;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.RecordLayout;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Proofs to bytes and back; format 1, docs/format/proof.md. Canonical: a proof has one encoding.
 * That bytes decode says nothing of what they prove; see {@link KeyProofVerifier}.
 */
public final class KeyProofCodec {

  private static final byte[] NOTHING = {};

  private KeyProofCodec() {}

  // ------------------------------------------------------------------ encoding

  /**
   * Encodes a proof.
   *
   * @throws InvalidRequestException if it is longer than {@link KeyProofLayout#MAX_BYTES}
   */
  public static byte[] encode(KeyProof proof) {
    KeyProof.State state = proof.state();
    byte[] value = proof.separateValue();
    byte[] head = new byte[KeyProofLayout.PARTS_OFFSET];
    byte[] magic = KeyProofLayout.magic();
    System.arraycopy(magic, 0, head, 0, magic.length);
    head[KeyProofLayout.FORMAT_OFFSET] = KeyProofLayout.FORMAT;
    head[KeyProofLayout.SEPARATE_OFFSET] = (byte) (value == null ? 0 : 1);
    LittleEndian.putInt(head, KeyProofLayout.KEY_LENGTH_OFFSET, proof.key().length);
    LittleEndian.putInt(head, KeyProofLayout.METADATA_LENGTH_OFFSET, proof.metadata().length);
    LittleEndian.putInt(head, KeyProofLayout.ROSTER_LENGTH_OFFSET, proof.roster().length);
    LittleEndian.putInt(head, KeyProofLayout.CHECKPOINT_LENGTH_OFFSET, proof.checkpoint().length);
    LittleEndian.putInt(head, KeyProofLayout.VALUE_LENGTH_OFFSET, value == null ? 0 : value.length);
    LittleEndian.putLong(head, KeyProofLayout.COVERED_OFFSET, state.coveredTime());
    LittleEndian.putLong(head, KeyProofLayout.CLEAR_TIME_OFFSET, state.clearTime());
    LittleEndian.putLong(head, KeyProofLayout.CLEAR_WRITER_OFFSET, state.clearWriter());
    LittleEndian.putInt(head, KeyProofLayout.CLEAR_INDEX_OFFSET, state.clearIndex());
    LittleEndian.putInt(head, KeyProofLayout.RUNS_OFFSET, state.runs());
    LittleEndian.putInt(head, KeyProofLayout.TABLES_OFFSET, state.tables());
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(head);
    out.writeBytes(proof.key());
    out.writeBytes(proof.metadata());
    out.writeBytes(proof.roster());
    out.writeBytes(proof.checkpoint());
    out.writeBytes(value == null ? NOTHING : value);
    PrunedTree<ProofTable> tables = proof.tables();
    if (tables != null) {
      put(out, tables.top(), KeyProofCodec::putTable);
    }
    if (out.size() > KeyProofLayout.MAX_BYTES) {
      throw new InvalidRequestException(
          "the proof has "
              + out.size()
              + " bytes, at most "
              + KeyProofLayout.MAX_BYTES
              + " are allowed: the key's neighbours have large values");
    }
    return out.toByteArray();
  }

  private static <T> void put(
      ByteArrayOutputStream out,
      PrunedTree.Node<T> node,
      BiConsumer<ByteArrayOutputStream, T> leaf) {
    switch (node) {
      case PrunedTree.Hidden<T>(Hash32 hash) -> {
        out.write(KeyProofLayout.NODE_HIDDEN);
        out.writeBytes(hash.toBytes());
      }
      case PrunedTree.Inner<T>(PrunedTree.Node<T> left, PrunedTree.Node<T> right) -> {
        out.write(KeyProofLayout.NODE_INNER);
        put(out, left, leaf);
        put(out, right, leaf);
      }
      case PrunedTree.Shown<T>(T content) -> {
        out.write(KeyProofLayout.NODE_SHOWN);
        leaf.accept(out, content);
      }
    }
  }

  private static void putTable(ByteArrayOutputStream out, ProofTable table) {
    PrunedTree<ProofBlock> blocks = table.blocks();
    byte[] fixed = new byte[KeyProofLayout.TABLE_KEYS];
    LittleEndian.putInt(fixed, KeyProofLayout.TABLE_RUN, table.run());
    LittleEndian.putLong(fixed, KeyProofLayout.TABLE_ENTRIES, table.entries());
    table.root().copyTo(fixed, KeyProofLayout.TABLE_ROOT);
    fixed[KeyProofLayout.TABLE_OPENED] = (byte) (blocks == null ? 0 : 1);
    LittleEndian.putInt(fixed, KeyProofLayout.TABLE_FIRST_LENGTH, table.firstKey().length);
    LittleEndian.putInt(fixed, KeyProofLayout.TABLE_LAST_LENGTH, table.lastKey().length);
    out.writeBytes(fixed);
    out.writeBytes(table.firstKey());
    out.writeBytes(table.lastKey());
    if (blocks != null) {
      put(out, blocks.top(), KeyProofCodec::putBlock);
    }
  }

  private static void putBlock(ByteArrayOutputStream out, ProofBlock block) {
    PrunedTree<ProofEntry> content = block.content();
    byte[] fixed = new byte[KeyProofLayout.BLOCK_KEYS];
    LittleEndian.putInt(fixed, KeyProofLayout.BLOCK_ENTRIES, block.entries());
    block.contentRoot().copyTo(fixed, KeyProofLayout.BLOCK_ROOT);
    fixed[KeyProofLayout.BLOCK_OPENED] = (byte) (content == null ? 0 : 1);
    LittleEndian.putInt(fixed, KeyProofLayout.BLOCK_FIRST_LENGTH, block.firstKey().length);
    LittleEndian.putInt(fixed, KeyProofLayout.BLOCK_LAST_LENGTH, block.lastKey().length);
    out.writeBytes(fixed);
    out.writeBytes(block.firstKey());
    out.writeBytes(block.lastKey());
    if (content != null) {
      put(out, content.top(), KeyProofCodec::putEntry);
    }
  }

  private static void putEntry(ByteArrayOutputStream out, ProofEntry entry) {
    byte[] fixed = new byte[KeyProofLayout.ENTRY_KEY];
    System.arraycopy(entry.salt(), 0, fixed, KeyProofLayout.ENTRY_SALT, StateCommitment.SALT_BYTES);
    fixed[KeyProofLayout.ENTRY_KIND] = (byte) entry.kind();
    fixed[KeyProofLayout.ENTRY_TYPE] = (byte) entry.type();
    LittleEndian.putLong(fixed, KeyProofLayout.ENTRY_TIME, entry.time());
    LittleEndian.putLong(fixed, KeyProofLayout.ENTRY_WRITER, entry.writer());
    LittleEndian.putInt(fixed, KeyProofLayout.ENTRY_INDEX, entry.index());
    LittleEndian.putLong(fixed, KeyProofLayout.ENTRY_EXPIRY, entry.expiryAtMs());
    LittleEndian.putInt(fixed, KeyProofLayout.ENTRY_KEY_LENGTH, entry.key().length);
    LittleEndian.putInt(fixed, KeyProofLayout.ENTRY_VALUE_LENGTH, entry.valueLength());
    out.writeBytes(fixed);
    out.writeBytes(entry.key());
    out.writeBytes(entry.shown());
  }

  // ------------------------------------------------------------------ decoding

  /** Decodes a proof. Takes any bytes. */
  public static Decoded<KeyProof> decode(byte[] bytes) {
    if (bytes.length > KeyProofLayout.MAX_BYTES) {
      return Decoded.reject(
          Reason.TOO_LARGE,
          "proof has " + bytes.length + " bytes, at most " + KeyProofLayout.MAX_BYTES);
    }
    byte[] magic = KeyProofLayout.magic();
    if (!Arrays.equals(bytes, 0, Math.min(bytes.length, magic.length), magic, 0, magic.length)) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "a proof begins with its magic, this does not");
    }
    Input in = new Input(bytes);
    KeyProof proof = in.proof();
    Rejection rejection = in.rejection;
    if (proof == null || rejection != null) {
      return new Decoded.Rejected<>(Objects.requireNonNull(rejection));
    }
    return Decoded.accept(proof);
  }

  /**
   * Reads from front to back. After the first thing that is wrong nothing more is read: what is
   * returned then has no meaning, and is thrown away.
   */
  private static final class Input {

    private final byte[] bytes;
    private int at;
    private @Nullable Rejection rejection;

    Input(byte[] bytes) {
      this.bytes = bytes;
    }

    private void refuse(Reason reason, String detail) {
      if (rejection == null) {
        rejection = Rejection.of(reason, "proof, byte " + at + ": " + detail);
      }
    }

    private void require(boolean allowed, String what) {
      if (!allowed) {
        refuse(Reason.FIELD_OUT_OF_RANGE, what);
      }
    }

    /** Moves over {@code length} bytes, which are there; returns where they begin, or -1. */
    private int take(int length, int most, String what) {
      if (rejection != null) {
        return -1;
      }
      if (length < 0 || length > most) {
        refuse(Reason.TOO_LARGE, what + " of " + Integer.toUnsignedString(length) + " bytes");
        return -1;
      }
      if (length > bytes.length - at) {
        refuse(Reason.TRUNCATED, what + " of " + length + " bytes");
        return -1;
      }
      int from = at;
      at += length;
      return from;
    }

    private byte[] part(int length, int most, String what) {
      int from = take(length, most, what);
      return from < 0 ? NOTHING : Arrays.copyOfRange(bytes, from, from + length);
    }

    private boolean flag(int offset, String what) {
      require(bytes[offset] == 0 || bytes[offset] == 1, what);
      return bytes[offset] == 1;
    }

    private long lamport(int offset, String what) {
      long time = LittleEndian.getLong(bytes, offset);
      require(time >= 0 && time <= RecordLayout.MAX_LAMPORT, what);
      return time;
    }

    private long writer(int offset, String what) {
      long writer = LittleEndian.getLong(bytes, offset);
      require(writer >= 0 && writer <= RosterEntry.MAX_WRITER, what);
      return writer;
    }

    private int count(int offset, int least, String what) {
      int count = LittleEndian.getInt(bytes, offset);
      require(count >= least, what);
      return count;
    }

    @Nullable KeyProof proof() {
      if (take(KeyProofLayout.PARTS_OFFSET, KeyProofLayout.PARTS_OFFSET, "the fixed part") < 0) {
        return null;
      }
      if (bytes[KeyProofLayout.FORMAT_OFFSET] != KeyProofLayout.FORMAT) {
        refuse(
            Reason.UNKNOWN_FORMAT,
            "format "
                + (bytes[KeyProofLayout.FORMAT_OFFSET] & 0xFF)
                + ", this version reads 1: a newer version is needed");
        return null;
      }
      if (LittleEndian.getUnsignedShort(bytes, KeyProofLayout.RESERVED_OFFSET) != 0) {
        refuse(Reason.RESERVED_BITS, "a reserved byte is not zero");
      }
      boolean separate = flag(KeyProofLayout.SEPARATE_OFFSET, "whether a value is kept apart");
      KeyProof.State state =
          new KeyProof.State(
              lamport(KeyProofLayout.COVERED_OFFSET, "the covered time"),
              lamport(KeyProofLayout.CLEAR_TIME_OFFSET, "the clear's time"),
              writer(KeyProofLayout.CLEAR_WRITER_OFFSET, "the clear's writer"),
              count(KeyProofLayout.CLEAR_INDEX_OFFSET, 0, "the clear's index"),
              count(KeyProofLayout.RUNS_OFFSET, 0, "the number of runs"),
              count(KeyProofLayout.TABLES_OFFSET, 0, "the number of tables"));
      require(
          state.runs() <= state.tables() && (state.runs() == 0) == (state.tables() == 0),
          state.runs() + " runs of " + state.tables() + " tables");
      byte[] key =
          part(length(KeyProofLayout.KEY_LENGTH_OFFSET), KeyProofLayout.MAX_KEY_BYTES, "key");
      byte[] metadata =
          part(
              length(KeyProofLayout.METADATA_LENGTH_OFFSET),
              RecordLayout.MAX_RECORD_BYTES,
              "metadata");
      byte[] roster =
          part(
              length(KeyProofLayout.ROSTER_LENGTH_OFFSET), RecordLayout.MAX_RECORD_BYTES, "ROSTER");
      byte[] checkpoint =
          part(
              length(KeyProofLayout.CHECKPOINT_LENGTH_OFFSET),
              RecordLayout.MAX_RECORD_BYTES,
              "CHECKPOINT");
      int valueLength = length(KeyProofLayout.VALUE_LENGTH_OFFSET);
      require(separate || valueLength == 0, "the length of a value that is not there");
      byte[] value = part(valueLength, KeyProofLayout.MAX_VALUE_BYTES, "value");
      PrunedTree<ProofTable> tables =
          rejection == null && state.tables() > 0 ? tree("tables", Input::table) : null;
      if (rejection == null && at < bytes.length) {
        refuse(Reason.TRAILING_BYTES, bytes.length - at + " bytes after the end");
      }
      return new KeyProof(
          key, metadata, roster, checkpoint, state, tables, separate ? value : null);
    }

    private int length(int offset) {
      return LittleEndian.getInt(bytes, offset);
    }

    /** A tree that shows at least one leaf, or null after something was wrong. */
    private <T> @Nullable PrunedTree<T> tree(String what, Function<Input, @Nullable T> leaf) {
      PrunedTree.Node<T> top = node(what, 0, leaf);
      if (top instanceof PrunedTree.Hidden<T>) {
        refuse(Reason.PROOF, "a tree of " + what + " that shows none");
      }
      return rejection != null || top == null ? null : new PrunedTree<>(top);
    }

    private <T> PrunedTree.@Nullable Node<T> node(
        String what, int depth, Function<Input, @Nullable T> leaf) {
      int from = take(1, 1, "a node of the tree of " + what);
      if (from < 0) {
        return null;
      }
      return switch (bytes[from]) {
        case KeyProofLayout.NODE_HIDDEN -> hidden(what);
        case KeyProofLayout.NODE_INNER -> inner(what, depth, leaf);
        case KeyProofLayout.NODE_SHOWN -> shown(leaf);
        default -> {
          refuse(Reason.UNKNOWN_TYPE, "a node of kind " + bytes[from] + " in a tree of " + what);
          yield null;
        }
      };
    }

    private <T> PrunedTree.@Nullable Node<T> hidden(String what) {
      int hash = take(Hash32.BYTES, Hash32.BYTES, "a hash in the tree of " + what);
      if (hash < 0) {
        return null;
      }
      return new PrunedTree.Hidden<>(Hash32.copyOf(bytes, hash));
    }

    private <T> PrunedTree.@Nullable Node<T> shown(Function<Input, @Nullable T> leaf) {
      T content = leaf.apply(this);
      if (content == null) {
        return null;
      }
      return new PrunedTree.Shown<>(content);
    }

    private <T> PrunedTree.@Nullable Node<T> inner(
        String what, int depth, Function<Input, @Nullable T> leaf) {
      if (depth >= MerkleTree.MAX_PATH) {
        refuse(Reason.TOO_LARGE, "the tree of " + what + " is too deep");
        return null;
      }
      PrunedTree.Node<T> left = node(what, depth + 1, leaf);
      PrunedTree.Node<T> right = left == null ? null : node(what, depth + 1, leaf);
      if (left == null || right == null) {
        return null;
      }
      if (left instanceof PrunedTree.Hidden<T> && right instanceof PrunedTree.Hidden<T>) {
        refuse(Reason.PROOF, "two hidden nodes in the place of one in the tree of " + what);
        return null;
      }
      return new PrunedTree.Inner<>(left, right);
    }

    private @Nullable ProofTable table() {
      int from = take(KeyProofLayout.TABLE_KEYS, KeyProofLayout.TABLE_KEYS, "a table");
      if (from < 0) {
        return null;
      }
      int run = count(from + KeyProofLayout.TABLE_RUN, 0, "a table's run");
      long entries = LittleEndian.getLong(bytes, from + KeyProofLayout.TABLE_ENTRIES);
      require(entries > 0, "a table's number of entries");
      boolean opened = flag(from + KeyProofLayout.TABLE_OPENED, "whether a table is opened");
      byte[] first =
          part(
              length(from + KeyProofLayout.TABLE_FIRST_LENGTH),
              KeyProofLayout.MAX_KEY_BYTES,
              "first key");
      byte[] last =
          part(
              length(from + KeyProofLayout.TABLE_LAST_LENGTH),
              KeyProofLayout.MAX_KEY_BYTES,
              "last key");
      PrunedTree<ProofBlock> blocks =
          rejection == null && opened ? tree("blocks", Input::block) : null;
      return rejection != null
          ? null
          : new ProofTable(
              run,
              first,
              last,
              entries,
              Hash32.copyOf(bytes, from + KeyProofLayout.TABLE_ROOT),
              blocks);
    }

    private @Nullable ProofBlock block() {
      int from = take(KeyProofLayout.BLOCK_KEYS, KeyProofLayout.BLOCK_KEYS, "a block");
      if (from < 0) {
        return null;
      }
      int entries = count(from + KeyProofLayout.BLOCK_ENTRIES, 1, "a block's number of entries");
      boolean opened = flag(from + KeyProofLayout.BLOCK_OPENED, "whether a block is opened");
      byte[] first =
          part(
              length(from + KeyProofLayout.BLOCK_FIRST_LENGTH),
              KeyProofLayout.MAX_KEY_BYTES,
              "first key");
      byte[] last =
          part(
              length(from + KeyProofLayout.BLOCK_LAST_LENGTH),
              KeyProofLayout.MAX_KEY_BYTES,
              "last key");
      PrunedTree<ProofEntry> content =
          rejection == null && opened ? tree("entries", Input::entry) : null;
      return rejection != null
          ? null
          : new ProofBlock(
              first,
              last,
              entries,
              Hash32.copyOf(bytes, from + KeyProofLayout.BLOCK_ROOT),
              content);
    }

    private @Nullable ProofEntry entry() {
      int from = take(KeyProofLayout.ENTRY_KEY, KeyProofLayout.ENTRY_KEY, "an entry");
      if (from < 0) {
        return null;
      }
      int kind = bytes[from + KeyProofLayout.ENTRY_KIND];
      int type = bytes[from + KeyProofLayout.ENTRY_TYPE];
      long expiryAtMs = LittleEndian.getLong(bytes, from + KeyProofLayout.ENTRY_EXPIRY);
      int valueLength = length(from + KeyProofLayout.ENTRY_VALUE_LENGTH);
      require(kind >= StateCommitment.VALUE && kind <= StateCommitment.POINTER, "an entry's kind");
      require(type >= 0 && type <= KeyProofLayout.MAX_TYPE, "an entry's type");
      require(expiryAtMs >= 0, "an entry's expiry");
      require(
          valueLength >= 0 && valueLength <= KeyProofLayout.MAX_VALUE_BYTES,
          "the length of an entry's value");
      require(kind != StateCommitment.TOMBSTONE || valueLength == 0, "a deletion with a value");
      long time = lamport(from + KeyProofLayout.ENTRY_TIME, "an entry's time");
      long writer = writer(from + KeyProofLayout.ENTRY_WRITER, "an entry's writer");
      int index = count(from + KeyProofLayout.ENTRY_INDEX, 0, "an entry's index");
      byte[] key =
          part(length(from + KeyProofLayout.ENTRY_KEY_LENGTH), KeyProofLayout.MAX_KEY_BYTES, "key");
      byte[] shown =
          part(
              kind == StateCommitment.POINTER ? Hash32.BYTES : valueLength,
              KeyProofLayout.MAX_VALUE_BYTES,
              "value");
      return rejection != null
          ? null
          : new ProofEntry(
              Arrays.copyOfRange(bytes, from, from + StateCommitment.SALT_BYTES),
              kind,
              type,
              time,
              writer,
              index,
              expiryAtMs,
              key,
              valueLength,
              shown);
    }
  }
}
