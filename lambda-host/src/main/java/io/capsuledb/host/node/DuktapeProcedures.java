package io.capsuledb.host.node;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.enclave.script.HostFunctions;
import io.capsuledb.enclave.script.ScriptCall;
import io.capsuledb.enclave.script.ScriptCancellation;
import io.capsuledb.enclave.script.ScriptEngine;
import io.capsuledb.enclave.script.ScriptEngineOptions;
import io.capsuledb.enclave.script.ScriptLibrary;
import io.capsuledb.enclave.script.ScriptLimits;
import io.capsuledb.enclave.script.ScriptOutcome;
import io.capsuledb.enclave.script.ScriptSource;
import io.capsuledb.enclave.script.ScriptValue;
import io.capsuledb.scl.procedure.ProcedureCall;
import io.capsuledb.scl.procedure.ProcedureEngine;
import io.capsuledb.scl.procedure.ProcedureFunction;
import io.capsuledb.scl.procedure.ProcedureHost;
import io.capsuledb.scl.procedure.ProcedureLibrary;
import io.capsuledb.scl.procedure.ProcedureOutcome;
import io.capsuledb.scl.procedure.ProcedureValue;
import java.util.LinkedHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The script engine, as the server asks for it. Keys and arguments of a call are strings where they
 * are UTF-8 and {@code Uint8Array}s where they are not. Thread-safe.
 */
final class DuktapeProcedures implements ProcedureEngine {

  /** Most a function may run, in milliseconds, of CPU time and of time. */
  private static final long MAX_CALL_MS = 5_000;

  private final ScriptEngine engine;

  private DuktapeProcedures(ScriptEngine engine) {
    this.engine = engine;
  }

  /** The engine; one that says why it runs nothing, where there is none. */
  static ProcedureEngine open(Clock clock, Entropy entropy) {
    String reason = ScriptEngine.unavailable();
    return reason != null
        ? ProcedureEngine.off(reason)
        : new DuktapeProcedures(ScriptEngine.open(ScriptEngineOptions.defaults(), clock, entropy));
  }

  @Override
  public @Nullable String unavailable() {
    return null;
  }

  @Override
  public ProcedureLibrary load(String name, String source) {
    ScriptLimits limits = ScriptLimits.builder().cpuMs(MAX_CALL_MS).wallMs(MAX_CALL_MS).build();
    return new Library(engine.load(new ScriptSource(name, source), limits).orThrow());
  }

  /** A library of the engine. */
  private record Library(ScriptLibrary scripts) implements ProcedureLibrary {

    @Override
    public List<ProcedureFunction> functions() {
      return scripts.functions().stream()
          .map(
              function ->
                  new ProcedureFunction(
                      function.name(), function.noWrites(), function.description()))
          .toList();
    }

    @Override
    public ProcedureCall call(
        String function, boolean readOnly, List<byte[]> keys, List<byte[]> arguments) {
      ScriptCancellation cancellation = new ScriptCancellation();
      ScriptCall how = new ScriptCall(readOnly, null, cancellation);
      return new ProcedureCall() {
        @Override
        public ProcedureOutcome run(ProcedureHost host) {
          return outcome(scripts.call(function, keys, arguments, new Host(host), how));
        }

        @Override
        public @Nullable ProcedureOutcome tryRun(ProcedureHost host) {
          ScriptOutcome outcome = scripts.tryCall(function, keys, arguments, new Host(host), how);
          return outcome == null ? null : outcome(outcome);
        }

        @Override
        public void cancel() {
          cancellation.cancel();
        }
      };
    }

    @Override
    public void close() {
      scripts.close();
    }
  }

  private static ProcedureOutcome outcome(ScriptOutcome outcome) {
    return switch (outcome) {
      case ScriptOutcome.Ok(ScriptValue value) -> new ProcedureOutcome.Returned(value(value));
      case ScriptOutcome.Cancelled _ -> new ProcedureOutcome.Cancelled();
      case ScriptOutcome.Threw threw ->
          new ProcedureOutcome.Failed(
              threw.describe(),
              threw.error().cause() instanceof CapsuleException cause
                      && !(cause instanceof UnavailableException)
                  ? cause
                  : null);
      case ScriptOutcome.TimedOut _,
          ScriptOutcome.OutOfMemory _,
          ScriptOutcome.LimitExceeded _,
          ScriptOutcome.EngineFailed _ ->
          new ProcedureOutcome.Failed(outcome.describe(), null);
    };
  }

  private static ProcedureValue value(ScriptValue value) {
    return switch (value) {
      case ScriptValue.Undefined _, ScriptValue.Null _ -> new ProcedureValue.Nothing();
      case ScriptValue.Bool(boolean truth) -> new ProcedureValue.Bool(truth);
      case ScriptValue.Num(double number) -> new ProcedureValue.Num(number);
      case ScriptValue.Text(String text) -> new ProcedureValue.Text(text);
      case ScriptValue.Bytes bytes -> new ProcedureValue.Bytes(bytes.toBytes());
      case ScriptValue.Items(List<ScriptValue> values) ->
          new ProcedureValue.Items(values.stream().map(DuktapeProcedures::value).toList());
      case ScriptValue.Fields(var fields) -> {
        LinkedHashMap<String, ProcedureValue> converted = new LinkedHashMap<>();
        fields.forEach((name, field) -> converted.put(name, value(field)));
        yield new ProcedureValue.Fields(converted);
      }
    };
  }

  /** What scripts ask, passed on. */
  private record Host(ProcedureHost host) implements HostFunctions {

    @Override
    public byte @Nullable [] get(byte[] key) {
      return host.get(key);
    }

    @Override
    public void put(byte[] key, byte[] value, long ttlMs) {
      host.put(key, value, ttlMs);
    }

    @Override
    public boolean del(byte[] key) {
      return host.del(key);
    }

    @Override
    public boolean exists(byte[] key) {
      return host.exists(key);
    }

    @Override
    public List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit) {
      return host.scan(prefix, after, limit).stream()
          .map(entry -> new Entry(entry.key(), entry.value()))
          .toList();
    }

    @Override
    public long incr(byte[] key, long by) {
      return host.incr(key, by);
    }

    @Override
    public boolean cas(byte[] key, byte @Nullable [] expected, byte @Nullable [] replacement) {
      return host.cas(key, expected, replacement);
    }

    @Override
    public byte @Nullable [] merge(byte[] key, String operator, byte[] operand) {
      return host.merge(key, operator, operand);
    }

    @Override
    public void lock(byte[] key) {
      host.lock(key);
    }

    @Override
    public void begin() {
      host.begin();
    }

    @Override
    public void commit() {
      host.commit();
    }

    @Override
    public void rollback() {
      host.rollback();
    }

    @Override
    public void log(String line) {
      host.log(line);
    }
  }
}
