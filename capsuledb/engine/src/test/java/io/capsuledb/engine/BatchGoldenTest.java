package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.golden.GoldenCapsule;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Batches of format 1: made again, read, and as documented. */
class BatchGoldenTest {

  /** 2030-01-01T00:00:00Z. */
  private static final long EXPIRY_MS = 1_893_456_000_000L;

  private static final byte[] LIST_OF_ONE = HexFormat.of().parseHex("0101000000036f6e65");
  private static final byte[] SET_OF_A = HexFormat.of().parseHex("01010000000161");
  private static final byte[] LONG = bytes("x".repeat(200));

  private static byte[] encoded(BatchCodec batch) {
    return Arrays.copyOf(batch.encoded(), batch.length());
  }

  private static byte[] twoOperations() {
    BatchCodec batch = new BatchCodec();
    batch.put(bytes("color"), ValueType.STRING, bytes("blue"), 0);
    batch.delete(bytes("shape"));
    return encoded(batch);
  }

  private static byte[] everyKind() {
    BatchCodec batch = new BatchCodec();
    batch.clear();
    batch.put(bytes("session"), ValueType.STRING, bytes("abc"), EXPIRY_MS);
    batch.put(bytes("queue"), ValueType.LIST, LIST_OF_ONE, 0);
    batch.put(bytes("tags"), ValueType.SET, SET_OF_A, EXPIRY_MS);
    batch.delete(bytes("queue"));
    batch.put(new byte[0], ValueType.STRING, new byte[0], 0);
    return encoded(batch);
  }

  private static byte[] merges() {
    BatchCodec batch = new BatchCodec();
    batch.merge(bytes("best"), MergeOperator.MIN, bytes("3.5"), 0);
    batch.merge(bytes("hits"), MergeOperator.COUNTER, bytes("-1"), EXPIRY_MS);
    batch.merge(bytes("tags"), MergeOperator.UNION, SET_OF_A, 0);
    return encoded(batch);
  }

  private static byte[] longValue() {
    BatchCodec batch = new BatchCodec();
    batch.put(bytes("long"), ValueType.STRING, LONG, 0);
    return encoded(batch);
  }

  private static List<String> read(String file) {
    List<String> operations = new ArrayList<>();
    assertThat(
            BatchCodec.decode(
                Golden.bytes(file),
                new BatchCodec.Visitor() {
                  @Override
                  public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
                    operations.add(
                        "put %s %s %s %d"
                            .formatted(
                                Node.text(key), type, HexFormat.of().formatHex(value), expiryAtMs));
                  }

                  @Override
                  public void merge(
                      byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
                    operations.add(
                        "merge %s %s %s %d"
                            .formatted(
                                Node.text(key),
                                operator,
                                HexFormat.of().formatHex(operand),
                                expiryAtMs));
                  }

                  @Override
                  public void delete(byte[] key) {
                    operations.add("delete " + Node.text(key));
                  }

                  @Override
                  public void clear() {
                    operations.add("clear");
                  }
                }))
        .as(file)
        .isNull();
    return operations;
  }

  @Test
  void todaysCodeMakesTheSameBytes() {
    assertThat(twoOperations()).isEqualTo(Golden.bytes("batch.hex"));
    assertThat(everyKind()).isEqualTo(Golden.bytes("batch-kinds.hex"));
    assertThat(merges()).isEqualTo(Golden.bytes("batch-merge.hex"));
    assertThat(longValue()).isEqualTo(Golden.bytes("batch-long-value.hex"));
    assertThat(HexFormat.of().parseHex(GoldenCapsule.BATCH)).isEqualTo(Golden.bytes("batch.hex"));
  }

  @Test
  void theBytesAreRead() {
    assertThat(read("batch.hex")).containsExactly("put color STRING 626c7565 0", "delete shape");
    assertThat(read("batch-kinds.hex"))
        .containsExactly(
            "clear",
            "put session STRING 616263 1893456000000",
            "put queue LIST 0101000000036f6e65 0",
            "put tags SET 01010000000161 1893456000000",
            "delete queue",
            "put  STRING  0");
    assertThat(read("batch-merge.hex"))
        .containsExactly(
            "merge best MIN 332e35 0",
            "merge hits COUNTER 2d31 1893456000000",
            "merge tags UNION 01010000000161 0");
    assertThat(read("batch-long-value.hex"))
        .containsExactly("put long STRING " + "78".repeat(200) + " 0");
  }

  @Test
  void theDocumentShowsThem() {
    assertThat(Golden.listed("record.md", "batch.hex")).isEqualTo(Golden.bytes("batch.hex"));
    assertThat(Golden.listed("record.md", "batch-kinds.hex"))
        .isEqualTo(Golden.bytes("batch-kinds.hex"));
    assertThat(Golden.listed("record.md", "batch-merge.hex"))
        .isEqualTo(Golden.bytes("batch-merge.hex"));
  }
}
