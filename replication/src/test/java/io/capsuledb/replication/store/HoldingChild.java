package io.capsuledb.replication.store;

import io.capsuledb.core.error.CapsuleException;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/** A process that has a store open until it is killed. */
final class HoldingChild {

  private HoldingChild() {}

  /** Arguments: directory, and "hold" to write or "read" only to read. */
  public static void main(String[] arguments) throws InterruptedException {
    Path directory = Path.of(arguments[0]);
    try (RocksStorage _ =
        arguments[1].equals("hold")
            ? RocksStorage.open(directory, RocksMedium.SMALL)
            : RocksStorage.openReadOnly(directory, RocksMedium.SMALL)) {
      System.out.println("open");
      System.out.flush();
      new CountDownLatch(1).await();
    } catch (CapsuleException e) {
      System.out.println(e);
    }
  }
}
