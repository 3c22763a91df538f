/*
 * Duktape 2.7 as one translation unit of our own: the distribution's source, unchanged and pinned
 * by hash (build.sh), with our options. docs/procedures.md says what each means to scripts.
 */
#define DUK_COMPILING_DUKTAPE
#define DUK_SINGLE_FILE
#include "duk_config.h"
/* duktape.c defines it itself. */
#undef DUK_COMPILING_DUKTAPE

#include "duktape_hooks.h"

/* On: everything that bounds a script. */
#define DUK_USE_INTERRUPT_COUNTER
/*
 * Expanded where the engine has its next counter value in a variable called ctr: so the number of
 * instructions until the next interrupt is ours to say, and budgets are exact.
 */
#define DUK_USE_EXEC_TIMEOUT_CHECK(heap) (ctr = capsule_on_interrupt(heap), 0)
#define DUK_USE_NATIVE_STACK_CHECK() capsule_stack_is_low()
#undef DUK_USE_COMPILER_RECLIMIT
#define DUK_USE_COMPILER_RECLIMIT capsule_compiler_nesting()
#undef DUK_USE_CALLSTACK_LIMIT
#define DUK_USE_CALLSTACK_LIMIT ((duk_size_t) capsule_call_depth(thr->heap->heap_udata))
#define DUK_USE_EXEC_INDIRECT_BOUND_CHECK
#define DUK_USE_PARANOID_ERRORS
#define DUK_USE_FATAL_HANDLER(heap, message) capsule_fatal((heap), (message))

/* Given by the embedder, so that a run can be repeated exactly. */
#undef DUK_USE_DATE_GET_NOW
#define DUK_USE_DATE_GET_NOW(ctx) capsule_now_ms()
#undef DUK_USE_DATE_GET_LOCAL_TZOFFSET
#define DUK_USE_DATE_GET_LOCAL_TZOFFSET(d) 0
#undef DUK_USE_GET_MONOTONIC_TIME
#define DUK_USE_GET_MONOTONIC_TIME(ctx) capsule_now_ms()
#define DUK_USE_GET_RANDOM_DOUBLE(heap) capsule_random(heap)
/* The C library's calendar takes locks, which a stopped script would hold for ever. */
#undef DUK_USE_DATE_NOW_GETTIMEOFDAY
#undef DUK_USE_DATE_TZO_GMTIME_R
#undef DUK_USE_DATE_PRS_STRPTIME
#undef DUK_USE_DATE_PARSE_STRING
#undef DUK_USE_DATE_FMT_STRFTIME
#undef DUK_USE_DATE_FORMAT_STRING
#undef DUK_USE_GET_MONOTONIC_TIME_CLOCK_GETTIME

/* Small, because they lie among what every call writes, and whole pages are restored after it. */
#undef DUK_USE_LITCACHE_SIZE
#define DUK_USE_LITCACHE_SIZE 32
#undef DUK_USE_STRTAB_MINSIZE
#define DUK_USE_STRTAB_MINSIZE 256
#undef DUK_USE_STRTAB_GROW_LIMIT
#define DUK_USE_STRTAB_GROW_LIMIT 64

/* Off: what scripts do not need and an attacker would like. */
#undef DUK_USE_FINALIZER_SUPPORT
#undef DUK_USE_COROUTINE_SUPPORT
#undef DUK_USE_CBOR_BUILTIN
#undef DUK_USE_CBOR_SUPPORT
#undef DUK_USE_JX
#undef DUK_USE_JC
#undef DUK_USE_PERFORMANCE_BUILTIN
#undef DUK_USE_SHEBANG_COMMENTS
#undef DUK_USE_HTML_COMMENTS
#undef DUK_USE_PROVIDE_DEFAULT_ALLOC_FUNCTIONS
#undef DUK_USE_DEBUGGER_SUPPORT
/* Strings are UTF-16 code units as in the standard, not the engine's wider ones. */
#undef DUK_USE_NONSTD_STRING_FROMCHARCODE_32BIT

#define DUK_HEAP_REMOVE_FROM_FINALIZE_LIST(heap, object) ((void) 0)

#include "duktape.c"

/* The tables of built-ins still name what is switched off above; nothing reaches these. */
#define ABSENT(name) \
  DUK_INTERNAL duk_ret_t name(duk_hthread *thread) { \
    (void) thread; \
    return DUK_RET_TYPE_ERROR; \
  }
ABSENT(duk_bi_thread_constructor)
ABSENT(duk_bi_thread_yield)
ABSENT(duk_bi_thread_resume)
ABSENT(duk_bi_thread_current)
ABSENT(duk_bi_duktape_object_fin)
ABSENT(duk_bi_cbor_encode)
ABSENT(duk_bi_cbor_decode)
ABSENT(duk_bi_performance_now)

int64_t capsule_engine_take_count(struct duk_hthread *ctx) {
  duk_hthread *thread = (duk_hthread *) ctx;
  int64_t executed = (int64_t) thread->interrupt_init - thread->interrupt_counter;
  thread->interrupt_init = thread->interrupt_counter;
  return executed;
}

void capsule_engine_push_array(struct duk_hthread *ctx, uint32_t count) {
  duk_push_harray_with_size((duk_hthread *) ctx, count);
}

/* As the public functions would, but without looking for setters, which the array does not have. */
void capsule_engine_set_element(struct duk_hthread *ctx, uint32_t index) {
  duk_hthread *thread = (duk_hthread *) ctx;
  duk_hobject *array = duk_require_hobject(thread, -2);
  duk_tval *from = thread->valstack_top - 1;
  duk_tval *to = DUK_HOBJECT_A_GET_BASE(thread->heap, array) + index;
  DUK_TVAL_SET_TVAL(to, from);
  DUK_TVAL_SET_UNDEFINED(from);
  thread->valstack_top = from;
}
