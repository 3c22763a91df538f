package io.capsuledb.host.metrics;

import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Telemetry;
import io.prometheus.metrics.core.datapoints.CounterDataPoint;
import io.prometheus.metrics.core.datapoints.DistributionDataPoint;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.instrumentation.jvm.JvmMetrics;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;

/**
 * Counts and measures for Prometheus. Every series exists from the beginning, so that a rate can be
 * taken over the first event. Names begin with {@code capsule_} and end with their unit.
 *
 * <p>Thread-safe; reporting takes no lock and looks nothing up.
 */
public final class PrometheusTelemetry implements Telemetry {

  /** Upper bounds for times, in seconds: from 10 µs to 10 s. */
  private static final double[] SECONDS = {
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5,
    1, 2.5, 5, 10
  };

  /** Upper bounds for numbers of operations. */
  private static final double[] OPERATIONS = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384
  };

  /** Upper bounds for sizes, in bytes: from 64 B to 32 MiB. */
  private static final double[] BYTES = {
    64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 33554432
  };

  private final PrometheusRegistry registry = new PrometheusRegistry();
  private final Map<Counter, CounterDataPoint> counters = new EnumMap<>(Counter.class);
  private final Map<Distribution, DistributionDataPoint> distributions =
      new EnumMap<>(Distribution.class);
  private final Map<Rejection.Reason, CounterDataPoint> rejections =
      new EnumMap<>(Rejection.Reason.class);

  /** Metrics of a node, those of its JVM included. */
  public PrometheusTelemetry() {
    for (Counter counter : Counter.values()) {
      counters.put(
          counter,
          io.prometheus.metrics.core.metrics.Counter.builder()
              .name("capsule_" + name(counter) + "_total")
              .help(help(counter))
              .withoutExemplars()
              .register(registry));
    }
    for (Distribution distribution : Distribution.values()) {
      distributions.put(
          distribution,
          Histogram.builder()
              .name("capsule_" + distribution.name().toLowerCase(Locale.ROOT))
              .help(help(distribution))
              .classicOnly()
              .classicUpperBounds(bounds(distribution))
              .withoutExemplars()
              .register(registry));
    }
    io.prometheus.metrics.core.metrics.Counter rejected =
        io.prometheus.metrics.core.metrics.Counter.builder()
            .name("capsule_rejections_total")
            .help("Untrusted bytes that were rejected, by reason.")
            .labelNames("reason")
            .withoutExemplars()
            .register(registry);
    for (Rejection.Reason reason : Rejection.Reason.values()) {
      rejections.put(reason, rejected.labelValues(reason.name().toLowerCase(Locale.ROOT)));
    }
    JvmMetrics.builder().register(registry);
  }

  /** What is served. */
  PrometheusRegistry registry() {
    return registry;
  }

  /**
   * Adds a value that is asked for at each scrape.
   *
   * @param name without the prefix, with its unit at the end
   * @param help one sentence
   * @param value cheap and thread-safe
   */
  public void gauge(String name, String help, DoubleSupplier value) {
    GaugeWithCallback.builder()
        .name("capsule_" + name)
        .help(help)
        .callback(callback -> callback.call(value.getAsDouble()))
        .register(registry);
  }

  /**
   * Adds values that are told apart by a label and asked for at each scrape.
   *
   * @param name without the prefix, with its unit at the end
   * @param values has each of them told to its argument
   */
  public void gauge(String name, String help, String label, Consumer<LabelledValues> values) {
    GaugeWithCallback.builder()
        .name("capsule_" + name)
        .help(help)
        .labelNames(label)
        .callback(callback -> values.accept((text, value) -> callback.call(value, text)))
        .register(registry);
  }

  /** Takes one value of a metric with a label. */
  @FunctionalInterface
  public interface LabelledValues {
    /** Says what the value is where the label is {@code labelValue}. */
    void accept(String labelValue, double value);
  }

  /**
   * Adds counts that are kept elsewhere, told apart by a label and asked for at each scrape.
   *
   * @param name without the prefix and without {@code _total}
   * @param values has each of them told to its argument
   */
  public void counter(String name, String help, String label, Consumer<LabelledValues> values) {
    CounterWithCallback.builder()
        .name("capsule_" + name + "_total")
        .help(help)
        .labelNames(label)
        .callback(callback -> values.accept((text, value) -> callback.call(value, text)))
        .register(registry);
  }

  @Override
  public void count(Counter counter, long amount) {
    point(counters, counter).inc(amount);
  }

  @Override
  public void observe(Distribution distribution, double value) {
    point(distributions, distribution).observe(value);
  }

  @Override
  public void rejected(Rejection.Reason reason) {
    point(rejections, reason).inc();
  }

  private static <K extends Enum<K>, V> V point(Map<K, V> points, K key) {
    V point = points.get(key);
    if (point == null) {
      throw new AssertionError("the constructor made a series for every constant");
    }
    return point;
  }

  private static String name(Counter counter) {
    return switch (counter) {
      case BYTES_SEALED -> "sealed_bytes";
      case BYTES_IN -> "received_bytes";
      case BYTES_OUT -> "sent_bytes";
      case COMPACTION_BYTES_READ -> "compaction_read_bytes";
      case COMPACTION_BYTES_WRITTEN -> "compaction_written_bytes";
      default -> counter.name().toLowerCase(Locale.ROOT);
    };
  }

  private static String help(Counter counter) {
    return switch (counter) {
      case OPERATIONS_WRITTEN -> "Operations committed: keys put or deleted.";
      case RECORDS_SEALED -> "Records encrypted and signed.";
      case RECORDS_DURABLE -> "Records that the store holds on stable storage.";
      case BYTES_SEALED -> "Bytes of encoded records, encrypted and signed.";
      case RECORDS_REPLAYED -> "Records read and verified when the node opened.";
      case KEYS_EXPIRED -> "Keys that compaction dropped because their time had come.";
      case MEMTABLES_FLUSHED -> "Memtables written to tables.";
      case COMPACTIONS -> "Merges of tables that ended.";
      case COMPACTION_BYTES_READ -> "Bytes of blocks that compaction read.";
      case COMPACTION_BYTES_WRITTEN -> "Bytes of blocks that compaction wrote.";
      case BLOCKS_READ -> "Blocks read from the store, their hashes checked.";
      case BLOCK_CACHE_HITS -> "Blocks found in memory.";
      case CONNECTIONS_ACCEPTED -> "Client connections accepted.";
      case CONNECTIONS_REFUSED -> "Client connections refused or cut off at a bound.";
      case COMMANDS_FAILED -> "Commands answered with an error.";
      case AUTHENTICATIONS_FAILED -> "Wrong passwords.";
      case BYTES_IN -> "Bytes received from clients.";
      case BYTES_OUT -> "Bytes sent to clients.";
    };
  }

  private static String help(Distribution distribution) {
    return switch (distribution) {
      case BATCH_OPERATIONS -> "Operations that share one record.";
      case BATCH_BYTES -> "Bytes that share one durable write of the store.";
      case SEAL_SECONDS -> "Time to encrypt and sign a record.";
      case STORE_SYNC_SECONDS -> "Time the store takes to make a batch durable.";
      case FLUSH_SECONDS -> "Time to write a memtable to tables.";
      case WRITE_DELAY_SECONDS -> "Time a write waited for flush and compaction.";
      case COMMIT_SECONDS -> "Time from commit to durability.";
      case READ_COMMAND_SECONDS -> "Time from a read command's last byte to its reply.";
      case WRITE_COMMAND_SECONDS -> "Time from a write command's last byte to its reply.";
    };
  }

  private static double[] bounds(Distribution distribution) {
    return switch (distribution) {
      case BATCH_OPERATIONS -> OPERATIONS;
      case BATCH_BYTES -> BYTES;
      case SEAL_SECONDS,
          STORE_SYNC_SECONDS,
          COMMIT_SECONDS,
          FLUSH_SECONDS,
          WRITE_DELAY_SECONDS,
          READ_COMMAND_SECONDS,
          WRITE_COMMAND_SECONDS ->
          SECONDS;
    };
  }

  /** All metrics, in Prometheus' text format. Thread-safe. */
  public byte[] text() {
    ByteArrayOutputStream text = new ByteArrayOutputStream(64 << 10);
    try {
      PrometheusTextFormatWriter.create().write(text, registry().scrape());
    } catch (IOException e) {
      throw new UncheckedIOException("memory cannot be written to", e);
    }
    return text.toByteArray();
  }
}
