/*
 * What the engine asks of its embedder, and the few places where the embedder looks inside the
 * engine. Shared by duktape_unit.c, which is compiled together with the engine's source, and by
 * script_heap.c.
 */
#ifndef CAPSULE_DUKTAPE_HOOKS_H
#define CAPSULE_DUKTAPE_HOOKS_H

#include <stddef.h>
#include <stdint.h>

/*
 * The lowest address that engine code of this thread may use of its stack. Written when a run
 * begins; initial-exec, so that a signal handler may read it without allocating.
 */
extern _Thread_local uintptr_t capsule_stack_floor
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Bytes of stack that one level of the engine's recursive compiler may take; see test "compiler". */
#if defined(__SANITIZE_ADDRESS__)
#define CAPSULE_COMPILER_FRAME_BYTES 16384
#else
#define CAPSULE_COMPILER_FRAME_BYTES 1536
#endif

/* Nesting of expressions, statements and functions that the compiler takes on any stack. */
#define CAPSULE_COMPILER_NESTING_MAX 2500

/* Bytecode instructions between two calls of capsule_on_interrupt. */
#define CAPSULE_INTERRUPT_STEP 65536

/* Polls for a stop of the running script: does not return if there is one. */
void capsule_poll(void) __attribute__((visibility("hidden")));

/* Called by the engine's instruction counter; answers how many instructions may follow. */
int capsule_on_interrupt(void *heap) __attribute__((visibility("hidden")));

/* The time of the running script, in milliseconds since 1970. */
double capsule_now_ms(void) __attribute__((visibility("hidden")));

/* The next random number in [0, 1). */
double capsule_random(void *heap) __attribute__((visibility("hidden")));

/* How many JavaScript functions may be active at once. */
int capsule_call_depth(void *heap) __attribute__((visibility("hidden")));

/* Does not return. */
void capsule_fatal(void *heap, const char *message)
    __attribute__((noreturn, visibility("hidden")));

/* Whether the stack is used up; polls as well, because native loops of the engine call it. */
static inline int capsule_stack_is_low(void) {
  if ((uintptr_t) __builtin_frame_address(0) < capsule_stack_floor) {
    return 1;
  }
  capsule_poll();
  return 0;
}

static inline int capsule_compiler_nesting(void) {
  uintptr_t here = (uintptr_t) __builtin_frame_address(0);
  uintptr_t left = here > capsule_stack_floor ? here - capsule_stack_floor : 0;
  uintptr_t levels = left / CAPSULE_COMPILER_FRAME_BYTES;
  return levels < CAPSULE_COMPILER_NESTING_MAX ? (int) levels : CAPSULE_COMPILER_NESTING_MAX;
}

struct duk_hthread;

/*
 * Instructions executed since this was last asked, or since the engine was entered from outside: the
 * engine forgets its count then, and interrupts before the first instruction.
 */
int64_t capsule_engine_take_count(struct duk_hthread *ctx) __attribute__((visibility("hidden")));

/* Pushes an array with room for so many elements, and that length; they are to be set, in order. */
void capsule_engine_push_array(struct duk_hthread *ctx, uint32_t count)
    __attribute__((visibility("hidden")));

/* Moves the value on top into an element, not set before, of such an array, which is below it. */
void capsule_engine_set_element(struct duk_hthread *ctx, uint32_t index)
    __attribute__((visibility("hidden")));

#endif
