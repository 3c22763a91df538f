#include "snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "script_internal.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int handled; /* whether the handler is there; written once */
static struct sigaction before;
static size_t page;
static _Atomic int watched_heaps;

/* Makes pages writable; if the kernel has no room for another mapping, all of them. */
static void open_pages(snapshot *s, uint32_t first, uint32_t count) {
  if (s->run_count < SNAPSHOT_MAX_RUNS
      && mprotect(s->base + first * page, count * page, PROT_READ | PROT_WRITE) == 0) {
    uint32_t at = s->run_count;
    while (at > 0 && s->runs[at - 1].first > first) {
      at--;
    }
    int joins_previous = at > 0 && s->runs[at - 1].first + s->runs[at - 1].count == first;
    int joins_next = at < s->run_count && first + count == s->runs[at].first;
    if (joins_previous && joins_next) {
      s->runs[at - 1].count += count + s->runs[at].count;
      memmove(s->runs + at, s->runs + at + 1, (s->run_count - at - 1) * sizeof(snapshot_run));
      s->run_count--;
    } else if (joins_previous) {
      s->runs[at - 1].count += count;
    } else if (joins_next) {
      s->runs[at].first = first;
      s->runs[at].count += count;
    } else {
      memmove(s->runs + at + 1, s->runs + at, (s->run_count - at) * sizeof(snapshot_run));
      s->runs[at] = (snapshot_run) {first, count};
      s->run_count++;
    }
    return;
  }
  /* One mapping again instead of many: that needs no room. */
  if (mprotect(s->base, s->pages * page, PROT_READ | PROT_WRITE) != 0) {
    abort();
  }
  s->runs[0] = (snapshot_run) {0, s->pages};
  s->run_count = 1;
}

static int is_open(const snapshot *s, uint32_t number) {
  for (uint32_t i = 0; i < s->run_count; i++) {
    if (number >= s->runs[i].first && number - s->runs[i].first < s->runs[i].count) {
      return 1;
    }
  }
  return 0;
}

/* Whether the fault was the first write to a page of the heap that this thread runs. */
static int is_first_write(const siginfo_t *info) {
  const script_heap *heap = capsule_current;
  if (heap == NULL || info->si_code != SEGV_ACCERR) {
    return 0;
  }
  snapshot *s = (snapshot *) (uintptr_t) &heap->snapshot;
  uintptr_t address = (uintptr_t) info->si_addr;
  uintptr_t base = (uintptr_t) s->base;
  if (s->copy == NULL || !s->watched || address < base || address - base >= s->pages * page) {
    return 0;
  }
  uint32_t number = (uint32_t) ((address - base) / page);
  /* A page that can be written faults for another reason. */
  if (is_open(s, number)) {
    return 0;
  }
  open_pages(s, number, 1);
  return 1;
}

/* The JVM finds null pointers, safepoints and ends of stacks by this signal: all that goes on to it. */
static void on_fault(int number, siginfo_t *info, void *context) {
  int error = errno;
  int ours = is_first_write(info);
  errno = error;
  if (ours) {
    return;
  }
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(number, info, context);
  } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
    /* It faults again, and ends as it would have without us. */
    sigaction(number, &before, NULL);
  } else {
    before.sa_handler(number);
  }
}

static void start(void) {
  page = (size_t) sysconf(_SC_PAGESIZE);
  if (sigaction(SIGSEGV, NULL, &before) != 0) {
    return;
  }
  struct sigaction ours = before;
  ours.sa_sigaction = on_fault;
  ours.sa_flags = (int) ((unsigned) before.sa_flags & ~(unsigned) SA_RESETHAND) | SA_SIGINFO;
  /* The watchdog's signal waits: its handler may jump, and would leave this one half done. */
  sigfillset(&ours.sa_mask);
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
    sigdelset(&ours.sa_mask, faults[i]);
  }
  handled = sigaction(SIGSEGV, &ours, NULL) == 0;
}

/* Takes one of the places of heaps that are watched; 0 if there is none. */
static int take_place(void) {
  if (atomic_fetch_add(&watched_heaps, 1) < SNAPSHOT_MAX_WATCHED) {
    return 1;
  }
  atomic_fetch_sub(&watched_heaps, 1);
  return 0;
}

int snapshot_take(snapshot *s, void *base, size_t bytes) {
  pthread_once(&once, start);
  uint8_t *copy = malloc(bytes);
  if (copy == NULL) {
    return 0;
  }
  memcpy(copy, base, bytes);
  s->base = base;
  s->copy = copy;
  s->bytes = bytes;
  s->pages = (uint32_t) ((bytes + page - 1) / page);
  s->watched = 0;
  s->runs[0] = (snapshot_run) {0, s->pages};
  s->run_count = 1;
  uint32_t whole = (uint32_t) (bytes / page);
  if (whole < 2 || !handled || !take_place()) {
    return 1;
  }
  if (mprotect(s->base + page, (whole - 1) * page, PROT_READ) != 0) {
    atomic_fetch_sub(&watched_heaps, 1);
    return 1;
  }
  s->watched = 1;
  s->runs[0] = (snapshot_run) {0, 1};
  if (whole < s->pages) {
    s->runs[1] = (snapshot_run) {whole, 1};
    s->run_count = 2;
  }
  return 1;
}

void snapshot_restore(const snapshot *s) {
  for (uint32_t i = 0; i < s->run_count; i++) {
    size_t from = s->runs[i].first * page;
    size_t to = from + s->runs[i].count * page;
    memcpy(s->base + from, s->copy + from, (to < s->bytes ? to : s->bytes) - from);
  }
}

int snapshot_is_restored(const snapshot *s) {
  return memcmp(s->base, s->copy, s->bytes) == 0;
}

void snapshot_drop(snapshot *s) {
  if (s->watched) {
    s->watched = 0;
    atomic_fetch_sub(&watched_heaps, 1);
    mprotect(s->base, s->pages * page, PROT_READ | PROT_WRITE);
  }
  if (s->copy != NULL) {
    memset(s->copy, 0, s->bytes);
    free(s->copy);
    s->copy = NULL;
  }
}
