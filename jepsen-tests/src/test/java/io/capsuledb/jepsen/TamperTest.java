package io.capsuledb.jepsen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsulePorts;
import io.capsuledb.engine.CapsuleVerifier;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.DBOptions;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksIterator;

/**
 * A host that can write to the store flips one byte of one value: offline verification names the
 * record, and the engine refuses to open.
 */
class TamperTest {

  /** Exit code of {@code capsule verify}. */
  private static final int VERIFY_FOUND_DAMAGE = 4;

  @TempDir Path directory;

  private final KeyTree owner = owner();
  private Path data;
  private byte[] name;

  private static KeyTree owner() {
    byte[] seed = new byte[64];
    new SimEntropy(5).fill(seed);
    return KeyTree.fromSeed(SecretBytes.own(seed));
  }

  @BeforeEach
  void makeACapsuleOfTwoChains() {
    data = directory.resolve("store");
    byte[] signed = NewCapsule.sign(owner, 0, List.of(), 0, new SimEntropy(6));
    name = MetadataCodec.nameOf(signed).toBytes();
    try (RocksStorage storage = RocksStorage.open(data, RocksStorageOptions.defaults())) {
      RecordStore store = storage.capsule(name);
      store.initialize(signed);
      for (int start = 0; start < 2; start++) {
        try (CapsuleDb db = open(store)) {
          for (int i = 0; i < 8; i++) {
            put(db, "key" + i, "value " + start + i);
          }
        }
      }
    }
  }

  private static void put(CapsuleDb db, String key, String value) {
    long fence;
    try (Transaction txn = db.begin()) {
      txn.put(bytes(key), ValueType.STRING, bytes(value), 0);
      fence = txn.commit();
    }
    db.whenDurable(fence).toCompletableFuture().join();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private CapsuleDb open(RecordStore store) {
    return CapsuleDb.open(
        CapsuleDbOptions.builder().memtableBytes(8 << 20).build(),
        new CapsulePorts(
            store,
            new SystemClock(),
            new SimEntropy(System.nanoTime()),
            new ThreadScheduler(),
            Telemetry.NONE),
        owner.application(0, 0),
        records -> {});
  }

  /** A place in the store: a column family and a key. */
  private static final class Place {
    final byte[] family;
    final byte[] key;
    final byte[] value;

    Place(byte[] family, byte[] key, byte[] value) {
      this.family = family;
      this.key = key;
      this.value = value;
    }
  }

  @Test
  void anyFlippedByteIsFoundNamedAndRefused() throws Exception {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    List<Place> places = new ArrayList<>();
    raw(data, (family, handle, db) -> places.addAll(all(family, handle, db)));
    assertThat(places).hasSizeGreaterThan(30);
    for (int i = 0; i < places.size(); i++) {
      Place place = places.get(i);
      Path copy = directory.resolve("copy" + i);
      copy(data, copy);
      byte[] flipped = place.value.clone();
      int at = random.nextInt(flipped.length);
      flipped[at] ^= (byte) (1 << random.nextInt(8));
      raw(
          copy,
          (family, handle, db) -> {
            if (java.util.Arrays.equals(family, place.family)) {
              db.put(handle, place.key, flipped);
            }
          });
      String context =
          "seed "
              + seed
              + ": byte "
              + at
              + " of a value in "
              + new String(place.family, StandardCharsets.UTF_8);
      checkFound(copy, context);
    }
  }

  private void checkFound(Path copy, String context) {
    try {
      RocksStorage.openReadOnly(copy, RocksStorageOptions.defaults()).close();
    } catch (IntegrityException formatDamaged) {
      // What the store says of itself is damaged: neither verification nor service begins.
      assertThatThrownBy(() -> RocksStorage.open(copy, RocksStorageOptions.defaults()))
          .as(context)
          .isInstanceOf(IntegrityException.class);
      return;
    }
    try (RocksStorage storage = RocksStorage.openReadOnly(copy, RocksStorageOptions.defaults())) {
      CapsuleVerifier.Report report =
          new CapsuleVerifier(storage.capsule(name), Secp256k1.best(), null, (records, total) -> {})
              .verify(new CapsuleName(Hash32.of(name)), List.of());
      assertThat(report.clean()).as(context).isFalse();
      assertThat(report.problems().getFirst().toString())
          .as(context)
          .containsPattern("record [0-9a-f]+/[0-9]+|metadata|[0-9a-f]{64}");
    }
    try (RocksStorage storage = RocksStorage.open(copy, RocksStorageOptions.defaults())) {
      assertThatThrownBy(() -> open(storage.capsule(name)).close())
          .as(context)
          .isInstanceOf(IntegrityException.class);
    }
  }

  @Test
  void aDamagedBlockIsAnErrorOfTheReadsThatNeedIt() throws Exception {
    Path served = directory.resolve("served");
    Path log = directory.resolve("log");
    int keys = 400;
    Random random = new Random(7);
    try (ServerProcess server = ServerProcess.start(served, log, List.of())) {
      try (RespClient client = server.connect()) {
        for (int i = 0; i < keys; i++) {
          // Random, so that compression does not make one block of them all.
          byte[] value = new byte[100];
          random.nextBytes(value);
          assertThat(client.query(bytes("SET"), bytes("key" + i), value))
              .isInstanceOf(Reply.Text.class);
        }
        assertThat(client.query(bytes("CAPSULE.FLUSH"))).isInstanceOf(Reply.Text.class);
      }
      assertThat(server.stop()).isZero();
    }
    damageLargest(served.resolve("store"));
    try (ServerProcess server = ServerProcess.start(served, log, List.of())) {
      try (RespClient client = server.connect()) {
        int damaged = 0;
        for (int i = 0; i < keys; i++) {
          client.send(bytes("GET"), bytes("key" + i));
          client.flush();
          Reply reply = client.receive();
          if (reply instanceof Reply.Failure(String message)) {
            assertThat(message).startsWith("INTEGRITY ");
            damaged++;
          } else {
            assertThat(reply).isInstanceOf(Reply.Bulk.class);
          }
        }
        assertThat(damaged).isBetween(1, keys - 1);
        assertThat(client.query(bytes("SET"), bytes("more"), bytes("1")))
            .isInstanceOf(Reply.Text.class);
      }
      assertThat(server.stop()).isZero();
    }
    assertThat(ServerProcess.run("verify", served.toString()).exitCode())
        .isEqualTo(VERIFY_FOUND_DAMAGE);
  }

  /** Where nothing that was flushed can be read, the server runs, says so and takes writes. */
  @Test
  void aServerOfWhichEveryBlockIsDamagedStillStarts() throws Exception {
    Path served = directory.resolve("served");
    Path log = directory.resolve("log");
    try (ServerProcess server = ServerProcess.start(served, log, List.of())) {
      try (RespClient client = server.connect()) {
        Random random = new Random(7);
        for (int i = 0; i < 200; i++) {
          byte[] value = new byte[100];
          random.nextBytes(value);
          assertThat(client.query(bytes("SET"), bytes("key" + i), value))
              .isInstanceOf(Reply.Text.class);
        }
        assertThat(client.query(bytes("CAPSULE.FLUSH"))).isInstanceOf(Reply.Text.class);
      }
      assertThat(server.stop()).isZero();
    }
    damage(served.resolve("store"), place -> place.value.length > 4 << 10);
    try (ServerProcess server = ServerProcess.start(served, log, List.of())) {
      try (RespClient client = server.connect()) {
        for (String[] command :
            new String[][] {
              {"GET", "key0"}, {"FCALL", "f", "0"}, {"FUNCTION", "LIST"}, {"GET", "key199"}
            }) {
          client.send(
              java.util.Arrays.stream(command).map(TamperTest::bytes).toArray(byte[][]::new));
          client.flush();
          assertThat(client.receive())
              .as(String.join(" ", command))
              .isInstanceOfSatisfying(
                  Reply.Failure.class,
                  failure -> assertThat(failure.message()).startsWith("INTEGRITY "));
        }
        assertThat(client.query(bytes("SET"), bytes("more"), bytes("1")))
            .isInstanceOf(Reply.Text.class);
      }
      assertThat(server.stop()).isZero();
    }
  }

  /**
   * Flips a byte of the largest value: records of single writes are smaller than any full block.
   */
  private static void damageLargest(Path store) throws Exception {
    List<Place> places = new ArrayList<>();
    raw(store, (family, handle, db) -> places.addAll(all(family, handle, db)));
    int largest = places.stream().mapToInt(place -> place.value.length).max().orElseThrow();
    assertThat(largest).isGreaterThan(4 << 10);
    boolean[] done = {false};
    damage(
        store,
        place -> {
          boolean first = !done[0] && place.value.length == largest;
          done[0] |= first;
          return first;
        });
  }

  /** Flips a byte of each value that is chosen. */
  private static void damage(Path store, Predicate<Place> chosen) throws Exception {
    raw(
        store,
        (family, handle, db) -> {
          for (Place place : all(family, handle, db)) {
            if (chosen.test(place)) {
              byte[] flipped = place.value.clone();
              flipped[flipped.length / 2] ^= 1;
              db.put(handle, place.key, flipped);
            }
          }
        });
  }

  private interface RawAccess {
    void visit(byte[] family, ColumnFamilyHandle handle, RocksDB db) throws Exception;
  }

  /** Opens the directory with the database's own interface, behind CapsuleDB's back. */
  private static void raw(Path directory, RawAccess access) throws Exception {
    RocksDB.loadLibrary();
    List<ColumnFamilyDescriptor> families = new ArrayList<>();
    try (Options options = new Options()) {
      for (byte[] family : RocksDB.listColumnFamilies(options, directory.toString())) {
        families.add(new ColumnFamilyDescriptor(family));
      }
    }
    List<ColumnFamilyHandle> handles = new ArrayList<>();
    try (DBOptions options = new DBOptions();
        RocksDB db = RocksDB.open(options, directory.toString(), families, handles)) {
      for (int i = 0; i < handles.size(); i++) {
        access.visit(families.get(i).getName(), handles.get(i), db);
      }
      handles.forEach(ColumnFamilyHandle::close);
    }
  }

  private static List<Place> all(byte[] family, ColumnFamilyHandle handle, RocksDB db) {
    List<Place> places = new ArrayList<>();
    try (RocksIterator iterator = db.newIterator(handle)) {
      for (iterator.seekToFirst(); iterator.isValid(); iterator.next()) {
        places.add(new Place(family, iterator.key(), iterator.value()));
      }
    }
    return places;
  }

  private static void copy(Path from, Path to) throws Exception {
    Files.createDirectory(to);
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        Files.createDirectories(target.getParent());
        Files.copy(file, target);
      }
    }
  }
}
