// A growable byte queue: appended at the end, consumed from the front.
#ifndef BUFFER_H
#define BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
  uint8_t *bytes;
  size_t start, end, capacity;
};

static inline size_t buffer_count(const struct buffer *b) { return b->end - b->start; }

// Room for `count` bytes at the end; the caller fills it and adds `count` to `end`.
static inline uint8_t *buffer_reserve(struct buffer *b, size_t count) {
  if (b->capacity - b->end < count) {
    size_t held = buffer_count(b);
    if (b->start > 0 && b->capacity - held >= count) {
      memmove(b->bytes, b->bytes + b->start, held);
    } else {
      size_t capacity = b->capacity ? b->capacity : 512;
      while (capacity - held < count) capacity *= 2;
      uint8_t *bytes = malloc(capacity);
      if (!bytes) {
        fputs("out of memory\n", stderr);
        exit(2);
      }
      if (held) memcpy(bytes, b->bytes + b->start, held);
      free(b->bytes);
      b->bytes = bytes;
      b->capacity = capacity;
    }
    b->start = 0;
    b->end = held;
  }
  return b->bytes + b->end;
}

static inline void buffer_append(struct buffer *b, const void *bytes, size_t count) {
  if (count == 0) return;
  memcpy(buffer_reserve(b, count), bytes, count);
  b->end += count;
}

static inline void buffer_consume(struct buffer *b, size_t count) {
  b->start += count;
  if (b->start == b->end) b->start = b->end = 0;
}

// Gives the memory back, so that an idle connection holds none.
static inline void buffer_free(struct buffer *b) {
  free(b->bytes);
  *b = (struct buffer){0};
}

#endif
