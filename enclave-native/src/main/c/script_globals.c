/*
 * The global names that scripts have beside the language's own. Natives keep nothing: what they need
 * they find from the engine's context.
 */
#include <string.h>

#include "duktape_hooks.h"
#include "script_internal.h"

static void write_arguments(duk_context *ctx, script_heap *heap, duk_idx_t count, uint32_t *length) {
  value_writer writer = {heap->exchange, heap->exchange, heap->exchange + heap->exchange_bytes,
                         SCRIPT_HOST_ARGUMENT_BYTES};
  if (count > SCRIPT_MAX_HOST_ARGUMENTS) {
    count = SCRIPT_MAX_HOST_ARGUMENTS;
  }
  value_write_count(ctx, &writer, 7, (uint32_t) count);
  for (duk_idx_t i = 0; i < count; i++) {
    value_write(ctx, i, &writer, 1);
  }
  *length = (uint32_t) (writer.next - writer.start);
}

static void note_use(script_heap *heap, size_t length) {
  if (length > heap->exchange_used) {
    heap->exchange_used = length;
  }
}

/*
 * Hands `length` bytes of the exchange to the host and pushes its answer, or throws what it failed
 * with. The window is closed meanwhile: Java frames are never jumped over.
 */
static void ask_host(duk_context *ctx, int operation, uint32_t length) {
  script_heap *heap = script_heap_of(ctx);
  if (heap->host == NULL || heap->loading) {
    (void) duk_error(ctx, DUK_ERR_ERROR, "a library cannot use the store while it is loaded");
  }
  if (heap->host_calls >= heap->limits.host_calls) {
    script_stop(heap, SCRIPT_HOST_CALLS);
  }
  heap->host_calls++;
  note_use(heap, length);
  heap->window = WINDOW_CLOSED;
  int32_t answer = heap->host(heap->host_context, operation, length);
  heap->window = WINDOW_OPEN;
  if (answer == HOST_ABORTED) {
    script_stop(heap, SCRIPT_HOST_ABORTED);
  }
  int reason = script_stop_reason(heap);
  if (reason != 0) {
    script_stop(heap, reason);
  }
  const uint8_t *from = heap->exchange;
  const uint8_t *end = heap->exchange + heap->exchange_bytes;
  if (answer >= 0) {
    note_use(heap, (size_t) answer);
    value_read(ctx, &from, end, 0);
    return;
  }
  /* Code, message, number. */
  if (value_read_array(ctx, &from, end) != 3) {
    (void) duk_type_error(ctx, "the host gave a malformed failure");
  }
  duk_push_error_object(ctx, DUK_ERR_ERROR, "%s", "");
  duk_push_string(ctx, "code");
  value_read(ctx, &from, end, 0);
  duk_def_prop(ctx, -3, DUK_DEFPROP_HAVE_VALUE | DUK_DEFPROP_SET_WEC);
  duk_push_string(ctx, "message");
  value_read(ctx, &from, end, 0);
  duk_def_prop(ctx, -3,
               DUK_DEFPROP_HAVE_VALUE | DUK_DEFPROP_SET_WC | DUK_DEFPROP_CLEAR_ENUMERABLE
                   | DUK_DEFPROP_FORCE);
  value_read(ctx, &from, end, 0);
  duk_put_prop_string(ctx, -2, DUK_HIDDEN_SYMBOL("host"));
  (void) duk_throw(ctx);
}

static duk_ret_t host_function(duk_context *ctx) {
  uint32_t length;
  write_arguments(ctx, script_heap_of(ctx), duk_get_top(ctx), &length);
  ask_host(ctx, duk_get_current_magic(ctx), length);
  return 1;
}

static void ask_without_arguments(duk_context *ctx, int operation) {
  uint32_t length;
  write_arguments(ctx, script_heap_of(ctx), 0, &length);
  ask_host(ctx, operation, length);
  duk_pop(ctx);
}

/* transaction(f): begin, f(), commit; or, if it throws, roll back. */
static duk_ret_t transaction(duk_context *ctx) {
  duk_require_function(ctx, 0);
  duk_set_top(ctx, 1);
  ask_without_arguments(ctx, HOST_BEGIN);
  if (duk_pcall(ctx, 0) != DUK_EXEC_SUCCESS) {
    ask_without_arguments(ctx, HOST_ROLLBACK);
    (void) duk_throw(ctx);
  }
  ask_without_arguments(ctx, HOST_COMMIT);
  return 1;
}

/* print, console.log, log: one line, arguments apart by a space. */
static duk_ret_t print(duk_context *ctx) {
  script_heap *heap = script_heap_of(ctx);
  duk_idx_t count = duk_get_top(ctx);
  for (duk_idx_t i = 0; i < count; i++) {
    if (duk_is_symbol(ctx, i)) {
      duk_push_string(ctx, "Symbol()");
      duk_replace(ctx, i);
    }
  }
  if (count == 0) {
    duk_push_string(ctx, "");
  } else {
    duk_push_string(ctx, " ");
    duk_insert(ctx, 0);
    duk_join(ctx, count);
  }
  value_writer writer = {heap->exchange, heap->exchange, heap->exchange + heap->exchange_bytes,
                         SCRIPT_HOST_ARGUMENT_BYTES};
  value_write_count(ctx, &writer, 7, 1);
  value_write_clipped(ctx, duk_get_top_index(ctx), &writer, heap->exchange_bytes - 16);
  ask_host(ctx, HOST_LOG, (uint32_t) (writer.next - writer.start));
  return 0;
}

static duk_ret_t now(duk_context *ctx) {
  duk_push_number(ctx, capsule_now_ms());
  return 1;
}

/* random(): a number in [0, 1) as Math.random; random(n): n bytes that nobody can predict. */
static duk_ret_t random_value(duk_context *ctx) {
  if (duk_is_undefined(ctx, 0)) {
    duk_push_number(ctx, capsule_random(script_heap_of(ctx)));
    return 1;
  }
  uint32_t length;
  write_arguments(ctx, script_heap_of(ctx), 1, &length);
  ask_host(ctx, HOST_RANDOM, length);
  return 1;
}

/* text(bytes): the string that these are in UTF-8. */
static duk_ret_t text(duk_context *ctx) {
  script_heap *heap = script_heap_of(ctx);
  if (duk_is_string(ctx, 0) && !duk_is_symbol(ctx, 0)) {
    duk_set_top(ctx, 1);
    return 1;
  }
  duk_size_t length;
  const uint8_t *bytes = duk_require_buffer_data(ctx, 0, &length);
  /* As the host would have given it: checked, and turned into the engine's own form. */
  if (length > heap->exchange_bytes - 8) {
    (void) duk_range_error(ctx, "too long for a text");
  }
  heap->exchange[0] = 5;
  uint32_t length32 = (uint32_t) length;
  memcpy(heap->exchange + 1, &length32, 4);
  if (length > 0) {
    memcpy(heap->exchange + 5, bytes, length);
  }
  note_use(heap, length + 5);
  const uint8_t *from = heap->exchange;
  value_read(ctx, &from, heap->exchange + 5 + length, 0);
  return 1;
}

/* bytes(string): its UTF-8. */
static duk_ret_t bytes(duk_context *ctx) {
  script_heap *heap = script_heap_of(ctx);
  if (!duk_is_string(ctx, 0) || duk_is_symbol(ctx, 0)) {
    (void) duk_type_error(ctx, "bytes takes a string");
  }
  value_writer writer = {heap->exchange, heap->exchange, heap->exchange + heap->exchange_bytes,
                         SCRIPT_HOST_ARGUMENT_BYTES};
  value_write(ctx, 0, &writer, 0);
  note_use(heap, (size_t) (writer.next - writer.start));
  heap->exchange[0] = 6;
  const uint8_t *from = heap->exchange;
  value_read(ctx, &from, writer.next, 0);
  return 1;
}

/* register_function(name, function, options): only while a library is loaded. */
static duk_ret_t register_function(duk_context *ctx) {
  script_heap *heap = script_heap_of(ctx);
  if (!heap->loading) {
    (void) duk_error(ctx, DUK_ERR_ERROR,
                     "register_function can be called only while the library is loaded");
  }
  if (!duk_is_string(ctx, 0) || duk_is_symbol(ctx, 0)) {
    (void) duk_type_error(ctx, "register_function takes a name, a function and options");
  }
  if (!duk_is_ecmascript_function(ctx, 1)) {
    (void) duk_type_error(ctx, "the second argument of register_function is not a function");
  }
  if (heap->function_count >= SCRIPT_MAX_FUNCTIONS) {
    (void) duk_range_error(ctx, "a library has at most %d functions", SCRIPT_MAX_FUNCTIONS);
  }
  duk_set_top(ctx, 3);
  heap->functions[heap->function_count] = duk_get_heapptr(ctx, 1);
  duk_push_global_stash(ctx);
  duk_get_prop_string(ctx, -1, "functions");
  duk_dup(ctx, 1);
  duk_put_prop_index(ctx, -2, heap->function_count);
  duk_pop(ctx);
  duk_get_prop_string(ctx, -1, "registrations");
  duk_push_array(ctx);
  duk_dup(ctx, 0);
  duk_put_prop_index(ctx, -2, 0);
  duk_dup(ctx, 2);
  duk_put_prop_index(ctx, -2, 1);
  duk_put_prop_index(ctx, -2, heap->function_count);
  heap->function_count++;
  return 0;
}

/* ---- The paper's names ---- */

/* psl_get(key): the value as text, null if there is none. */
static duk_ret_t psl_get(duk_context *ctx) {
  uint32_t length;
  duk_set_top(ctx, 1);
  duk_to_string(ctx, 0);
  duk_push_string(ctx, "text");
  write_arguments(ctx, script_heap_of(ctx), 2, &length);
  ask_host(ctx, HOST_GET, length);
  return 1;
}

/* psl_put(key, value): both as text. */
static duk_ret_t psl_put(duk_context *ctx) {
  uint32_t length;
  duk_set_top(ctx, 2);
  duk_to_string(ctx, 0);
  if (!duk_is_buffer_data(ctx, 1)) {
    duk_to_string(ctx, 1);
  }
  write_arguments(ctx, script_heap_of(ctx), 2, &length);
  ask_host(ctx, HOST_PUT, length);
  return 0;
}

/* psl_return(value): what the call answers, whatever it returns; the last one counts. */
static duk_ret_t psl_return(duk_context *ctx) {
  duk_set_top(ctx, 1);
  script_heap_of(ctx)->returned = 1;
  duk_push_global_stash(ctx);
  duk_insert(ctx, 0);
  duk_put_prop_string(ctx, 0, "returned");
  return 0;
}

/* Defines a native function as a property of the object on top; built-ins are not enumerable. */
static void define(duk_context *ctx, const char *name, duk_c_function function, duk_idx_t arguments,
                   int magic) {
  duk_push_string(ctx, name);
  duk_push_c_function(ctx, function, arguments);
  duk_set_magic(ctx, -1, magic);
  duk_push_string(ctx, "name");
  duk_push_string(ctx, name);
  duk_def_prop(ctx, -3, DUK_DEFPROP_HAVE_VALUE | DUK_DEFPROP_FORCE);
  duk_def_prop(ctx, -3,
               DUK_DEFPROP_HAVE_VALUE | DUK_DEFPROP_SET_WC | DUK_DEFPROP_CLEAR_ENUMERABLE);
}

static void delete_all(duk_context *ctx, const char *const *names) {
  for (; *names != NULL; names++) {
    duk_push_string(ctx, *names);
    duk_del_prop(ctx, -2);
  }
}

void script_define_globals(duk_context *ctx) {
  static const char *const engine_globals[] = {
      "Duktape", "performance", "CBOR", "TextEncoder", "TextDecoder", "Buffer", NULL};
  static const char *const plain_buffers[] = {"allocPlain", "plainOf", NULL};
  duk_push_global_object(ctx);
  delete_all(ctx, engine_globals);
  duk_get_prop_string(ctx, -1, "Uint8Array");
  delete_all(ctx, plain_buffers);
  duk_pop(ctx);

  define(ctx, "get", host_function, DUK_VARARGS, HOST_GET);
  define(ctx, "put", host_function, DUK_VARARGS, HOST_PUT);
  define(ctx, "del", host_function, DUK_VARARGS, HOST_DEL);
  define(ctx, "exists", host_function, DUK_VARARGS, HOST_EXISTS);
  define(ctx, "scan", host_function, DUK_VARARGS, HOST_SCAN);
  define(ctx, "incr", host_function, DUK_VARARGS, HOST_INCR);
  define(ctx, "cas", host_function, DUK_VARARGS, HOST_CAS);
  define(ctx, "merge", host_function, DUK_VARARGS, HOST_MERGE);
  define(ctx, "lock", host_function, DUK_VARARGS, HOST_LOCK);
  define(ctx, "transaction", transaction, 1, 0);
  define(ctx, "log", print, DUK_VARARGS, 0);
  define(ctx, "print", print, DUK_VARARGS, 0);
  define(ctx, "now", now, 0, 0);
  define(ctx, "random", random_value, 1, 0);
  define(ctx, "text", text, 1, 0);
  define(ctx, "bytes", bytes, 1, 0);
  define(ctx, "register_function", register_function, 3, 0);

  define(ctx, "psl_get", psl_get, 1, 0);
  define(ctx, "psl_put", psl_put, 2, 0);
  define(ctx, "psl_return", psl_return, 1, 0);
  define(ctx, "cdb_get", psl_get, 1, 0);
  define(ctx, "cdb_put", psl_put, 2, 0);

  duk_push_string(ctx, "console");
  duk_push_object(ctx);
  define(ctx, "log", print, DUK_VARARGS, 0);
  define(ctx, "info", print, DUK_VARARGS, 0);
  define(ctx, "warn", print, DUK_VARARGS, 0);
  define(ctx, "error", print, DUK_VARARGS, 0);
  duk_def_prop(ctx, -3,
               DUK_DEFPROP_HAVE_VALUE | DUK_DEFPROP_SET_WC | DUK_DEFPROP_CLEAR_ENUMERABLE);
  duk_pop(ctx);
}
