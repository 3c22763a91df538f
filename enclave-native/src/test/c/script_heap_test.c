/*
 * Tests of the script heap without a JVM, built with AddressSanitizer and UndefinedBehaviorSanitizer
 * and once without: arguments and results, every way a run ends, what a stop leaves behind, the
 * allocator on its own. Prints what failed and ends with 1 if anything did.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../main/c/arena.h"
#include "../../main/c/script_heap.h"
#include "../../main/c/snapshot.h"

static int failures;
static int checks;

#define CHECK(condition, ...)                             \
  do {                                                    \
    checks++;                                             \
    if (!(condition)) {                                   \
      failures++;                                         \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      printf(__VA_ARGS__);                                \
      printf("\n");                                       \
    }                                                     \
  } while (0)

enum { HEAP_BYTES = 8 << 20, EXCHANGE_BYTES = 2 << 20, CPU_MS = 50 };
/* Where something else than time is to end a run, on a processor however slow. */
enum { AMPLE_CPU_MS = 5000 };

static script_limits limits(void) {
  script_limits l = {.cpu_ns = CPU_MS * INT64_C(1000000),
                     .wall_ns = INT64_C(20000000000),
                     .instructions = INT64_MAX,
                     .heap_bytes = HEAP_BYTES,
                     .result_bytes = 1 << 20,
                     .host_calls = 1000,
                     .call_depth = 1000,
                     .clock_stands = 1,
                     .now_ms = 1000,
                     .seed = {1, 2}};
  return l;
}

static uint8_t *put_count(uint8_t *to, int tag, size_t count) {
  uint32_t n = (uint32_t) count;
  *to++ = (uint8_t) tag;
  memcpy(to, &n, 4);
  return to + 4;
}

static uint8_t *put_text(uint8_t *to, const char *text, size_t length) {
  to = put_count(to, 5, length);
  memcpy(to, text, length);
  return to + length;
}

/* The host of the tests: answers a scan with its own arguments, fails a del, aborts on a lock. */
static int32_t host(void *context, int operation, uint32_t length) {
  script_heap *heap = context;
  uint8_t *exchange = script_heap_exchange(heap);
  switch (operation) {
    case HOST_SCAN:
      return (int32_t) length;
    case HOST_DEL: {
      uint8_t *at = put_count(exchange, 7, 3);
      double number = 7;
      at = put_text(at, "DENIED", 6);
      at = put_text(at, "not for you", 11);
      *at++ = 4;
      memcpy(at, &number, 8);
      return HOST_FAILED;
    }
    case HOST_LOCK:
      return HOST_ABORTED;
    case HOST_EXISTS: {
      /* Not UTF-8: a byte that would name a hidden property. */
      (void) put_text(exchange, "\x82hidden", 7);
      return 12;
    }
    case HOST_RANDOM:
      /* A host that lies about lengths. */
      (void) put_count(exchange, 6, 0xffffffff);
      return 5;
    default:
      exchange[0] = 1;
      return 1;
  }
}

static int load(script_heap *heap, int mode, const char *source) {
  script_limits l = limits();
  uint8_t *at = put_count(script_heap_exchange(heap), 7, 2);
  at = put_text(at, source, strlen(source));
  put_text(at, "test.js", 7);
  l.cpu_ns = INT64_C(5000000000);
  return script_heap_load(heap, mode, &l, host, heap);
}

static script_heap *program(const char *source, int *outcome) {
  script_heap *heap = script_heap_create(HEAP_BYTES, EXCHANGE_BYTES, outcome);
  if (heap != NULL) {
    *outcome = load(heap, SCRIPT_PROGRAM, source);
  }
  return heap;
}

static int call(script_heap *heap, int function, const script_limits *l) {
  uint8_t *end = put_count(script_heap_exchange(heap), 7, 0);
  return script_heap_call(heap, function, (uint32_t) (end - script_heap_exchange(heap)), l, host,
                          heap);
}

static int64_t cpu_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Runs a source as a program; checks its outcome, that it took no longer than it may, the heap. */
static void expect(const char *source, int wanted) {
  int outcome;
  script_limits l = limits();
  int budget_ms = wanted == SCRIPT_CPU_TIME ? CPU_MS : AMPLE_CPU_MS;
  l.cpu_ns = budget_ms * INT64_C(1000000);
  script_heap *heap = program(source, &outcome);
  if (heap == NULL) {
    CHECK(heap != NULL, "no heap: %d", outcome);
    return;
  }
  if (outcome == SCRIPT_OK) {
    for (int i = 0; i < 2; i++) {
      int64_t before = cpu_ms();
      outcome = call(heap, SCRIPT_WHOLE_PROGRAM, &l);
      int64_t took = cpu_ms() - before;
#if defined(__SANITIZE_ADDRESS__)
      enum { SLACK_MS = 200 };
#else
      enum { SLACK_MS = 20 };
#endif
      CHECK(outcome == wanted, "%.60s: %d, not %d", source, outcome, wanted);
      CHECK(took <= budget_ms + SLACK_MS, "%.60s took %ld ms", source, (long) took);
      CHECK(script_heap_check(heap) == 0, "%.60s left a broken heap", source);
    }
  } else {
    CHECK(outcome == wanted, "%.60s: %d, not %d when compiled", source, outcome, wanted);
  }
  script_heap_destroy(heap);
}

/* Whether the result of a program is that text. */
static void expect_text(const char *source, const char *wanted) {
  int outcome;
  script_limits l = limits();
  script_stats stats;
  script_heap *heap = program(source, &outcome);
  if (outcome == SCRIPT_OK) {
    outcome = call(heap, SCRIPT_WHOLE_PROGRAM, &l);
  }
  script_heap_stats(heap, &stats);
  const char *text = (const char *) script_heap_exchange(heap) + 5;
  CHECK(outcome == SCRIPT_OK && stats.result_bytes == strlen(wanted) + 5
            && memcmp(text, wanted, strlen(wanted)) == 0,
        "%.60s: outcome %d, result %.*s", source, outcome, (int) stats.result_bytes, text);
  script_heap_destroy(heap);
}

static void test_values(void) {
  expect_text("psl_return('a' + 1)", "a1");
  expect_text("psl_return('\\ud83d\\ude00')", "\xf0\x9f\x98\x80");
  expect_text("psl_return('<\\ud83d>')", "<\xef\xbf\xbd>");
  expect_text("psl_return('\xc3\xa9\xe2\x82\xac')", "\xc3\xa9\xe2\x82\xac");
  expect_text("psl_return(String('\xf0\x9f\x98\x80'.length))", "2");
  expect_text("psl_return(text(bytes('\xf0\x9f\x98\x80')))", "\xf0\x9f\x98\x80");
  expect_text("psl_return(JSON.stringify(scan('a', 1.5, true, null, {x: [1]})))",
              "[\"a\",1.5,true,null,{\"x\":[1]}]");
  expect_text("psl_return(text(scan(new Uint8Array([104, 105]))[0]))", "hi");
  expect_text("try { del('k') } catch (e) { psl_return(e.code + ':' + e.message) }",
              "DENIED:not for you");
  expect_text("try { exists('k') } catch (e) { psl_return(e.name) }", "TypeError");
  expect_text("try { random(1) } catch (e) { psl_return(e.name) }", "TypeError");
  expect_text("psl_return(String(Date.now()))", "1000");
  expect_text("psl_return(typeof Duktape + typeof Buffer + typeof TextDecoder)",
              "undefinedundefinedundefined");
  expect_text("var r = []; try { (function f() { f() })() } catch (e) { psl_return(e.name) }",
              "RangeError");
}

static void test_outcomes(void) {
  expect("while (true) {}", SCRIPT_CPU_TIME);
  expect("for (;;) { try { for (;;) {} } finally { continue } }", SCRIPT_CPU_TIME);
  expect("/(x+x+)+y/.test(Array(64).join('x'))", SCRIPT_CPU_TIME);
  expect("var d = Array(6).join(Array(1000001).join('7')); Number(d); Number(d); Number(d)",
         SCRIPT_CPU_TIME);
  expect("var s = '\\u00df'; while (s.length < 500000) s += s; for (;;) s.toUpperCase()",
         SCRIPT_CPU_TIME);
  expect("var a = [], s = 'x'; while (s.length < 1e5) s += s; for (;;) a.push(s + a.length)", SCRIPT_OUT_OF_MEMORY);
  expect("new Uint8Array(1e9)", SCRIPT_OUT_OF_MEMORY);
  expect("var s = 'x'; for (;;) s += s", SCRIPT_OUT_OF_MEMORY);
  expect("psl_return(new Uint8Array(1 << 20))", SCRIPT_RESULT_BYTES);
  expect("psl_return((function () { var a = []; a.length = 4e9; return a })())",
         SCRIPT_RESULT_BYTES);
  expect("for (;;) get('k')", SCRIPT_HOST_CALLS);
  expect("put('k', new Uint8Array(3 << 20))", SCRIPT_HOST_ARGUMENT_BYTES);
  expect("lock('k')", SCRIPT_HOST_ABORTED);
  expect("throw new Error('no')", SCRIPT_THREW);
  expect("var x = ;", SCRIPT_THREW);
  expect("throw {get message() { for (;;); }, get stack() { for (;;); }}", SCRIPT_THREW);
  expect("var e = new Error(); Object.defineProperty(e, 'name', {get: function () { for (;;); }});"
         "throw e",
         SCRIPT_CPU_TIME);
  expect("psl_return({get x() { for (;;); }})", SCRIPT_CPU_TIME);
  expect("print({toString: function () { for (;;); }})", SCRIPT_CPU_TIME);
  expect("transaction(function () { for (;;); })", SCRIPT_CPU_TIME);
  expect("'a'.replace(/a/, function () { return eval('(function f() { return f() })()') })",
         SCRIPT_CPU_TIME);
  expect("JSON.parse(Array(20000).join('['))", SCRIPT_THREW);
  expect("var o = {}; for (var i = 0; i < 5000; i++) o = {o: o}; psl_return(o)", SCRIPT_THREW);
  expect("var o = {}; o.o = o; psl_return(o)", SCRIPT_THREW);
  expect("eval(Array(100000).join('(') + '1')", SCRIPT_THREW);
  expect("eval(Array(3000).join('{') + '1')", SCRIPT_THREW);
  expect("eval(Array(2000).join('function(){(') + '1')", SCRIPT_THREW);
  expect("new RegExp(Array(20000).join('('))", SCRIPT_THREW);
}

static void test_instructions(void) {
  int outcome;
  script_limits l = limits();
  script_stats stats;
  script_heap *heap = program("for (var i = 0; i < 1e9; i++);", &outcome);
  static const int64_t budgets[] = {1, 100, 65535, 65536, 65537, 1000000};
  for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
    l.instructions = budgets[i];
    l.cpu_ns = INT64_C(10000000000);
    outcome = call(heap, SCRIPT_WHOLE_PROGRAM, &l);
    script_heap_stats(heap, &stats);
    CHECK(outcome == SCRIPT_INSTRUCTIONS, "outcome %d", outcome);
    CHECK(stats.instructions == budgets[i], "%ld of %ld", (long) stats.instructions,
          (long) budgets[i]);
  }
  script_heap_destroy(heap);
}

/* What a call needs is what it is charged, whatever else the engine does at its entry. */
static void test_instructions_suffice(void) {
  static const char *const sources[] = {
      "1", "for (var i = 0; i < 10; i++);", "for (var i = 0; i < 30000; i++);",
      "transaction(function () { for (var i = 0; i < 10; i++); })",
      "[3, 1, 2].sort(function (a, b) { return a - b })",
      "eval('for (var i = 0; i < 10; i++);')"};
  for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
    int outcome;
    script_limits l = limits();
    script_stats stats;
    script_heap *heap = program(sources[i], &outcome);
    l.cpu_ns = INT64_C(10000000000);
    CHECK(call(heap, SCRIPT_WHOLE_PROGRAM, &l) == SCRIPT_OK, "%s", sources[i]);
    script_heap_stats(heap, &stats);
    int64_t needed = stats.instructions;
    int64_t most = i == 2 ? 30000 * 10 : 500;
    CHECK(needed > 0 && needed < most, "%s: %ld instructions", sources[i], (long) needed);
    for (int64_t more = -1; more <= 1; more++) {
      l.instructions = needed + more;
      if (l.instructions == 0) {
        continue;
      }
      outcome = call(heap, SCRIPT_WHOLE_PROGRAM, &l);
      script_heap_stats(heap, &stats);
      CHECK(outcome == (more < 0 ? SCRIPT_INSTRUCTIONS : SCRIPT_OK), "%s with %ld of %ld: %d",
            sources[i], (long) l.instructions, (long) needed, outcome);
      CHECK(stats.instructions == (more < 0 ? l.instructions : needed), "%s: %ld", sources[i],
            (long) stats.instructions);
    }
    script_heap_destroy(heap);
  }
  /* What a script that looks at its own error does counts on, and does not begin again. */
  int outcome;
  script_limits l = limits();
  script_heap *heap = program("for (var i = 0; i < 1000; i++);"
                              "throw Object.create(Error.prototype, {message: {get: function () {"
                              "  for (var j = 0; j < 1000; j++); return 'm' }}})",
                              &outcome);
  script_stats stats;
  CHECK(call(heap, SCRIPT_WHOLE_PROGRAM, &l) == SCRIPT_THREW, "throws");
  script_heap_stats(heap, &stats);
  int64_t needed = stats.instructions;
  CHECK(needed > 6000, "%ld", (long) needed);
  l.instructions = needed - 100;
  CHECK(call(heap, SCRIPT_WHOLE_PROGRAM, &l) == SCRIPT_INSTRUCTIONS, "stopped in its own error");
  script_heap_destroy(heap);
}

static void *cancel_soon(void *heap) {
  struct timespec pause = {0, 5000000};
  for (int i = 0; i < 20; i++) {
    nanosleep(&pause, NULL);
    script_heap_cancel(heap);
  }
  return NULL;
}

static void test_cancel(void) {
  int outcome;
  script_limits l = limits();
  pthread_t thread;
  script_heap *heap = program("if (args[0]) for (;;);", &outcome);
  l.cpu_ns = INT64_C(10000000000);
  pthread_create(&thread, NULL, cancel_soon, heap);
  uint8_t *at = put_count(script_heap_exchange(heap), 7, 1);
  *at++ = 3;
  outcome = script_heap_call(heap, SCRIPT_WHOLE_PROGRAM,
                             (uint32_t) (at - script_heap_exchange(heap)), &l, host, heap);
  CHECK(outcome == SCRIPT_CANCELLED, "outcome %d", outcome);
  pthread_join(thread, NULL);
  outcome = call(heap, SCRIPT_WHOLE_PROGRAM, &l);
  CHECK(outcome == SCRIPT_CANCELLED, "cancelled before it began: %d", outcome);
  script_heap_clear_cancel(heap);
  at = put_count(script_heap_exchange(heap), 7, 1);
  *at++ = 2;
  outcome = script_heap_call(heap, SCRIPT_WHOLE_PROGRAM,
                             (uint32_t) (at - script_heap_exchange(heap)), &l, host, heap);
  CHECK(outcome == SCRIPT_OK, "outcome %d", outcome);
  script_heap_destroy(heap);
}

static void test_isolation(void) {
  int outcome;
  script_limits l = limits();
  script_heap *heap = script_heap_create(HEAP_BYTES, EXCHANGE_BYTES, &outcome);
  outcome = load(heap, SCRIPT_LIBRARY,
                 "var seen = 0, re = /a/g;"
                 "register_function('f', function () { seen++; re.test('aaa');"
                 "  Array.prototype.evil = 1; Object.prototype.evil = 1; this.leak = 1;"
                 "  return [seen, re.lastIndex, typeof leak] }, {timeoutMs: 5});"
                 "register_function('spin', function () { seen = 9; for (;;); })");
  CHECK(outcome == SCRIPT_OK, "outcome %d", outcome);
  uint8_t first[64];
  for (int i = 0; i < 200; i++) {
    if (i % 20 == 19) {
      l.cpu_ns = 1000000;
      CHECK(call(heap, 1, &l) == SCRIPT_CPU_TIME, "spin");
    }
    l = limits();
    CHECK(call(heap, 0, &l) == SCRIPT_OK, "round %d", i);
    if (i == 0) {
      memcpy(first, script_heap_exchange(heap), sizeof(first));
    }
    CHECK(memcmp(first, script_heap_exchange(heap), 40) == 0, "round %d differs", i);
  }
  CHECK(call(heap, 2, &l) == SCRIPT_ENGINE_FAILED, "no such function");
  script_heap_destroy(heap);
}

/* Whatever a call writes, near or far, much or little, is undone: of a heap that is watched or not. */
static void test_restores(void) {
  /* 2 MB of strings and objects of which calls write every page, or one in three, or few. */
  static const char source[] =
      "var all = []; for (var i = 0; i < 4000; i++) all.push({n: i, s: new Uint8Array(300)});"
      "register_function('every', function () { for (var i = 0; i < all.length; i++) all[i].s[7] = 1;"
      "  return all.length });"
      "register_function('third', function () {"
      "  for (var i = 0; i < all.length; i += 40) all[i].s[9] = 1; return all[40].s[9] });"
      "register_function('clean', function () { var n = 0;"
      "  for (var i = 0; i < all.length; i++) n += all[i].s[7] + all[i].s[9]; return n });"
      "register_function('drop', function () { all = null; delete Array.prototype.push;"
      "  var b = []; for (var i = 0; i < 3000; i++) b[i] = {i: i}; return 1 });"
      "register_function('spin', function () { for (var i = 0; ; i++) all[i % 4000].s[9] = 2 })";
  static const int order[] = {2, 1, 2, 3, 2, 4, 2, 0, 2, 1, 4, 3, 2};
  for (int round = 0; round < 3; round++) {
    int outcome;
    script_heap *heap = script_heap_create(HEAP_BYTES, EXCHANGE_BYTES, &outcome);
    outcome = load(heap, SCRIPT_LIBRARY, source);
    CHECK(outcome == SCRIPT_OK, "outcome %d", outcome);
    for (size_t i = 0; outcome == SCRIPT_OK && i < sizeof(order) / sizeof(order[0]); i++) {
      script_limits l = limits();
      l.cpu_ns = order[i] == 4 ? 2000000 : INT64_C(5000000000);
      int got = call(heap, order[i], &l);
      double result;
      memcpy(&result, script_heap_exchange(heap) + 1, sizeof(result));
      CHECK(got == (order[i] == 4 ? SCRIPT_CPU_TIME : SCRIPT_OK), "call %zu: %d", i, got);
      CHECK(order[i] != 2 || result == 0, "call %zu finds %f of earlier ones", i, result);
      CHECK(script_heap_check(heap) == 0, "call %zu left something", i);
    }
    script_heap_destroy(heap);
  }
}

/* More heaps than are watched: the others are restored as well. */
static void test_many_heaps(void) {
  enum { HEAPS = SNAPSHOT_MAX_WATCHED + 8, BYTES = 512 << 10 };
  static script_heap *heaps[HEAPS];
  script_limits l = limits();
  l.heap_bytes = BYTES;
  l.result_bytes = 4096;
  for (int i = 0; i < HEAPS; i++) {
    int outcome;
    heaps[i] = script_heap_create(BYTES, 65536, &outcome);
    outcome = load(heaps[i], SCRIPT_PROGRAM, "this.leak = (this.leak || 0) + 1; psl_return(leak)");
    CHECK(outcome == SCRIPT_OK, "heap %d: %d", i, outcome);
  }
  for (int i = 0; i < 3 * HEAPS; i++) {
    script_heap *heap = heaps[i % HEAPS];
    double result;
    CHECK(call(heap, SCRIPT_WHOLE_PROGRAM, &l) == SCRIPT_OK, "heap %d", i % HEAPS);
    memcpy(&result, script_heap_exchange(heap) + 1, sizeof(result));
    CHECK(result == 1 && script_heap_check(heap) == 0, "heap %d: %f", i % HEAPS, result);
  }
  for (int i = 0; i < HEAPS; i++) {
    script_heap_destroy(heaps[i]);
  }
}

static sigjmp_buf after_fault;
static volatile sig_atomic_t foreign_faults;
static uint8_t *volatile foreign;

static void on_foreign_fault(int number, siginfo_t *info, void *context) {
  (void) number;
  (void) context;
  if (info->si_addr == (void *) foreign) {
    foreign_faults++;
    siglongjmp(after_fault, 1);
  }
  _exit(3);
}

static int32_t faulting_host(void *context, int operation, uint32_t length) {
  if (sigsetjmp(after_fault, 1) == 0) {
    *foreign = 1;
  }
  return host(context, operation, length);
}

/* Faults that are not first writes go to whoever had them before, also in the middle of a call. */
static void test_foreign_faults(void) {
  int outcome;
  script_limits l = limits();
  foreign = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  script_heap *heap = program("for (var i = 0; i < 3; i++) get('k'); psl_return(1)", &outcome);
  for (int i = 0; i < 3; i++) {
    if (sigsetjmp(after_fault, 1) == 0) {
      *foreign = 1;
    }
    uint8_t *end = put_count(script_heap_exchange(heap), 7, 0);
    outcome = script_heap_call(heap, SCRIPT_WHOLE_PROGRAM,
                               (uint32_t) (end - script_heap_exchange(heap)), &l, faulting_host,
                               heap);
    CHECK(outcome == SCRIPT_OK, "outcome %d", outcome);
    CHECK(script_heap_check(heap) == 0, "left something");
  }
  CHECK(foreign_faults == 12, "%d faults", (int) foreign_faults);
  script_heap_destroy(heap);
  munmap((void *) foreign, 4096);
}

/* Bytecode of the first heap makes the second one. */
static void test_bytecode(void) {
  int outcome;
  script_limits l = limits();
  script_stats stats;
  script_heap *heap = program("psl_return('from bytecode')", &outcome);
  script_heap_stats(heap, &stats);
  const uint8_t *answer = script_heap_exchange(heap);
  /* [[], bytes] */
  const uint8_t *bytecode = answer + 5 + 5;
  size_t length = stats.result_bytes - 10;
  script_heap *second = script_heap_create(HEAP_BYTES, EXCHANGE_BYTES, &outcome);
  uint8_t *at = put_count(script_heap_exchange(second), 7, 2);
  memcpy(at, bytecode, length);
  put_text(at + length, "test.js", 7);
  outcome = script_heap_load(second, SCRIPT_PROGRAM, &l, host, second);
  CHECK(outcome == SCRIPT_OK && bytecode[0] == 6, "outcome %d", outcome);
  CHECK(call(second, SCRIPT_WHOLE_PROGRAM, &l) == SCRIPT_OK, "call");
  CHECK(memcmp(script_heap_exchange(second) + 5, "from bytecode", 13) == 0, "result");
  script_heap_destroy(second);
  script_heap_destroy(heap);
}

/* Any heap size either works or says that it is out of memory. */
static void test_small_heaps(void) {
  for (uint32_t bytes = 4096; bytes <= 400000; bytes += 4096) {
    int outcome;
    script_heap *heap = script_heap_create(bytes, 65536, &outcome);
    CHECK((heap != NULL) == (outcome == SCRIPT_OK), "%u: %d", bytes, outcome);
    CHECK(outcome == SCRIPT_OK || outcome == SCRIPT_OUT_OF_MEMORY, "%u: %d", bytes, outcome);
    if (heap != NULL) {
      outcome = load(heap, SCRIPT_PROGRAM, "psl_return(1)");
      CHECK(outcome == SCRIPT_OK || outcome == SCRIPT_OUT_OF_MEMORY, "%u: %d", bytes, outcome);
      script_heap_destroy(heap);
    }
  }
}

static uint64_t random_state = 88172645463325252u;

static uint32_t chance(uint32_t bound) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t) (random_state >> 20) % bound;
}

/* Random use of the allocator beside a model of it: contents stay, structures agree. */
static void test_arena(void) {
  enum { BYTES = 1 << 20, BLOCKS = 400, STEPS = 60000 };
  static struct {
    uint8_t *at;
    size_t bytes;
    uint8_t mark;
  } blocks[BLOCKS];
  void *memory = aligned_alloc(4096, BYTES);
  arena *a = arena_init(memory, BYTES);
  for (int step = 0; step < STEPS; step++) {
    uint32_t i = chance(BLOCKS);
    size_t bytes = chance(8) == 0 ? chance(60000) : chance(300);
    uint8_t *got;
    if (blocks[i].at == NULL || chance(3) == 0) {
      got = blocks[i].at == NULL ? arena_alloc(a, bytes) : arena_realloc(a, blocks[i].at, bytes);
      if (got != NULL) {
        size_t kept = blocks[i].at == NULL ? 0 : blocks[i].bytes < bytes ? blocks[i].bytes : bytes;
        for (size_t k = 0; k < kept; k++) {
          if (got[k] != blocks[i].mark) {
            CHECK(0, "step %d: contents changed", step);
            break;
          }
        }
        blocks[i].at = got;
        blocks[i].bytes = bytes;
        blocks[i].mark = (uint8_t) step;
        memset(got, blocks[i].mark, bytes);
      }
    } else {
      arena_free(a, blocks[i].at);
      blocks[i].at = NULL;
    }
    if (step % 97 == 0) {
      arena_unpoison_all(a, BYTES);
      CHECK(arena_check(a) == 0, "step %d: broken at %u", step, arena_check(a));
    }
  }
  for (int i = 0; i < BLOCKS; i++) {
    if (blocks[i].at != NULL) {
      arena_free(a, blocks[i].at);
    }
  }
  CHECK(a->last == 0 && a->classes == 0, "everything given back");
  arena_unpoison_all(a, BYTES);
  free(memory);
}

int main(void) {
  /* There before the first heap, as the JVM's is. */
  struct sigaction action = {.sa_sigaction = on_foreign_fault, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, NULL);
  test_arena();
  test_values();
  test_outcomes();
  test_instructions();
  test_instructions_suffice();
  test_cancel();
  test_isolation();
  test_restores();
  test_many_heaps();
  test_foreign_faults();
  test_bytecode();
  test_small_heaps();
  printf("%d checks, %d failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
