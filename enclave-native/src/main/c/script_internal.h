/* What the files of the script heap know of each other. */
#ifndef CAPSULE_SCRIPT_INTERNAL_H
#define CAPSULE_SCRIPT_INTERNAL_H

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "arena.h"
#include "duktape.h"
#include "script_heap.h"
#include "snapshot.h"

#define SCRIPT_MAX_FUNCTIONS 1024
/* How deep values may be nested that go in or out. */
#define SCRIPT_MAX_NESTING 64
/* Arguments that a host function looks at. */
#define SCRIPT_MAX_HOST_ARGUMENTS 8

enum { WINDOW_CLOSED = 0, WINDOW_OPEN = 1 };

struct script_heap {
  /* Watched by other threads. */
  _Atomic uint64_t active; /* generation of the run, 0 if there is none */
  _Atomic uint64_t killed; /* generation << 8 | script_outcome */
  _Atomic int cancelled;
  _Atomic int64_t started_ns; /* monotonic */
  _Atomic int64_t started_cpu_ns;
  _Atomic int64_t cpu_ns;
  _Atomic int64_t wall_ns;
  _Atomic pid_t thread;
  struct script_heap *next; /* of all heaps; under the watchdog's lock */
  struct script_heap *previous;

  /* Of the thread that runs it. */
  volatile sig_atomic_t window;
  volatile int outcome;
  jmp_buf boundary;
  uint64_t generation;
  struct script_heap *outer; /* whose host function this run is part of */
  duk_context *ctx;
  arena *memory;
  size_t memory_bytes;
  uint8_t *exchange;
  size_t exchange_bytes;
  size_t exchange_used; /* highest extent since it was last wiped */
  void *mapping;
  size_t mapping_bytes;
  struct snapshot snapshot;
  int loading;
  int mode;
  void *functions[SCRIPT_MAX_FUNCTIONS];
  uint32_t function_count;
  void *program;
  uint32_t input_length;
  int call;

  script_limits limits;
  script_host host;
  void *host_context;
  int64_t executed;
  uint32_t host_calls;
  uint32_t failed_bytes;  /* size of the allocation that failed last */
  uint32_t failed_rounds; /* how often in a row */
  int returned; /* whether psl_return was called */
  uint32_t result_bytes;
  uint32_t peak_bytes;
  uint64_t random[2];
};

extern _Thread_local script_heap *capsule_current
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Ends the run: does not return. Only while the window is open. */
void script_stop(script_heap *heap, int outcome) __attribute__((noreturn));

/* Why the run has to end, or 0. */
int script_stop_reason(script_heap *heap);

/* The heap whose engine this is. */
script_heap *script_heap_of(duk_context *ctx);

static inline int64_t script_clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* watchdog.c */
int watchdog_add(script_heap *heap); /* 0, or the errno that says why there is no watchdog */
void watchdog_remove(script_heap *heap);
void watchdog_notice(void);          /* a run began */
void watchdog_interrupt(script_heap *heap);
int64_t watchdog_cpu_ns(pid_t thread); /* CPU time of a thread of this process; -1 if it is gone */

/* script_values.c: values as docs/procedures.md lays them out. */
typedef struct value_writer {
  uint8_t *start;
  uint8_t *next;
  uint8_t *end;
  int overflow; /* the outcome if it does not fit */
} value_writer;

void value_write(duk_context *ctx, duk_idx_t index, value_writer *writer, int nesting);
void value_write_count(duk_context *ctx, value_writer *writer, int tag, uint32_t count);
void value_write_clipped(duk_context *ctx, duk_idx_t index, value_writer *writer, size_t most);
/* Pushes the value at `*from`; a JavaScript error if it is not well formed. */
void value_read(duk_context *ctx, const uint8_t **from, const uint8_t *end, int nesting);
uint32_t value_read_array(duk_context *ctx, const uint8_t **from, const uint8_t *end);

/* script_globals.c */
void script_define_globals(duk_context *ctx);

#endif
