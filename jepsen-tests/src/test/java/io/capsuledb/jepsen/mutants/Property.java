package io.capsuledb.jepsen.mutants;

import io.capsuledb.core.sim.Violation;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A property of the product's tests that can be run against a mutant: a method of a test class that
 * takes one seed, or nothing, and throws if something is wrong.
 *
 * @param name what it is called in the table
 * @param testClass binary name
 * @param method its name
 */
record Property(String name, String testClass, String method) {

  /**
   * Most of a processor's time for all seeds of a mutant. Simulations end by themselves, by their
   * budget of events: this is for code that is so broken that a single step does not end.
   */
  private static final long MAX_PROCESSOR_SECONDS = 120;

  private static final long LOOK_MS = 500;
  private static final long INTERRUPTED_MS = 5_000;

  /**
   * What a run came to.
   *
   * @param seeds how many were run
   * @param nanos how much of a processor that took
   * @param failure what the last one threw, or null
   */
  record Outcome(int seeds, long nanos, @Nullable Throwable failure) {

    boolean isCaught() {
      return failure != null;
    }

    /** What is broken: a property with a name, or what the test or the product asserts. */
    String broken() {
      if (failure == null) {
        return "";
      }
      String found = Violation.propertyOf(failure);
      return switch (found) {
        case "AssertionError", "AssertionFailedError", "ComparisonFailure" -> "the same";
        default -> found.endsWith("Exception") ? "assertion of the product: " + found : found;
      };
    }

    double seconds() {
      return nanos * 1e-9;
    }
  }

  /** Runs seeds until one fails. */
  Outcome run(MutantLoader loader, int firstSeed, int mostSeeds) {
    FutureTask<Outcome> task = new FutureTask<>(() -> attempt(loader, firstSeed, mostSeeds));
    Thread thread = new Thread(task, "mutant");
    thread.setDaemon(true);
    thread.setContextClassLoader(loader);
    thread.start();
    try {
      while (true) {
        try {
          return task.get(LOOK_MS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException notYet) {
          checkTime(thread);
        }
      }
    } catch (ExecutionException e) {
      throw new AssertionError(name + " could not be run: " + e.getCause(), e.getCause());
    } catch (InterruptedException e) {
      thread.interrupt();
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  /** Ends it if it has used too much: not by a clock, which goes on while others use processors. */
  private void checkTime(Thread thread) throws InterruptedException {
    long nanos = ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId());
    if (TimeUnit.NANOSECONDS.toSeconds(nanos) < MAX_PROCESSOR_SECONDS) {
      return;
    }
    StackTraceElement[] where = thread.getStackTrace();
    thread.interrupt();
    thread.join(INTERRUPTED_MS);
    AssertionError runsAway =
        new AssertionError(name + " did not end within " + MAX_PROCESSOR_SECONDS + " s of a CPU");
    runsAway.setStackTrace(where);
    throw runsAway;
  }

  private Outcome attempt(MutantLoader loader, int firstSeed, int mostSeeds)
      throws ReflectiveOperationException {
    Class<?> test = loader.loadClass(testClass);
    Method target =
        Arrays.stream(test.getDeclaredMethods())
            .filter(m -> m.getName().equals(method))
            .findFirst()
            .orElseThrow(
                () -> new PatchPointGoneException("no property " + method + " in " + test));
    MethodHandles.Lookup lookup = MethodHandles.privateLookupIn(test, MethodHandles.lookup());
    MethodHandle handle = lookup.unreflect(target);
    long begin = processorNanos();
    int seeds = 0;
    while (seeds < mostSeeds) {
      long seed = (long) firstSeed + seeds;
      seeds++;
      Object[] arguments = target.getParameterCount() == 0 ? new Object[0] : new Object[] {seed};
      try {
        if (Modifier.isStatic(target.getModifiers())) {
          handle.invokeWithArguments(arguments);
        } else {
          Constructor<?> constructor = test.getDeclaredConstructor();
          handle
              .bindTo(lookup.unreflectConstructor(constructor).invoke())
              .invokeWithArguments(arguments);
        }
      } catch (PatchPointGoneException gone) {
        throw gone;
      } catch (OutOfMemoryError runsAway) {
        // No property: a run has to end before.
        throw new AssertionError(name + " runs out of memory with seed " + seed, runsAway);
      } catch (Throwable failure) {
        return new Outcome(seeds, processorNanos() - begin, failure);
      }
      if (arguments.length == 0) {
        break;
      }
    }
    return new Outcome(seeds, processorNanos() - begin, null);
  }

  private static long processorNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }
}
