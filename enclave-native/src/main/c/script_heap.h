/*
 * A JavaScript heap that hostile code may run in.
 *
 * Invariants:
 * - A heap has one thread at a time; `active` is its run's generation, and refuses a second one.
 * - Engine code runs only between setjmp and its return (the "window" is open). A run is stopped by
 *   longjmp from one of the engine's hooks or from the watchdog's signal, only while the window is
 *   open: it is closed around calls of the host. What a stop leaves behind is undone by restoring
 *   the snapshot; nothing that the engine owns lies outside the arena.
 * - After every run the arena is what it was when the library had been loaded, and what the run
 *   wrote beyond that is zero.
 * - No C library function that takes a lock or allocates is called while the window is open.
 */
#ifndef CAPSULE_SCRIPT_HEAP_H
#define CAPSULE_SCRIPT_HEAP_H

#include <stdint.h>

/* How a run ended. Known to ScriptHeap.java. */
enum script_outcome {
  SCRIPT_OK = 0,
  SCRIPT_THREW = 1,
  SCRIPT_CPU_TIME = 2,
  SCRIPT_WALL_TIME = 3,
  SCRIPT_INSTRUCTIONS = 4,
  SCRIPT_OUT_OF_MEMORY = 5,
  SCRIPT_CANCELLED = 6,
  SCRIPT_HOST_CALLS = 7,
  SCRIPT_RESULT_BYTES = 8,
  SCRIPT_HOST_ARGUMENT_BYTES = 9,
  SCRIPT_STACK = 10,
  SCRIPT_BUSY = 11,
  SCRIPT_ENGINE_FAILED = 12,
  SCRIPT_HOST_ABORTED = 13
};

/* What a script asks of its host. Known to HostDispatch.java. */
enum script_host_operation {
  HOST_GET = 1,
  HOST_PUT = 2,
  HOST_DEL = 3,
  HOST_EXISTS = 4,
  HOST_SCAN = 5,
  HOST_INCR = 6,
  HOST_CAS = 7,
  HOST_MERGE = 8,
  HOST_LOCK = 9,
  HOST_BEGIN = 10,
  HOST_COMMIT = 11,
  HOST_ROLLBACK = 12,
  HOST_LOG = 13,
  HOST_RANDOM = 14
};

enum { HOST_FAILED = -1, HOST_ABORTED = -2 };

/* What load does with the source. Known to ScriptHeap.java. */
enum script_mode { SCRIPT_PROGRAM = 0, SCRIPT_LIBRARY = 1 };

/* `function` of script_heap_call that means the program. */
enum { SCRIPT_WHOLE_PROGRAM = -1 };

/*
 * Asks the host. The arguments are one array in the first `length` bytes of the exchange; the
 * answer replaces them. Returns its length, or HOST_FAILED with an array of code, message and number
 * in the exchange, preceded by nothing; or HOST_ABORTED, which ends the run at once.
 */
typedef int32_t (*script_host)(void *context, int operation, uint32_t length);

typedef struct script_limits {
  int64_t cpu_ns;        /* of the calling thread, host functions included */
  int64_t wall_ns;
  int64_t instructions;  /* bytecode instructions */
  uint32_t heap_bytes;   /* at most what the heap was created with */
  uint32_t result_bytes; /* encoded, at most the exchange */
  uint32_t host_calls;
  uint32_t call_depth;   /* active JavaScript functions */
  int clock_stands;      /* the script's clock stays at now_ms */
  double now_ms;
  uint64_t seed[2];      /* of Math.random */
} script_limits;

typedef struct script_stats {
  int64_t instructions;
  uint32_t peak_bytes;   /* highest extent of the arena in the last run */
  uint32_t base_bytes;   /* extent of the snapshot */
  uint32_t host_calls;
  uint32_t result_bytes;
} script_stats;

typedef struct script_heap script_heap;

/*
 * Reserves memory and sets up the engine; NULL if there is none, with the reason in `*outcome`.
 * Sizes in bytes; pages are taken when they are first used.
 */
script_heap *script_heap_create(uint32_t heap_bytes, uint32_t exchange_bytes, int *outcome);

void script_heap_destroy(script_heap *heap);

/* Where values go in and out, exchange_bytes long; stays in place for the life of the heap. */
uint8_t *script_heap_exchange(script_heap *heap);

/*
 * Compiles and, for a library, runs the source; then takes the snapshot. The exchange has an array
 * of source (or bytes of bytecode that this process made), file name. Answers an array of
 * registrations and bytecode.
 */
int script_heap_load(script_heap *heap, int mode, const script_limits *limits, script_host host,
                     void *context);

/*
 * Runs the function registered at that index, or the program. The exchange has an array of
 * arguments in its first `length` bytes. Answers the result or what was thrown in the exchange, and
 * its length in the stats.
 */
int script_heap_call(script_heap *heap, int function, uint32_t length, const script_limits *limits,
                     script_host host, void *context);

/* From any thread: stops the run, or the next one if there is none; until cleared. */
void script_heap_cancel(script_heap *heap);
void script_heap_clear_cancel(script_heap *heap);

void script_heap_stats(const script_heap *heap, script_stats *stats);

/* Restores the snapshot; for measurements, as every run ends with it. */
void script_heap_reset(script_heap *heap);

/* 0 if allocator and snapshot are sound; for tests. */
uint32_t script_heap_check(const script_heap *heap);

#endif
