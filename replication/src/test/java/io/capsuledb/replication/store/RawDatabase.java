package io.capsuledb.replication.store;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.DBOptions;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;

/** The database below the store's checks: what somebody does who has the disk in hand. */
final class RawDatabase implements AutoCloseable {

  private final List<String> families;
  private final DBOptions options = new DBOptions();
  private final List<ColumnFamilyHandle> handles = new ArrayList<>();
  private final RocksDB db;

  /** A key and its value. */
  record Entry(String family, List<Byte> keyBytes, List<Byte> valueBytes) {
    byte[] key() {
      return bytes(keyBytes);
    }

    byte[] value() {
      return bytes(valueBytes);
    }

    private static byte[] bytes(List<Byte> list) {
      byte[] bytes = new byte[list.size()];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = list.get(i);
      }
      return bytes;
    }
  }

  private RawDatabase(Path directory) throws RocksDBException {
    try (Options plain = new Options()) {
      families =
          RocksDB.listColumnFamilies(plain, directory.toString()).stream()
              .map(name -> new String(name, StandardCharsets.US_ASCII))
              .toList();
    }
    List<ColumnFamilyDescriptor> descriptors =
        families.stream()
            .map(name -> new ColumnFamilyDescriptor(name.getBytes(StandardCharsets.US_ASCII)))
            .toList();
    db = RocksDB.open(options, directory.toString(), descriptors, handles);
  }

  static RawDatabase open(Path directory) throws RocksDBException {
    RocksLibrary.load(null);
    return new RawDatabase(directory);
  }

  /** Makes a RocksDB database that is not a store. */
  static void createForeign(Path directory) throws Exception {
    RocksLibrary.load(null);
    Files.createDirectories(directory);
    try (Options options = new Options().setCreateIfMissing(true);
        RocksDB db = RocksDB.open(options, directory.toString())) {
      db.put(new byte[] {1}, new byte[] {2});
    }
  }

  private ColumnFamilyHandle handle(String family) {
    return handles.get(families.indexOf(family));
  }

  List<Entry> entries() {
    List<Entry> entries = new ArrayList<>();
    for (String family : families) {
      try (RocksIterator iterator = db.newIterator(handle(family))) {
        for (iterator.seekToFirst(); iterator.isValid(); iterator.next()) {
          entries.add(new Entry(family, boxed(iterator.key()), boxed(iterator.value())));
        }
      }
    }
    return entries;
  }

  private static List<Byte> boxed(byte[] bytes) {
    List<Byte> list = new ArrayList<>();
    for (byte b : bytes) {
      list.add(b);
    }
    return list;
  }

  void put(Entry entry, byte[] value) throws RocksDBException {
    put(entry.family(), entry.key(), value);
  }

  void put(String family, byte[] key, byte[] value) throws RocksDBException {
    db.put(handle(family), key, value);
  }

  void delete(String family, byte[] key) throws RocksDBException {
    db.delete(handle(family), key);
  }

  @Override
  public void close() {
    handles.forEach(ColumnFamilyHandle::close);
    db.close();
    options.close();
  }
}
