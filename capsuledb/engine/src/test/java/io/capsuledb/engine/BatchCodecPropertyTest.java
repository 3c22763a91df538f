package io.capsuledb.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class BatchCodecPropertyTest {

  private static final class Log implements BatchCodec.Visitor {
    final List<String> operations = new ArrayList<>();

    @Override
    public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      operations.add("put " + hex(key) + " " + type + " " + hex(value) + " " + expiryAtMs);
    }

    @Override
    public void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
      operations.add("merge " + hex(key) + " " + operator + " " + hex(operand) + " " + expiryAtMs);
    }

    @Override
    public void delete(byte[] key) {
      operations.add("delete " + hex(key));
    }

    @Override
    public void clear() {
      operations.add("clear");
    }
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  private static byte[] random(Random random, int most) {
    byte[] bytes = new byte[random.nextInt(most + 1)];
    random.nextBytes(bytes);
    return bytes;
  }

  private static byte[] encode(Random random, Log expected) {
    BatchCodec batch = new BatchCodec();
    int count = 1 + random.nextInt(20);
    for (int i = 0; i < count; i++) {
      byte[] key = random(random, random.nextInt(8) == 0 ? 300 : 12);
      switch (random.nextInt(5)) {
        case 0 -> {
          batch.delete(key);
          expected.delete(key);
        }
        case 2 -> {
          MergeOperator operator = MergeOperator.ofNumber(1 + random.nextInt(4));
          byte[] operand =
              operator == MergeOperator.UNION
                  ? new byte[] {1, 1, 0, 0, 0, 1, (byte) random.nextInt()}
                  : operator.canonical(Node.bytes("" + random.nextInt(1000)));
          long expiry = random.nextBoolean() ? 0 : 1 + random.nextLong(Long.MAX_VALUE - 1);
          batch.merge(key, operator, operand, expiry);
          expected.merge(key, operator, operand, expiry);
        }
        case 1 -> {
          batch.clear();
          expected.clear();
        }
        default -> {
          ValueType type = ValueType.ofNumber(random.nextInt(ValueType.count()));
          byte[] value = random(random, random.nextInt(8) == 0 ? 30_000 : 40);
          long expiry = random.nextBoolean() ? 0 : 1 + random.nextLong(Long.MAX_VALUE - 1);
          batch.put(key, type, value, expiry);
          expected.put(key, type, value, expiry);
        }
      }
    }
    return Arrays.copyOf(batch.encoded(), batch.length());
  }

  @Property
  void whatIsEncodedIsDecoded(@ForAll long seed) {
    Log expected = new Log();
    byte[] encoded = encode(new Random(seed), expected);
    Log decoded = new Log();
    assertThat(BatchCodec.decode(encoded, decoded)).isNull();
    assertThat(decoded.operations).isEqualTo(expected.operations);
    for (int length = 0; length < Math.min(encoded.length, 400); length++) {
      assertThat(BatchCodec.decode(Arrays.copyOf(encoded, length), new Log())).isNotNull();
    }
    assertThat(BatchCodec.decode(Arrays.copyOf(encoded, encoded.length + 1), new Log()))
        .isNotNull();
  }

  @Test
  void anyBytesAreDecodedOrRejected() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int i = 0; i < 30_000; i++) {
      byte[] input = encode(random, new Log());
      int edits = random.nextInt(5);
      for (int e = 0; e < edits; e++) {
        input[random.nextInt(Math.min(input.length, 200))] = (byte) random.nextInt();
      }
      try {
        BatchCodec.decode(input, new Log());
      } catch (RuntimeException thrown) {
        throw new AssertionError("seed " + seed + " input " + i, thrown);
      }
    }
  }
}
