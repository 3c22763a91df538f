#include "script_heap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "duktape_hooks.h"
#include "script_internal.h"

/*
 * What stays free of a thread's stack: the JVM's guard zones lie at its end, a host function runs
 * Java code on what is left, and a signal needs its frame.
 */
#define STACK_RESERVE ((size_t) 288 * 1024)
/* Less than this is not worth starting with. */
#define STACK_NEEDED ((size_t) 64 * 1024)
/* Collections that may try to make room for one allocation. */
#define COLLECTIONS_FOR_ONE_ALLOCATION 3
/* CPU time that was asked for so long ago may be taken for what it is now, and the time since. */
#define CPU_KNOWN_NS INT64_C(1000000)
/* More than this is given back to the system after a run, less is wiped. */
#define WIPE_BYTES ((size_t) 1 << 20)
/* The engine's own start: no script runs in it. */
#define CREATE_CPU_NS INT64_C(10000000000)

_Thread_local uintptr_t capsule_stack_floor;
_Thread_local script_heap *capsule_current;

static _Thread_local pid_t this_thread;

/* CPU time of this thread, and when that was asked for. */
static _Thread_local int64_t cpu_known_ns;
static _Thread_local int64_t cpu_known_at_ns;

static size_t page_bytes(void) {
  return (size_t) sysconf(_SC_PAGESIZE);
}

static size_t whole_pages(size_t bytes) {
  size_t page = page_bytes();
  return (bytes + page - 1) / page * page;
}

/* Finds the stack of this thread, once. */
static int know_thread(void) {
  pthread_attr_t attributes;
  void *lowest = NULL;
  size_t bytes = 0;
  if (this_thread != 0) {
    return 1;
  }
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
    return 0;
  }
  int failed = pthread_attr_getstack(&attributes, &lowest, &bytes);
  pthread_attr_destroy(&attributes);
  if (failed != 0 || bytes <= STACK_RESERVE) {
    return 0;
  }
  capsule_stack_floor = (uintptr_t) lowest + STACK_RESERVE;
  this_thread = (pid_t) syscall(SYS_gettid);
  return 1;
}

/* ---- Stopping ---- */

int script_stop_reason(script_heap *heap) {
  uint64_t killed = atomic_load_explicit(&heap->killed, memory_order_relaxed);
  if (killed >> 8 == heap->generation) {
    return (int) (killed & 0xff);
  }
  return atomic_load_explicit(&heap->cancelled, memory_order_relaxed) != 0 ? SCRIPT_CANCELLED : 0;
}

void script_stop(script_heap *heap, int outcome) {
  heap->window = WINDOW_CLOSED;
  heap->outcome = outcome;
  _longjmp(heap->boundary, 1);
}

void capsule_poll(void) {
  script_heap *heap = capsule_current;
  if (heap != NULL && heap->window == WINDOW_OPEN) {
    int reason = script_stop_reason(heap);
    if (__builtin_expect(reason != 0, 0)) {
      script_stop(heap, reason);
    }
  }
}

static int next_step(const script_heap *heap) {
  int64_t left = heap->limits.instructions - heap->executed;
  return left < CAPSULE_INTERRUPT_STEP ? (int) left : CAPSULE_INTERRUPT_STEP;
}

int capsule_on_interrupt(void *udata) {
  script_heap *heap = udata;
  capsule_poll();
  int64_t since = capsule_engine_take_count(heap->ctx);
  heap->executed += since;
  if (heap->executed >= heap->limits.instructions) {
    script_stop(heap, SCRIPT_INSTRUCTIONS);
  }
  if (since == 0) {
    /* The engine was entered from outside: nothing has run yet, so there is no time to look at. */
    return next_step(heap);
  }
  /* CPU time is never more than time, and costs ten times as much to ask for. */
  int64_t elapsed = script_clock_ns(CLOCK_MONOTONIC) - heap->started_ns;
  if (elapsed >= heap->limits.wall_ns) {
    script_stop(heap, SCRIPT_WALL_TIME);
  }
  if (elapsed >= heap->limits.cpu_ns
      && script_clock_ns(CLOCK_THREAD_CPUTIME_ID) - heap->started_cpu_ns >= heap->limits.cpu_ns) {
    script_stop(heap, SCRIPT_CPU_TIME);
  }
  return next_step(heap);
}

void capsule_fatal(void *udata, const char *message) {
  (void) message;
  script_stop(udata, SCRIPT_ENGINE_FAILED);
}

int capsule_call_depth(void *udata) {
  return (int) ((const script_heap *) udata)->limits.call_depth;
}

/* ---- Time and chance ---- */

double capsule_now_ms(void) {
  const script_heap *heap = capsule_current;
  if (heap->limits.clock_stands) {
    return heap->limits.now_ms;
  }
  int64_t elapsed = script_clock_ns(CLOCK_MONOTONIC) - heap->started_ns;
  return heap->limits.now_ms + (double) (elapsed / 1000000);
}

static uint64_t rotate(uint64_t x, int by) {
  return x << by | x >> (64 - by);
}

/* xoroshiro128+ (Blackman, Vigna 2018). */
double capsule_random(void *udata) {
  script_heap *heap = udata;
  uint64_t a = heap->random[0];
  uint64_t b = heap->random[1];
  uint64_t sum = a + b;
  b ^= a;
  heap->random[0] = rotate(a, 24) ^ b ^ b << 16;
  heap->random[1] = rotate(b, 37);
  return (double) (sum >> 11) * 0x1.0p-53;
}

/* ---- Memory ---- */

static void make_room_or_stop(script_heap *heap, size_t bytes) {
  heap->failed_rounds = heap->failed_bytes == (uint32_t) bytes ? heap->failed_rounds + 1 : 1;
  heap->failed_bytes = (uint32_t) bytes;
  /* The engine collects garbage and asks again; a request that can never fit need not. */
  if (heap->failed_rounds > COLLECTIONS_FOR_ONE_ALLOCATION || bytes >= heap->memory->limit) {
    script_stop(heap, SCRIPT_OUT_OF_MEMORY);
  }
}

static void *engine_alloc(void *udata, duk_size_t bytes) {
  script_heap *heap = udata;
  capsule_poll();
  if (bytes == 0) {
    return NULL;
  }
  void *block = arena_alloc(heap->memory, bytes);
  if (block == NULL) {
    make_room_or_stop(heap, bytes);
  } else if (heap->failed_bytes == (uint32_t) bytes) {
    heap->failed_rounds = 0;
  }
  return block;
}

static void *engine_realloc(void *udata, void *old, duk_size_t bytes) {
  script_heap *heap = udata;
  if (old == NULL) {
    return engine_alloc(udata, bytes);
  }
  capsule_poll();
  if (bytes == 0) {
    arena_free(heap->memory, old);
    return NULL;
  }
  void *block = arena_realloc(heap->memory, old, bytes);
  if (block == NULL) {
    make_room_or_stop(heap, bytes);
  } else if (heap->failed_bytes == (uint32_t) bytes) {
    heap->failed_rounds = 0;
  }
  return block;
}

static void engine_free(void *udata, void *block) {
  if (block != NULL) {
    arena_free(((script_heap *) udata)->memory, block);
  }
}

/* Makes [from, from + bytes) zero, giving whole pages back if it is much. */
static void wipe(uint8_t *from, size_t bytes) {
  if (bytes <= WIPE_BYTES) {
    memset(from, 0, bytes);
    return;
  }
  size_t page = page_bytes();
  uint8_t *first = (uint8_t *) (((uintptr_t) from + page - 1) / page * page);
  uint8_t *last = (uint8_t *) (((uintptr_t) from + bytes) / page * page);
  if (madvise(first, (size_t) (last - first), MADV_DONTNEED) == 0) {
    memset(from, 0, (size_t) (first - from));
    memset(last, 0, (size_t) (from + bytes - last));
  } else {
    memset(from, 0, bytes);
  }
}

void script_heap_reset(script_heap *heap) {
  uint8_t *base = (uint8_t *) heap->memory;
  size_t high = heap->memory->high_water;
  if (heap->snapshot.copy == NULL) {
    return;
  }
  arena_unpoison_all(heap->memory, heap->memory_bytes);
  if (high > heap->snapshot.bytes) {
    wipe(base + heap->snapshot.bytes, high - heap->snapshot.bytes);
  }
  snapshot_restore(&heap->snapshot);
  if (heap->exchange_used > WIPE_BYTES) {
    wipe(heap->exchange, heap->exchange_used);
    heap->exchange_used = 0;
  }
}

static int take_snapshot(script_heap *heap) {
  /* Calls write to fewer pages so. */
  arena_seal(heap->memory);
  size_t bytes = heap->memory->top;
  arena_unpoison_all(heap->memory, heap->memory_bytes);
  wipe((uint8_t *) heap->memory + bytes, heap->memory->high_water - bytes);
  heap->memory->high_water = heap->memory->top;
  return snapshot_take(&heap->snapshot, heap->memory, bytes) ? SCRIPT_OK : SCRIPT_OUT_OF_MEMORY;
}

/* ---- A run ---- */

/*
 * The CPU time of this thread, or up to CPU_KNOWN_NS more: then a run gets that much more of its
 * budget. Asking for it is a system call, which costs as much as a short script.
 */
static int64_t cpu_at_most_ns(int64_t now) {
  if (cpu_known_at_ns == 0 || now - cpu_known_at_ns > CPU_KNOWN_NS) {
    cpu_known_ns = script_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    cpu_known_at_ns = now;
  }
  return cpu_known_ns + (now - cpu_known_at_ns);
}

static int begin(script_heap *heap, const script_limits *limits, script_host host, void *context) {
  uint64_t none = 0;
  uint64_t generation = heap->generation + 1;
  if (!know_thread()
      || (uintptr_t) __builtin_frame_address(0) < capsule_stack_floor + STACK_NEEDED) {
    return SCRIPT_STACK;
  }
  if (atomic_load(&heap->active) != 0) {
    return SCRIPT_BUSY;
  }
  heap->limits = *limits;
  heap->host = host;
  heap->host_context = context;
  heap->executed = 0;
  heap->host_calls = 0;
  heap->returned = 0;
  heap->failed_rounds = 0;
  heap->failed_bytes = 0;
  heap->result_bytes = 0;
  heap->random[0] = limits->seed[0];
  /* All zeros would stay so. */
  heap->random[1] = limits->seed[0] == 0 && limits->seed[1] == 0 ? 1 : limits->seed[1];
  heap->memory->limit = limits->heap_bytes < heap->memory_bytes ? limits->heap_bytes
                                                                : (uint32_t) heap->memory_bytes;
  heap->outcome = SCRIPT_OK;
  heap->window = WINDOW_CLOSED;
  heap->outer = capsule_current;
  atomic_store_explicit(&heap->cpu_ns, limits->cpu_ns, memory_order_relaxed);
  atomic_store_explicit(&heap->wall_ns, limits->wall_ns, memory_order_relaxed);
  atomic_store_explicit(&heap->thread, this_thread, memory_order_relaxed);
  int64_t now = script_clock_ns(CLOCK_MONOTONIC);
  atomic_store_explicit(&heap->started_cpu_ns, cpu_at_most_ns(now), memory_order_relaxed);
  atomic_store_explicit(&heap->started_ns, now, memory_order_relaxed);
  if (!atomic_compare_exchange_strong(&heap->active, &none, generation)) {
    return SCRIPT_BUSY;
  }
  heap->generation = generation;
  capsule_current = heap;
  watchdog_notice();
  return SCRIPT_OK;
}

static void end(script_heap *heap) {
  heap->window = WINDOW_CLOSED;
  if (heap->ctx != NULL) {
    heap->executed += capsule_engine_take_count(heap->ctx);
  }
  heap->peak_bytes = heap->memory->high_water;
  capsule_current = heap->outer;
  atomic_store(&heap->active, 0);
  script_heap_reset(heap);
}

static void open_window(script_heap *heap) {
  heap->window = WINDOW_OPEN;
  /* A stop that was asked for while the window was closed found nobody. */
  capsule_poll();
}

static void close_window(script_heap *heap) {
  heap->window = WINDOW_CLOSED;
}

/* What was thrown: an array of name, message, file, line, stack, number of the host's failure. */
static duk_ret_t write_thrown(duk_context *ctx, void *udata) {
  static const char *const texts[] = {"name", "message", "fileName", NULL, "stack", NULL};
  enum { LINE = 3, HOST_NUMBER = 5, MESSAGE = 1, COUNT = 6 };
  script_heap *heap = udata;
  value_writer writer = {heap->exchange, heap->exchange, heap->exchange + heap->exchange_bytes,
                         SCRIPT_RESULT_BYTES};
  value_write_count(ctx, &writer, 7, COUNT);
  for (int i = 0; i < COUNT; i++) {
    if (!duk_is_error(ctx, 0)) {
      if (i == MESSAGE) {
        duk_safe_to_string(ctx, 0);
        duk_dup(ctx, 0);
      } else {
        duk_push_undefined(ctx);
      }
    } else if (i == LINE) {
      duk_get_prop_string(ctx, 0, "lineNumber");
    } else if (i == HOST_NUMBER) {
      duk_get_prop_string(ctx, 0, DUK_HIDDEN_SYMBOL("host"));
    } else {
      duk_get_prop_string(ctx, 0, texts[i]);
      if (!duk_is_undefined(ctx, -1)) {
        duk_safe_to_string(ctx, -1);
      }
    }
    if (duk_is_string(ctx, -1) && !duk_is_symbol(ctx, -1)) {
      value_write_clipped(ctx, duk_get_top_index(ctx), &writer, 8192);
    } else if (duk_is_number(ctx, -1)) {
      value_write(ctx, duk_get_top_index(ctx), &writer, 0);
    } else {
      duk_push_undefined(ctx);
      value_write(ctx, duk_get_top_index(ctx), &writer, 0);
      duk_pop(ctx);
    }
    duk_pop(ctx);
  }
  heap->result_bytes = (uint32_t) (writer.next - writer.start);
  return 0;
}

/* Runs `step` inside the boundary: every way out of the engine ends here. */
static int run(script_heap *heap, duk_safe_call_function step) {
  if (_setjmp(heap->boundary) != 0) {
    return heap->outcome;
  }
  open_window(heap);
  /* A step works on this stack, not on one of its own: it is empty before and after. */
  if (duk_safe_call(heap->ctx, step, heap, 0, 1) == DUK_EXEC_SUCCESS) {
    duk_set_top(heap->ctx, 0);
    close_window(heap);
    return SCRIPT_OK;
  }
  /* The engine is entered anew, and forgets what it has counted. */
  heap->executed += capsule_engine_take_count(heap->ctx);
  /* The thrown value is the script's: looking at it may run code of it, and throw again. */
  if (duk_safe_call(heap->ctx, write_thrown, heap, 1, 1) != DUK_EXEC_SUCCESS) {
    heap->result_bytes = 0;
  }
  close_window(heap);
  return SCRIPT_THREW;
}

static duk_ret_t load_step(duk_context *ctx, void *udata) {
  script_heap *heap = udata;
  const uint8_t *from = heap->exchange;
  const uint8_t *end_of_input = heap->exchange + heap->input_length;
  value_writer writer = {heap->exchange, heap->exchange, heap->exchange + heap->exchange_bytes,
                         SCRIPT_RESULT_BYTES};
  if (value_read_array(ctx, &from, end_of_input) != 2) {
    return DUK_RET_TYPE_ERROR;
  }
  value_read(ctx, &from, end_of_input, 0);
  value_read(ctx, &from, end_of_input, 0);
  /* [source or bytecode, file name] */
  if (duk_is_buffer_data(ctx, -2)) {
    duk_size_t length;
    void *bytecode = duk_get_buffer_data(ctx, -2, &length);
    memcpy(duk_push_fixed_buffer(ctx, length), bytecode, length);
    duk_load_function(ctx);
    duk_push_undefined(ctx);
  } else {
    duk_compile(ctx, 0);
    duk_dup_top(ctx);
    duk_dump_function(ctx);
  }
  /* [function, its bytecode]; kept from the collector in the stash, under hidden names */
  duk_push_global_stash(ctx);
  duk_dup(ctx, -3);
  heap->program = duk_get_heapptr(ctx, -1);
  duk_put_prop_string(ctx, -2, "program");
  duk_push_array(ctx);
  duk_put_prop_string(ctx, -2, "registrations");
  duk_push_array(ctx);
  duk_put_prop_string(ctx, -2, "functions");
  if (heap->mode == SCRIPT_LIBRARY) {
    heap->loading = 1;
    duk_dup(ctx, -3);
    duk_call(ctx, 0);
    duk_pop(ctx);
    heap->loading = 0;
  }
  value_write_count(ctx, &writer, 7, 2);
  duk_get_prop_string(ctx, -1, "registrations");
  value_write(ctx, duk_get_top_index(ctx), &writer, 0);
  duk_del_prop_string(ctx, -2, "registrations");
  duk_pop_2(ctx);
  value_write(ctx, duk_get_top_index(ctx), &writer, 0);
  heap->result_bytes = (uint32_t) (writer.next - writer.start);
  duk_set_top(ctx, 0);
  duk_gc(ctx, DUK_GC_COMPACT);
  duk_gc(ctx, DUK_GC_COMPACT);
  return 0;
}

static duk_ret_t call_step(duk_context *ctx, void *udata) {
  script_heap *heap = udata;
  const uint8_t *from = heap->exchange;
  const uint8_t *end_of_input = heap->exchange + heap->input_length;
  uint32_t count = value_read_array(ctx, &from, end_of_input);
  value_writer writer = {heap->exchange, heap->exchange,
                         heap->exchange + heap->limits.result_bytes, SCRIPT_RESULT_BYTES};
  if (heap->call == SCRIPT_WHOLE_PROGRAM) {
    if (count > 0) {
      duk_push_array(ctx);
      for (uint32_t i = 0; i < count; i++) {
        value_read(ctx, &from, end_of_input, 1);
        duk_put_prop_index(ctx, -2, i);
      }
      duk_put_global_string(ctx, "args");
    }
    duk_push_heapptr(ctx, heap->program);
    duk_call(ctx, 0);
    /* The value of a program is nothing; psl_return gives it one. */
  } else {
    duk_push_heapptr(ctx, heap->functions[heap->call]);
    duk_require_stack(ctx, (duk_idx_t) count);
    for (uint32_t i = 0; i < count; i++) {
      value_read(ctx, &from, end_of_input, 0);
    }
    duk_call(ctx, (duk_idx_t) count);
  }
  if (heap->returned) {
    duk_push_global_stash(ctx);
    duk_get_prop_string(ctx, -1, "returned");
    duk_replace(ctx, -3);
    duk_pop(ctx);
  }
  value_write(ctx, duk_get_top_index(ctx), &writer, 0);
  heap->result_bytes = (uint32_t) (writer.next - writer.start);
  return 0;
}

static duk_ret_t define_step(duk_context *ctx, void *udata) {
  (void) udata;
  script_define_globals(ctx);
  return 0;
}

/* Makes the engine itself; out of memory and fatal errors come back through the boundary. */
static int create_engine(script_heap *heap) {
  if (_setjmp(heap->boundary) != 0) {
    return heap->outcome;
  }
  open_window(heap);
  heap->ctx = duk_create_heap(engine_alloc, engine_realloc, engine_free, heap, capsule_fatal);
  close_window(heap);
  return heap->ctx == NULL ? SCRIPT_OUT_OF_MEMORY : SCRIPT_OK;
}

/* [guard page][arena][guard page][exchange][guard page] */
static int map(script_heap *heap, uint32_t heap_bytes, uint32_t exchange_bytes) {
  size_t page = page_bytes();
  heap->memory_bytes = whole_pages(heap_bytes);
  heap->exchange_bytes = whole_pages(exchange_bytes);
  heap->mapping_bytes = heap->memory_bytes + heap->exchange_bytes + 3 * page;
  heap->mapping = mmap(NULL, heap->mapping_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (heap->mapping == MAP_FAILED) {
    heap->mapping = NULL;
    return 0;
  }
  uint8_t *memory = (uint8_t *) heap->mapping + page;
  heap->exchange = memory + heap->memory_bytes + page;
  if (mprotect(memory, heap->memory_bytes, PROT_READ | PROT_WRITE) != 0
      || mprotect(heap->exchange, heap->exchange_bytes, PROT_READ | PROT_WRITE) != 0) {
    return 0;
  }
  heap->memory = arena_init(memory, heap->memory_bytes);
  return 1;
}

script_heap *script_heap_create(uint32_t heap_bytes, uint32_t exchange_bytes, int *outcome) {
  script_limits limits = {.cpu_ns = CREATE_CPU_NS,
                          .wall_ns = 10 * CREATE_CPU_NS,
                          .instructions = INT64_MAX,
                          .heap_bytes = heap_bytes,
                          .result_bytes = 0,
                          .host_calls = 0,
                          .call_depth = 1000,
                          .clock_stands = 1};
  script_heap *heap = calloc(1, sizeof(script_heap));
  *outcome = SCRIPT_OUT_OF_MEMORY;
  if (heap == NULL) {
    return NULL;
  }
  if (!map(heap, heap_bytes, exchange_bytes) || watchdog_add(heap) != 0) {
    if (heap->mapping != NULL) {
      munmap(heap->mapping, heap->mapping_bytes);
    }
    free(heap);
    return NULL;
  }
  *outcome = begin(heap, &limits, NULL, NULL);
  if (*outcome == SCRIPT_OK) {
    *outcome = create_engine(heap);
    if (*outcome == SCRIPT_OK) {
      *outcome = run(heap, define_step);
    }
    end(heap);
  }
  if (*outcome != SCRIPT_OK) {
    script_heap_destroy(heap);
    return NULL;
  }
  return heap;
}

void script_heap_destroy(script_heap *heap) {
  watchdog_remove(heap);
  snapshot_drop(&heap->snapshot);
  arena_unpoison_all(heap->memory, heap->memory_bytes);
  munmap(heap->mapping, heap->mapping_bytes);
  free(heap);
}

uint8_t *script_heap_exchange(script_heap *heap) {
  return heap->exchange;
}

int script_heap_load(script_heap *heap, int mode, const script_limits *limits, script_host host,
                     void *context) {
  if (heap->snapshot.copy != NULL) {
    return SCRIPT_BUSY;
  }
  int outcome = begin(heap, limits, host, context);
  if (outcome != SCRIPT_OK) {
    return outcome;
  }
  heap->mode = mode;
  heap->input_length = (uint32_t) heap->exchange_bytes;
  outcome = run(heap, load_step);
  if (outcome == SCRIPT_OK) {
    outcome = take_snapshot(heap);
  }
  end(heap);
  return outcome;
}

int script_heap_call(script_heap *heap, int function, uint32_t length, const script_limits *limits,
                     script_host host, void *context) {
  if (heap->snapshot.copy == NULL || length > heap->exchange_bytes
      || limits->result_bytes > heap->exchange_bytes
      || (function != SCRIPT_WHOLE_PROGRAM
          && (function < 0 || (uint32_t) function >= heap->function_count))) {
    return SCRIPT_ENGINE_FAILED;
  }
  int outcome = begin(heap, limits, host, context);
  if (outcome != SCRIPT_OK) {
    return outcome;
  }
  heap->call = function;
  heap->input_length = length;
  outcome = run(heap, call_step);
  if (heap->exchange_used < heap->result_bytes) {
    heap->exchange_used = heap->result_bytes;
  }
  if (heap->exchange_used < length) {
    heap->exchange_used = length;
  }
  /* The answer has to be read before it is wiped: what is large goes with the next run. */
  size_t used = heap->exchange_used;
  heap->exchange_used = 0;
  end(heap);
  heap->exchange_used = used;
  return outcome;
}

void script_heap_cancel(script_heap *heap) {
  atomic_store(&heap->cancelled, 1);
  watchdog_interrupt(heap);
}

void script_heap_clear_cancel(script_heap *heap) {
  atomic_store(&heap->cancelled, 0);
}

void script_heap_stats(const script_heap *heap, script_stats *stats) {
  stats->instructions = heap->executed;
  stats->peak_bytes = heap->peak_bytes;
  stats->base_bytes = (uint32_t) heap->snapshot.bytes;
  stats->host_calls = heap->host_calls;
  stats->result_bytes = heap->result_bytes;
}

uint32_t script_heap_check(const script_heap *heap) {
  uint32_t broken = arena_check(heap->memory);
  if (broken == 0 && heap->snapshot.copy != NULL && !snapshot_is_restored(&heap->snapshot)) {
    broken = (uint32_t) heap->snapshot.bytes;
  }
  return broken;
}

script_heap *script_heap_of(duk_context *ctx) {
  duk_memory_functions functions;
  duk_get_memory_functions(ctx, &functions);
  return functions.udata;
}
