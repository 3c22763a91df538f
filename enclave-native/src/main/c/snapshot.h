/*
 * What the memory of a heap was at one moment, and how it becomes that again.
 *
 * Copying all of it after every run costs more than most runs. So its pages are made read-only when
 * the snapshot is taken; the first write to one faults, and the fault makes that page writable and
 * notes it. Noted pages stay writable and are copied back each time: calls of one library write
 * mostly the same few, so that after the first calls there are no faults, and little is copied.
 *
 * Invariants:
 * - A page that is not noted is what it was: the processor sees to that, whatever the script did.
 * - Faults anywhere else are those of whoever handled them before, unchanged.
 * - Pages are noted only by the thread that runs the heap, in the handler of its own fault.
 */
#ifndef CAPSULE_SNAPSHOT_H
#define CAPSULE_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

/* Runs of pages that were written, beyond which all of it counts as written: each costs the kernel
 * a mapping, of which a process has some 65,000. */
#define SNAPSHOT_MAX_RUNS 64
/* Heaps of a process whose pages are watched; all of the others' memory is copied every time. */
#define SNAPSHOT_MAX_WATCHED 256

typedef struct snapshot_run {
  uint32_t first; /* page */
  uint32_t count;
} snapshot_run;

typedef struct snapshot {
  uint8_t *base;
  uint8_t *copy; /* NULL: there is no snapshot */
  size_t bytes;
  uint32_t pages;
  int watched;
  uint32_t run_count;
  snapshot_run runs[SNAPSHOT_MAX_RUNS]; /* ascending, not touching each other */
} snapshot;

/*
 * Keeps what is in `bytes` from `base` on, a page's beginning; nobody else writes there meanwhile.
 * The first page and the last, if it is not whole, count as written. 0 if there is no memory.
 */
int snapshot_take(snapshot *s, void *base, size_t bytes);

/* Makes the memory what it was. */
void snapshot_restore(const snapshot *s);

/* Whether all of the memory is what it was; for tests. */
int snapshot_is_restored(const snapshot *s);

/* Forgets it; the memory is writable afterwards. */
void snapshot_drop(snapshot *s);

#endif
