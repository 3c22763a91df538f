package io.capsuledb.jepsen.system;

import io.capsuledb.jepsen.nemesis.Fault;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Two states of a network, or of disks, by turns. */
final class FlappingFault implements Fault {

  private final String description;
  private final int periodMs;
  private final Faults.Step cut;
  private final Faults.Step heal;
  private final CountDownLatch over = new CountDownLatch(1);
  private @Nullable Thread thread;
  private volatile @Nullable IOException failure;

  FlappingFault(String description, int periodMs, Faults.Step cut, Faults.Step heal) {
    this.description = description;
    this.periodMs = periodMs;
    this.cut = cut;
    this.heal = heal;
  }

  @Override
  public String describe() {
    return description;
  }

  @Override
  public boolean stopsService() {
    return false;
  }

  @Override
  public void begin() {
    thread = Thread.ofPlatform().name("flap").start(this::flap);
  }

  private void flap() {
    try {
      do {
        cut.run();
        if (over.await(periodMs, TimeUnit.MILLISECONDS)) {
          return;
        }
        heal.run();
      } while (!over.await(periodMs, TimeUnit.MILLISECONDS));
    } catch (IOException e) {
      failure = e;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void end() throws IOException {
    over.countDown();
    Thread flapping = thread;
    if (flapping != null) {
      try {
        flapping.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
    heal.run();
    IOException failed = failure;
    if (failed != null) {
      throw failed;
    }
  }
}
