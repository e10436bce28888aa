#include "tracker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_missing(struct tracker *t, uint64_t sequence) {
  if (t->missing_count == t->missing_capacity) {
    t->missing_capacity = t->missing_capacity ? 2 * t->missing_capacity : 64;
    t->missing = realloc(t->missing, t->missing_capacity * sizeof *t->missing);
    if (!t->missing) {
      fputs("out of memory\n", stderr);
      exit(2);
    }
  }
  t->missing[t->missing_count++] = sequence;
}

int tracker_note(struct tracker *t, uint64_t sequence) {
  if (sequence >= t->next) {
    while (t->next < sequence) add_missing(t, t->next++);
    t->next = sequence + 1;
    return 1;
  }
  size_t low = 0, high = t->missing_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (t->missing[middle] < sequence) low = middle + 1;
    else high = middle;
  }
  if (low == t->missing_count || t->missing[low] != sequence) {
    t->repeated++;
    return 0;
  }
  t->reordered++;
  t->missing_count--;
  memmove(t->missing + low, t->missing + low + 1, (t->missing_count - low) * sizeof *t->missing);
  return 1;
}

uint64_t tracker_lost(const struct tracker *t, uint64_t sent) {
  return t->missing_count + (sent - t->next);
}
