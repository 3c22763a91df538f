package io.capsuledb.replication.protocol;

/**
 * Where the fields of evidence are: format 1, little endian, specified byte by byte in
 * docs/format/record.md.
 *
 * <pre>
 * 0  format u8        1  kind u8         2  reserved u16
 * 4  length of the first part u32
 * 8  first part
 *    second part
 * </pre>
 */
public final class EvidenceLayout {

  /** Most bytes of evidence: two of the longest statements. */
  public static final int MAX_BYTES = 8 + 2 * StatementLayout.MAX_BYTES;

  static final int FORMAT = 1;
  static final int KIND_EQUIVOCATION = 1;
  static final int KIND_CONTRADICTION = 2;
  static final int FORMAT_OFFSET = 0;
  static final int KIND_OFFSET = 1;
  static final int RESERVED_BYTES = 2;
  static final int FIRST_OFFSET = 8;

  private EvidenceLayout() {}
}
