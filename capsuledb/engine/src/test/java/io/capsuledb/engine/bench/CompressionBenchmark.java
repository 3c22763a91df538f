package io.capsuledb.engine.bench;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import io.airlift.compress.v3.Compressor;
import io.airlift.compress.v3.Decompressor;
import io.airlift.compress.v3.lz4.Lz4JavaCompressor;
import io.airlift.compress.v3.lz4.Lz4JavaDecompressor;
import io.airlift.compress.v3.lz4.Lz4NativeCompressor;
import io.airlift.compress.v3.lz4.Lz4NativeDecompressor;
import io.airlift.compress.v3.zstd.ZstdJavaCompressor;
import io.airlift.compress.v3.zstd.ZstdJavaDecompressor;
import io.airlift.compress.v3.zstd.ZstdNativeCompressor;
import io.airlift.compress.v3.zstd.ZstdNativeDecompressor;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import net.jpountz.lz4.LZ4Factory;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * What making the body of a 16 KiB block smaller costs, and what it gains, by library. Prints the
 * sizes as well.
 *
 * <pre>mvn -q test -pl capsuledb/core,capsuledb/engine -Dtest=BenchmarkRun \
 *     -Dsurefire.failIfNoSpecifiedTests=false -Dbench=CompressionBenchmark</pre>
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class CompressionBenchmark {

  private interface Codec {
    int compress(byte[] source, byte[] target);

    int decompress(byte[] source, int length, byte[] target);
  }

  /** What the values are. */
  @Param({"half-random", "json"})
  public String values = "json";

  /** Library and algorithm. */
  @Param({
    "lz4-java/native",
    "lz4-java/java",
    "aircompressor/lz4-java",
    "aircompressor/lz4-native",
    "zstd-jni/-1",
    "zstd-jni/1",
    "zstd-jni/3",
    "aircompressor/zstd-java",
    "aircompressor/zstd-native"
  })
  public String codec = "lz4-java/native";

  private byte[] body = {};
  private byte[] compressed = {};
  private int compressedLength;
  private byte[] target = {};
  private byte[] restored = {};
  private Codec used = lz4(LZ4Factory.safeInstance());

  /** Makes the body, and checks that it comes back. */
  @Setup
  public void setUp() {
    used =
        switch (codec) {
          case "lz4-java/native" -> lz4(LZ4Factory.fastestInstance());
          case "lz4-java/java" -> lz4(LZ4Factory.fastestJavaInstance());
          case "aircompressor/lz4-java" ->
              aircompressor(new Lz4JavaCompressor(), new Lz4JavaDecompressor());
          case "aircompressor/lz4-native" ->
              aircompressor(new Lz4NativeCompressor(), new Lz4NativeDecompressor());
          case "zstd-jni/-1" -> zstd(-1);
          case "zstd-jni/1" -> zstd(1);
          case "zstd-jni/3" -> zstd(3);
          case "aircompressor/zstd-java" ->
              aircompressor(new ZstdJavaCompressor(), new ZstdJavaDecompressor());
          case "aircompressor/zstd-native" ->
              aircompressor(new ZstdNativeCompressor(), new ZstdNativeDecompressor());
          default -> throw new IllegalArgumentException(codec);
        };
    body = Corpus.body(values);
    compressed = new byte[2 * body.length];
    target = new byte[2 * body.length];
    restored = new byte[body.length];
    compressedLength = used.compress(body, compressed);
    if (decompress() != body.length || !Arrays.equals(restored, body)) {
      throw new IllegalStateException(codec + " does not give back what it was given");
    }
    System.out.printf("%s, %s: %d -> %d bytes%n", values, codec, body.length, compressedLength);
  }

  private static Codec lz4(LZ4Factory factory) {
    return new Codec() {
      @Override
      public int compress(byte[] source, byte[] target) {
        return factory.fastCompressor().compress(source, 0, source.length, target, 0);
      }

      @Override
      public int decompress(byte[] source, int length, byte[] target) {
        return factory.safeDecompressor().decompress(source, 0, length, target, 0);
      }
    };
  }

  /** With contexts that are kept, which is how a thread of its own would use it. */
  private static Codec zstd(int level) {
    ZstdCompressCtx compressor = new ZstdCompressCtx().setLevel(level);
    ZstdDecompressCtx decompressor = new ZstdDecompressCtx();
    return new Codec() {
      @Override
      public int compress(byte[] source, byte[] target) {
        return compressor.compressByteArray(target, 0, target.length, source, 0, source.length);
      }

      @Override
      public int decompress(byte[] source, int length, byte[] target) {
        return decompressor.decompressByteArray(target, 0, target.length, source, 0, length);
      }
    };
  }

  private static Codec aircompressor(Compressor compressor, Decompressor decompressor) {
    return new Codec() {
      @Override
      public int compress(byte[] source, byte[] target) {
        return compressor.compress(source, 0, source.length, target, 0, target.length);
      }

      @Override
      public int decompress(byte[] source, int length, byte[] target) {
        return decompressor.decompress(source, 0, length, target, 0, target.length);
      }
    };
  }

  /** Compresses one body. */
  @Benchmark
  public int compress() {
    return used.compress(body, target);
  }

  /** Decompresses it. */
  @Benchmark
  public int decompress() {
    return used.decompress(compressed, compressedLength, restored);
  }
}
