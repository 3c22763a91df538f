/*
 * The memory of one script heap: one mapping with an allocator of its own inside.
 *
 * Invariants:
 * - Everything the allocator knows lies inside the mapping, below `top`: copying [base, base + top)
 *   away and back restores it, whatever state a stopped script left it in.
 * - Blocks lie one after another from the control structure to `top`. Two neighbours are never both
 *   free, and the last block is never free: it would have been given back to `top`.
 * - Nothing at or above `high_water` was ever written since the last restore or wipe.
 *
 * Two-level segregated fit: allocation and release take constant time. Offsets are 32 bits.
 * Not thread-safe: a heap has one thread at a time.
 */
#ifndef CAPSULE_ARENA_H
#define CAPSULE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define ARENA_CLASSES 27
#define ARENA_SUBCLASSES 16
#define ARENA_MAX_BYTES ((size_t) 1 << 30)

typedef struct arena {
  uint32_t limit;      /* no block ends above it */
  uint32_t top;        /* end of the last block */
  uint32_t last;       /* the last block, 0 if there is none */
  uint32_t high_water; /* highest `top` since the last restore */
  uint32_t classes;    /* bit c: some subclass of c has a free block */
  uint32_t subclasses[ARENA_CLASSES];
  uint32_t free[ARENA_CLASSES][ARENA_SUBCLASSES];
} arena;

/* Makes an arena of zeroed memory of `bytes` at `memory`, page aligned, at most ARENA_MAX_BYTES. */
arena *arena_init(void *memory, size_t bytes);

/* 8-byte aligned, not zeroed; NULL if there is no room. Zero bytes give a block as well. */
void *arena_alloc(arena *a, size_t bytes);

/* As realloc: NULL leaves the old block as it was. `block` is not NULL. */
void *arena_realloc(arena *a, void *block, size_t bytes);

/* `block` is not NULL. */
void arena_free(arena *a, void *block);

/*
 * Gives up the free blocks there are: what is allocated from now on lies together, above all there
 * is, until one of those below is given back.
 */
void arena_seal(arena *a);

/* Walks all blocks and free lists: 0 if they agree with each other, else the offset of what does not. */
uint32_t arena_check(const arena *a);

/* For AddressSanitizer: makes all of the arena accessible, before it is copied or wiped as a whole. */
void arena_unpoison_all(arena *a, size_t bytes);

#endif
