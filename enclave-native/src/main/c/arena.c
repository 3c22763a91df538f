#include "arena.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(address, bytes) ASAN_POISON_MEMORY_REGION((address), (bytes))
#define UNPOISON(address, bytes) ASAN_UNPOISON_MEMORY_REGION((address), (bytes))
#else
#define POISON(address, bytes) ((void) (address), (void) (bytes))
#define UNPOISON(address, bytes) ((void) (address), (void) (bytes))
#endif

/* Before each block's payload. */
typedef struct header {
  uint32_t previous; /* the block before it in memory, 0 for the first */
  uint32_t size;     /* bytes of payload, a multiple of 8; lowest bit: free */
} header;

/* In the payload of a free block. */
typedef struct link {
  uint32_t next;
  uint32_t previous;
} link;

enum { HEADER = sizeof(header), SMALLEST = sizeof(link), IS_FREE = 1, LINEAR = 128 };

static header *at(const arena *a, uint32_t offset) {
  return (header *) ((char *) (uintptr_t) a + offset);
}

static link *links(header *block) {
  return (link *) (block + 1);
}

static uint32_t offset_of(const arena *a, const header *block) {
  return (uint32_t) ((const char *) block - (const char *) a);
}

static uint32_t size_of(const header *block) {
  return block->size & ~(uint32_t) IS_FREE;
}

static uint32_t first_offset(void) {
  return (uint32_t) ((sizeof(arena) + 7) & ~(size_t) 7);
}

/* The class of a size: linear steps of 8 below 128, then 16 steps in each power of two. */
static void classify(uint32_t size, unsigned *c, unsigned *s) {
  if (size < LINEAR) {
    *c = 0;
    *s = size / 8;
  } else {
    unsigned log = 31u - (unsigned) __builtin_clz(size);
    *c = log - 6;
    *s = (size >> (log - 4)) & (ARENA_SUBCLASSES - 1);
  }
}

static void insert(arena *a, header *block) {
  unsigned c, s;
  uint32_t offset = offset_of(a, block);
  uint32_t head;
  classify(size_of(block), &c, &s);
  head = a->free[c][s];
  UNPOISON(links(block), sizeof(link));
  links(block)->next = head;
  links(block)->previous = 0;
  if (head != 0) {
    links(at(a, head))->previous = offset;
  }
  a->free[c][s] = offset;
  a->subclasses[c] |= 1u << s;
  a->classes |= 1u << c;
  block->size |= IS_FREE;
}

static void take(arena *a, header *block) {
  unsigned c, s;
  link *l = links(block);
  classify(size_of(block), &c, &s);
  if (l->next != 0) {
    links(at(a, l->next))->previous = l->previous;
  }
  if (l->previous != 0) {
    links(at(a, l->previous))->next = l->next;
  } else {
    a->free[c][s] = l->next;
    if (l->next == 0) {
      a->subclasses[c] &= ~(1u << s);
      if (a->subclasses[c] == 0) {
        a->classes &= ~(1u << c);
      }
    }
  }
  block->size &= ~(uint32_t) IS_FREE;
}

/* A free block of at least `size`, taken off its list; NULL if there is none to be found at once. */
static header *find(arena *a, uint32_t size) {
  unsigned c, s;
  uint32_t bits;
  header *block;
  if (size >= LINEAR) {
    /* Up to the next class, of which every member is large enough. */
    size += (1u << (31u - (unsigned) __builtin_clz(size) - 4)) - 1;
  }
  classify(size, &c, &s);
  if (c >= ARENA_CLASSES) {
    return NULL;
  }
  bits = a->subclasses[c] & (~0u << s);
  if (bits == 0) {
    uint32_t classes = a->classes & (c + 1 < 32 ? ~0u << (c + 1) : 0);
    if (classes == 0) {
      return NULL;
    }
    c = (unsigned) __builtin_ctz(classes);
    bits = a->subclasses[c];
  }
  s = (unsigned) __builtin_ctz(bits);
  block = at(a, a->free[c][s]);
  take(a, block);
  return block;
}

/* Tells the block after `block`, which changed its size or its place, where it begins. */
static void tell_next(arena *a, header *block) {
  uint32_t offset = offset_of(a, block);
  uint32_t next = offset + HEADER + size_of(block);
  if (next < a->top) {
    at(a, next)->previous = offset;
  } else {
    a->last = offset;
  }
}

static void release(arena *a, header *block);

/* Cuts off what `block`, in use, has beyond `size`. */
static void trim(arena *a, header *block, uint32_t size) {
  uint32_t rest = size_of(block) - size;
  header *tail;
  if (rest < HEADER + SMALLEST) {
    return;
  }
  tail = at(a, offset_of(a, block) + HEADER + size);
  UNPOISON(tail, HEADER);
  tail->previous = offset_of(a, block);
  tail->size = rest - HEADER;
  block->size = size;
  tell_next(a, tail);
  release(a, tail);
}

/* Gives back `block`, which is in use, joining it with free neighbours. */
static void release(arena *a, header *block) {
  uint32_t next = offset_of(a, block) + HEADER + size_of(block);
  if (block->previous != 0 && (at(a, block->previous)->size & IS_FREE) != 0) {
    header *before = at(a, block->previous);
    take(a, before);
    before->size += HEADER + size_of(block);
    block = before;
  }
  if (next < a->top && (at(a, next)->size & IS_FREE) != 0) {
    header *after = at(a, next);
    take(a, after);
    block->size += HEADER + size_of(after);
    next = offset_of(a, block) + HEADER + size_of(block);
  }
  if (next >= a->top) {
    a->top = offset_of(a, block);
    a->last = block->previous;
    return;
  }
  at(a, next)->previous = offset_of(a, block);
  POISON(block + 1, size_of(block));
  insert(a, block);
}

/* Moves `top` up for a new last block, or a longer one; 0 if the limit is in the way. */
static int extend(arena *a, uint32_t bytes) {
  if (a->top > a->limit || a->limit - a->top < bytes) {
    return 0;
  }
  a->top += bytes;
  if (a->top > a->high_water) {
    a->high_water = a->top;
  }
  return 1;
}

static uint32_t rounded(size_t bytes) {
  return bytes < SMALLEST ? SMALLEST : (uint32_t) ((bytes + 7) & ~(size_t) 7);
}

arena *arena_init(void *memory, size_t bytes) {
  arena *a = memory;
  uint32_t capacity = (uint32_t) (bytes > ARENA_MAX_BYTES ? ARENA_MAX_BYTES : bytes);
  memset(a, 0, sizeof(arena));
  a->limit = capacity & ~(uint32_t) 7;
  a->top = first_offset();
  a->high_water = a->top;
  return a;
}

void *arena_alloc(arena *a, size_t bytes) {
  uint32_t size;
  header *block;
  if (bytes > a->limit) {
    return NULL;
  }
  size = rounded(bytes);
  block = find(a, size);
  if (block != NULL) {
    trim(a, block, size);
  } else {
    uint32_t offset = a->top;
    if (!extend(a, HEADER + size)) {
      return NULL;
    }
    block = at(a, offset);
    UNPOISON(block, HEADER);
    block->previous = a->last;
    block->size = size;
    a->last = offset;
  }
  UNPOISON(block + 1, size_of(block));
  POISON((char *) (block + 1) + bytes, size_of(block) - bytes);
  return block + 1;
}

void *arena_realloc(arena *a, void *payload, size_t bytes) {
  header *block = (header *) payload - 1;
  uint32_t old = size_of(block);
  uint32_t size, next;
  void *moved;
  if (bytes > a->limit) {
    return NULL;
  }
  size = rounded(bytes);
  if (size > old) {
    next = offset_of(a, block) + HEADER + old;
    if (next >= a->top) {
      if (extend(a, size - old)) {
        block->size = size;
      }
    } else if ((at(a, next)->size & IS_FREE) != 0
               && (uint64_t) old + HEADER + size_of(at(a, next)) >= size) {
      header *after = at(a, next);
      take(a, after);
      block->size += HEADER + size_of(after);
      tell_next(a, block);
    }
  }
  if (size_of(block) >= size) {
    UNPOISON(payload, size_of(block));
    trim(a, block, size);
    POISON((char *) payload + bytes, size_of(block) - bytes);
    return payload;
  }
  moved = arena_alloc(a, bytes);
  if (moved == NULL) {
    return NULL;
  }
  UNPOISON(payload, old);
  memcpy(moved, payload, old < bytes ? old : bytes);
  release(a, block);
  return moved;
}

void arena_free(arena *a, void *payload) {
  release(a, (header *) payload - 1);
}

void arena_seal(arena *a) {
  for (uint32_t offset = first_offset(); offset < a->top; offset += HEADER + size_of(at(a, offset))) {
    at(a, offset)->size &= ~(uint32_t) IS_FREE;
  }
  a->classes = 0;
  memset(a->subclasses, 0, sizeof(a->subclasses));
  memset(a->free, 0, sizeof(a->free));
}

uint32_t arena_check(const arena *a) {
  uint32_t previous = 0;
  uint32_t offset = first_offset();
  uint32_t free_blocks = 0;
  int last_free = 0;
  while (offset < a->top) {
    header *block = at(a, offset);
    uint32_t size = size_of(block);
    int is_free = (block->size & IS_FREE) != 0;
    if (block->previous != previous || size < SMALLEST || size % 8 != 0 || (is_free && last_free)) {
      return offset;
    }
    if (is_free) {
      unsigned c, s;
      uint32_t member;
      classify(size, &c, &s);
      if ((a->classes & 1u << c) == 0 || (a->subclasses[c] & 1u << s) == 0) {
        return offset;
      }
      member = a->free[c][s];
      while (member != 0 && member != offset) {
        member = links(at(a, member))->next;
      }
      if (member != offset) {
        return offset;
      }
      free_blocks++;
    }
    last_free = is_free;
    previous = offset;
    offset += HEADER + size;
  }
  if (offset != a->top || last_free || a->last != previous || a->top > a->high_water) {
    return a->top;
  }
  for (unsigned c = 0; c < ARENA_CLASSES; c++) {
    for (unsigned s = 0; s < ARENA_SUBCLASSES; s++) {
      for (uint32_t m = a->free[c][s]; m != 0; m = links(at(a, m))->next) {
        if (free_blocks == 0) {
          return m;
        }
        free_blocks--;
      }
    }
  }
  return free_blocks == 0 ? 0 : a->top;
}

void arena_unpoison_all(arena *a, size_t bytes) {
  UNPOISON(a, bytes);
}
