/*
 * Ends runs that are over their time, also inside loops of the engine that reach none of its hooks:
 * a signal to the thread, whose handler jumps to the run's boundary if the window is open.
 *
 * One thread for the process. It looks at every run each TICK while there are any, and waits on a
 * futex otherwise. It never touches a heap that is not on its list, nor one outside its lock.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "script_internal.h"

#define TICK_NS 2000000
/* Ticks without a run before it waits: a system call for each call of a script would cost more. */
#define IDLE_TICKS 25

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static script_heap *heaps;
static int started;
static int signal_number;
static _Atomic int parked;

static void on_signal(int number) {
  script_heap *heap = capsule_current;
  (void) number;
  if (heap != NULL && heap->window == WINDOW_OPEN) {
    int reason = script_stop_reason(heap);
    if (reason != 0) {
      script_stop(heap, reason);
    }
  }
}

int64_t watchdog_cpu_ns(pid_t thread) {
  /* The kernel's number for the CPU clock of a thread of this process: see clock_getres(2). */
  clockid_t clock = (clockid_t) (((unsigned) ~thread << 3) | 6u);
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) {
    return -1;
  }
  return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void interrupt(script_heap *heap) {
  pid_t thread = atomic_load(&heap->thread);
  if (thread != 0) {
    syscall(SYS_tgkill, getpid(), thread, signal_number);
  }
}

/* Whether a run of `heap` goes on; stops it if its time is over. */
static int look_at(script_heap *heap, int64_t now) {
  uint64_t generation = atomic_load(&heap->active);
  if (generation == 0) {
    return 0;
  }
  int64_t elapsed = now - atomic_load(&heap->started_ns);
  int64_t cpu = atomic_load(&heap->cpu_ns);
  int64_t wall = atomic_load(&heap->wall_ns);
  int64_t started_cpu = atomic_load(&heap->started_cpu_ns);
  pid_t thread = atomic_load(&heap->thread);
  int reason = 0;
  if (elapsed >= wall) {
    reason = SCRIPT_WALL_TIME;
  } else if (elapsed >= cpu) {
    int64_t used = watchdog_cpu_ns(thread);
    if (used >= 0 && used - started_cpu >= cpu) {
      reason = SCRIPT_CPU_TIME;
    }
  }
  /* What was read belongs to this run only if it is still the one. */
  if (atomic_load(&heap->active) != generation) {
    return 1;
  }
  if (reason != 0) {
    atomic_store(&heap->killed, generation << 8 | (uint64_t) reason);
    interrupt(heap);
  } else if (atomic_load(&heap->cancelled) != 0) {
    interrupt(heap);
  }
  return 1;
}

static int look_at_all(void) {
  int running = 0;
  int64_t now = script_clock_ns(CLOCK_MONOTONIC);
  pthread_mutex_lock(&lock);
  for (script_heap *heap = heaps; heap != NULL; heap = heap->next) {
    running |= look_at(heap, now);
  }
  pthread_mutex_unlock(&lock);
  return running;
}

static void *watch(void *unused) {
  static const struct timespec tick = {0, TICK_NS};
  int idle = 0;
  (void) unused;
  for (;;) {
    if (look_at_all()) {
      idle = 0;
    } else if (++idle > IDLE_TICKS) {
      atomic_store(&parked, 1);
      /* A run that began before it could see this is found now. */
      if (!look_at_all()) {
        syscall(SYS_futex, &parked, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
      }
      atomic_store(&parked, 0);
      idle = 0;
    }
    nanosleep(&tick, NULL);
  }
  return NULL;
}

void watchdog_notice(void) {
  if (atomic_load(&parked) != 0) {
    atomic_store(&parked, 0);
    syscall(SYS_futex, &parked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
}

/* Takes the first real-time signal that nobody handles. */
static int take_signal(void) {
  for (int number = SIGRTMIN + 3; number <= SIGRTMAX; number++) {
    struct sigaction old;
    /* Not blocked while handled: the jump out of the handler would leave it blocked. */
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_NODEFER | SA_RESTART};
    sigemptyset(&ours.sa_mask);
    if (sigaction(number, NULL, &old) == 0 && (old.sa_flags & SA_SIGINFO) == 0
        && old.sa_handler == SIG_DFL) {
      if (sigaction(number, &ours, NULL) != 0) {
        return errno;
      }
      signal_number = number;
      return 0;
    }
  }
  return EBUSY;
}

static int start(void) {
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  int failed = take_signal();
  if (failed != 0) {
    return failed;
  }
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, (size_t) PTHREAD_STACK_MIN + ((size_t) 128 << 10));
  /* The process's signals are for its other threads. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failed = pthread_create(&thread, &attributes, watch, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failed;
}

int watchdog_add(script_heap *heap) {
  int failed = 0;
  pthread_mutex_lock(&lock);
  if (!started) {
    failed = start();
    started = failed == 0;
  }
  if (failed == 0) {
    heap->next = heaps;
    heap->previous = NULL;
    if (heaps != NULL) {
      heaps->previous = heap;
    }
    heaps = heap;
  }
  pthread_mutex_unlock(&lock);
  return failed;
}

void watchdog_remove(script_heap *heap) {
  pthread_mutex_lock(&lock);
  if (heap->previous != NULL) {
    heap->previous->next = heap->next;
  } else {
    heaps = heap->next;
  }
  if (heap->next != NULL) {
    heap->next->previous = heap->previous;
  }
  pthread_mutex_unlock(&lock);
}

void watchdog_interrupt(script_heap *heap) {
  if (atomic_load(&heap->active) != 0) {
    interrupt(heap);
  }
}
