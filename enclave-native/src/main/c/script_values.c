#include <string.h>

#include "duktape_hooks.h"
#include "script_internal.h"

/* Tags of values. Known to ScriptValueCodec.java. */
enum {
  TAG_UNDEFINED = 0,
  TAG_NULL = 1,
  TAG_FALSE = 2,
  TAG_TRUE = 3,
  TAG_NUMBER = 4,
  TAG_STRING = 5,
  TAG_BYTES = 6,
  TAG_ARRAY = 7,
  TAG_OBJECT = 8
};

/*
 * The engine keeps a character beyond U+FFFF as two surrogates of three bytes each, and may hold half
 * of a pair. Outside there is UTF-8 only: pairs become four bytes, halves U+FFFD.
 */

static uint8_t *reserve(duk_context *ctx, value_writer *w, size_t bytes) {
  uint8_t *at = w->next;
  if ((size_t) (w->end - w->next) < bytes) {
    script_stop(script_heap_of(ctx), w->overflow);
  }
  w->next += bytes;
  return at;
}

static void put32(uint8_t *to, uint32_t value) {
  memcpy(to, &value, 4);
}

static int is_plain(const uint8_t *text, size_t length) {
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, text + i, 8);
    if ((word & UINT64_C(0x8080808080808080)) != 0) {
      return 0;
    }
  }
  for (; i < length; i++) {
    if (text[i] >= 0x80) {
      return 0;
    }
  }
  return 1;
}

static int is_surrogate(const uint8_t *at, const uint8_t *end, int low) {
  return end - at >= 3 && at[0] == 0xed && (low ? at[1] >= 0xb0 && at[1] <= 0xbf : at[1] >= 0xa0 && at[1] <= 0xaf);
}

/* Bytes of the sequence at `at`, by its first byte; the engine's strings are well formed. */
static size_t sequence(uint8_t first) {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : first < 0xfc ? 5 : first < 0xfe ? 6 : 7;
}

/* Writes at most `most` bytes of UTF-8, ending between characters. Never more bytes than it reads. */
static void write_text(duk_context *ctx, value_writer *w, const uint8_t *text, size_t length,
                       size_t most) {
  uint8_t *count = reserve(ctx, w, 4);
  const uint8_t *end = text + length;
  if (is_plain(text, length)) {
    if (length > most) {
      length = most;
    }
    memcpy(reserve(ctx, w, length), text, length);
    put32(count, (uint32_t) length);
    return;
  }
  while (text < end) {
    uint8_t out[4];
    size_t n = sequence(*text);
    size_t written = n;
    if (n > (size_t) (end - text)) {
      n = (size_t) (end - text);
      written = 0;
    }
    if (is_surrogate(text, end, 0) && is_surrogate(text + 3, end, 1)) {
      uint32_t high = ((uint32_t) (text[1] & 0x0f) << 6) | (text[2] & 0x3f);
      uint32_t low = ((uint32_t) (text[4] & 0x0f) << 6) | (text[5] & 0x3f);
      uint32_t c = 0x10000 + (high << 10) + low;
      out[0] = (uint8_t) (0xf0 | c >> 18);
      out[1] = (uint8_t) (0x80 | (c >> 12 & 0x3f));
      out[2] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
      out[3] = (uint8_t) (0x80 | (c & 0x3f));
      n = 6;
      written = 4;
    } else if (written == 0 || n > 3 || (n == 3 && text[0] == 0xed && text[1] >= 0xa0)) {
      memcpy(out, "\xef\xbf\xbd", 3);
      written = 3;
    } else {
      memcpy(out, text, n);
    }
    if ((size_t) (w->next - count) - 4 + written > most) {
      break;
    }
    memcpy(reserve(ctx, w, written), out, written);
    text += n;
  }
  put32(count, (uint32_t) (w->next - count - 4));
}

static void write_string(duk_context *ctx, duk_idx_t index, value_writer *w) {
  duk_size_t length;
  const char *text = duk_get_lstring(ctx, index, &length);
  write_text(ctx, w, (const uint8_t *) text, length, SIZE_MAX);
}

void value_write_clipped(duk_context *ctx, duk_idx_t index, value_writer *w, size_t most) {
  duk_size_t length;
  const char *text = duk_get_lstring(ctx, index, &length);
  *reserve(ctx, w, 1) = TAG_STRING;
  write_text(ctx, w, (const uint8_t *) text, text == NULL ? 0 : length, most);
}

void value_write_count(duk_context *ctx, value_writer *w, int tag, uint32_t count) {
  uint8_t *at = reserve(ctx, w, 5);
  at[0] = (uint8_t) tag;
  put32(at + 1, count);
}

static void write_array(duk_context *ctx, duk_idx_t index, value_writer *w, int nesting) {
  duk_size_t length = duk_get_length(ctx, index);
  /* Each member takes at least a byte: a length that cannot fit is not walked through. */
  if (length > (duk_size_t) (w->end - w->next)) {
    script_stop(script_heap_of(ctx), w->overflow);
  }
  value_write_count(ctx, w, TAG_ARRAY, (uint32_t) length);
  for (duk_size_t i = 0; i < length; i++) {
    duk_get_prop_index(ctx, index, (duk_uarridx_t) i);
    value_write(ctx, duk_get_top_index(ctx), w, nesting + 1);
    duk_pop(ctx);
  }
}

static void write_object(duk_context *ctx, duk_idx_t index, value_writer *w, int nesting) {
  uint8_t *count = reserve(ctx, w, 5) + 1;
  uint32_t members = 0;
  count[-1] = TAG_OBJECT;
  duk_enum(ctx, index, DUK_ENUM_OWN_PROPERTIES_ONLY);
  while (duk_next(ctx, -1, 1)) {
    /* Without a value in JSON, without one here. */
    if (!duk_is_undefined(ctx, -1) && !duk_is_function(ctx, -1) && !duk_is_symbol(ctx, -1)) {
      write_string(ctx, duk_normalize_index(ctx, -2), w);
      value_write(ctx, duk_get_top_index(ctx), w, nesting + 1);
      members++;
    }
    duk_pop_2(ctx);
  }
  duk_pop(ctx);
  put32(count, members);
}

void value_write(duk_context *ctx, duk_idx_t index, value_writer *w, int nesting) {
  if (nesting > SCRIPT_MAX_NESTING) {
    (void) duk_range_error(ctx, "a value is nested more than %d deep", SCRIPT_MAX_NESTING);
  }
  duk_require_stack(ctx, 8);
  if (duk_is_symbol(ctx, index)) {
    (void) duk_type_error(ctx, "a symbol cannot leave the script");
  }
  switch (duk_get_type(ctx, index)) {
    case DUK_TYPE_NULL:
      *reserve(ctx, w, 1) = TAG_NULL;
      return;
    case DUK_TYPE_BOOLEAN:
      *reserve(ctx, w, 1) = duk_get_boolean(ctx, index) ? TAG_TRUE : TAG_FALSE;
      return;
    case DUK_TYPE_NUMBER: {
      double number = duk_get_number(ctx, index);
      uint8_t *at = reserve(ctx, w, 9);
      at[0] = TAG_NUMBER;
      memcpy(at + 1, &number, 8);
      return;
    }
    case DUK_TYPE_STRING:
      *reserve(ctx, w, 1) = TAG_STRING;
      write_string(ctx, index, w);
      return;
    case DUK_TYPE_BUFFER:
    case DUK_TYPE_OBJECT:
      break;
    default:
      *reserve(ctx, w, 1) = TAG_UNDEFINED;
      return;
  }
  if (duk_is_buffer_data(ctx, index)) {
    duk_size_t length;
    void *bytes = duk_get_buffer_data(ctx, index, &length);
    if (length > (duk_size_t) (w->end - w->next)) {
      script_stop(script_heap_of(ctx), w->overflow);
    }
    value_write_count(ctx, w, TAG_BYTES, (uint32_t) length);
    if (length > 0) {
      memcpy(reserve(ctx, w, length), bytes, length);
    }
    return;
  }
  if (duk_is_function(ctx, index)) {
    (void) duk_type_error(ctx, "a function cannot leave the script");
  }
  /* As JSON does: dates, for one, say themselves what they are. */
  duk_get_prop_string(ctx, index, "toJSON");
  if (duk_is_callable(ctx, -1)) {
    duk_dup(ctx, index);
    duk_call_method(ctx, 0);
    if (duk_is_object(ctx, -1) && duk_get_heapptr(ctx, -1) == duk_get_heapptr(ctx, index)) {
      (void) duk_type_error(ctx, "toJSON answered the object itself");
    }
    value_write(ctx, duk_get_top_index(ctx), w, nesting + 1);
    duk_pop(ctx);
    return;
  }
  duk_pop(ctx);
  if (duk_is_array(ctx, index)) {
    write_array(ctx, index, w, nesting);
  } else {
    write_object(ctx, index, w, nesting);
  }
}

static void malformed(duk_context *ctx) {
  (void) duk_type_error(ctx, "the host gave a malformed value");
}

static uint32_t get32(duk_context *ctx, const uint8_t **from, const uint8_t *end) {
  uint32_t value;
  if (end - *from < 4) {
    malformed(ctx);
  }
  memcpy(&value, *from, 4);
  *from += 4;
  return value;
}

/* The character at `*from`, which moves past it; -1 if it is not UTF-8 (Unicode 15, table 3-7). */
static int32_t next_character(const uint8_t **from, const uint8_t *end) {
  const uint8_t *at = *from;
  uint32_t c = at[0];
  int more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : -1;
  if (more < 0 || end - at <= more) {
    return -1;
  }
  if (more > 0) {
    c &= (uint32_t) 0x3f >> more;
    for (int i = 1; i <= more; i++) {
      if ((at[i] & 0xc0) != 0x80) {
        return -1;
      }
      c = c << 6 | (at[i] & 0x3f);
    }
  }
  if ((more == 2 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (more == 3 && (c < 0x10000 || c > 0x10ffff))) {
    return -1;
  }
  *from = at + more + 1;
  return (int32_t) c;
}

/* Bytes that are not UTF-8 could name the engine's hidden properties: they are refused. */
static void push_text(duk_context *ctx, const uint8_t *text, uint32_t length) {
  const uint8_t *at = text;
  const uint8_t *end = text + length;
  size_t wide = 0;
  if (is_plain(text, length)) {
    duk_push_lstring(ctx, (const char *) text, length);
    return;
  }
  while (at < end) {
    int32_t c = next_character(&at, end);
    if (c < 0) {
      (void) duk_type_error(ctx, "text is not valid UTF-8");
    }
    wide += c > 0xffff;
  }
  if (wide == 0) {
    duk_push_lstring(ctx, (const char *) text, length);
    return;
  }
  uint8_t *out = duk_push_fixed_buffer(ctx, length + 2 * wide);
  uint8_t *to = out;
  for (at = text; at < end;) {
    const uint8_t *from = at;
    int32_t c = next_character(&at, end);
    if (c <= 0xffff) {
      memcpy(to, from, (size_t) (at - from));
      to += at - from;
    } else {
      uint32_t pair = (uint32_t) c - 0x10000;
      uint32_t half[2] = {0xd800 + (pair >> 10), 0xdc00 + (pair & 0x3ff)};
      for (int i = 0; i < 2; i++) {
        *to++ = (uint8_t) (0xe0 | half[i] >> 12);
        *to++ = (uint8_t) (0x80 | (half[i] >> 6 & 0x3f));
        *to++ = (uint8_t) (0x80 | (half[i] & 0x3f));
      }
    }
  }
  duk_push_lstring(ctx, (const char *) out, (duk_size_t) (to - out));
  duk_remove(ctx, -2);
}

static uint32_t read_length(duk_context *ctx, const uint8_t **from, const uint8_t *end) {
  uint32_t length = get32(ctx, from, end);
  if (length > (size_t) (end - *from)) {
    malformed(ctx);
  }
  return length;
}

uint32_t value_read_array(duk_context *ctx, const uint8_t **from, const uint8_t *end) {
  if (*from >= end || *(*from)++ != TAG_ARRAY) {
    malformed(ctx);
  }
  return read_length(ctx, from, end);
}

void value_read(duk_context *ctx, const uint8_t **from, const uint8_t *end, int nesting) {
  if (*from >= end || nesting > SCRIPT_MAX_NESTING) {
    malformed(ctx);
  }
  duk_require_stack(ctx, 4);
  switch (*(*from)++) {
    case TAG_UNDEFINED:
      duk_push_undefined(ctx);
      return;
    case TAG_NULL:
      duk_push_null(ctx);
      return;
    case TAG_FALSE:
      duk_push_false(ctx);
      return;
    case TAG_TRUE:
      duk_push_true(ctx);
      return;
    case TAG_NUMBER: {
      double number;
      if (end - *from < 8) {
        malformed(ctx);
      }
      memcpy(&number, *from, 8);
      *from += 8;
      duk_push_number(ctx, number);
      return;
    }
    case TAG_STRING: {
      uint32_t length = read_length(ctx, from, end);
      push_text(ctx, *from, length);
      *from += length;
      return;
    }
    case TAG_BYTES: {
      uint32_t length = read_length(ctx, from, end);
      void *bytes = duk_push_fixed_buffer(ctx, length);
      if (length > 0) {
        memcpy(bytes, *from, length);
      }
      *from += length;
      duk_push_buffer_object(ctx, -1, 0, length, DUK_BUFOBJ_UINT8ARRAY);
      duk_remove(ctx, -2);
      return;
    }
    case TAG_ARRAY: {
      uint32_t count = read_length(ctx, from, end);
      capsule_engine_push_array(ctx, count);
      for (uint32_t i = 0; i < count; i++) {
        value_read(ctx, from, end, nesting + 1);
        capsule_engine_set_element(ctx, i);
      }
      return;
    }
    case TAG_OBJECT: {
      uint32_t count = read_length(ctx, from, end);
      duk_push_object(ctx);
      for (uint32_t i = 0; i < count; i++) {
        uint32_t length = read_length(ctx, from, end);
        push_text(ctx, *from, length);
        *from += length;
        value_read(ctx, from, end, nesting + 1);
        duk_def_prop(ctx, -3, DUK_DEFPROP_HAVE_VALUE | DUK_DEFPROP_SET_WEC);
      }
      return;
    }
    default:
      malformed(ctx);
  }
}
