package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.scl.procedure.ProcedureCall;
import io.capsuledb.scl.procedure.ProcedureEngine;
import io.capsuledb.scl.procedure.ProcedureFunction;
import io.capsuledb.scl.procedure.ProcedureHost;
import io.capsuledb.scl.procedure.ProcedureLibrary;
import io.capsuledb.scl.procedure.ProcedureOutcome;
import io.capsuledb.scl.procedure.ProcedureValue;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Runs procedures that are written in Java: a library's source names one of them, which it
 * registers. So tests can stop in the middle of a run.
 */
record JavaProcedures(Map<String, Body> bodies) implements ProcedureEngine {

  /** What a function does. */
  @FunctionalInterface
  interface Body {
    ProcedureValue run(ProcedureHost host, List<byte[]> keys) throws InterruptedException;
  }

  @Override
  public @Nullable String unavailable() {
    return null;
  }

  @Override
  public ProcedureLibrary load(String name, String source) {
    String function = source.substring(source.indexOf('\n') + 1).strip();
    Body body = bodies.get(function);
    if (body == null) {
      throw new io.capsuledb.core.error.InvalidRequestException("there is no " + function);
    }
    return new ProcedureLibrary() {
      @Override
      public List<ProcedureFunction> functions() {
        return List.of(new ProcedureFunction(function, false, ""));
      }

      @Override
      public ProcedureCall call(
          String called, boolean readOnly, List<byte[]> keys, List<byte[]> arguments) {
        AtomicBoolean cancelled = new AtomicBoolean();
        return new ProcedureCall() {
          @Override
          public ProcedureOutcome run(ProcedureHost host) {
            try {
              ProcedureValue value = body.run(host, keys);
              return cancelled.get()
                  ? new ProcedureOutcome.Cancelled()
                  : new ProcedureOutcome.Returned(value);
            } catch (CapsuleException e) {
              return new ProcedureOutcome.Failed(String.valueOf(e.getMessage()), null);
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
              return new ProcedureOutcome.Cancelled();
            }
          }

          @Override
          public void cancel() {
            cancelled.set(true);
          }
        };
      }

      @Override
      public void close() {}
    };
  }
}
