// Exact account of one subscriber's messages from one publisher: what is missing, what came
// twice, what came late. Sequence numbers start at 0.
#ifndef TRACKER_H
#define TRACKER_H

#include <stddef.h>
#include <stdint.h>

struct tracker {
  uint64_t next;       // one above the highest number seen
  uint64_t repeated;   // came again
  uint64_t reordered;  // came after a higher number
  uint64_t *missing;   // passed over and not seen yet, ascending
  size_t missing_count, missing_capacity;
};

// Notes an arrival; returns 1 for the first of its number and 0 for a repetition.
int tracker_note(struct tracker *t, uint64_t sequence);

// How many of the numbers below `sent` never came.
uint64_t tracker_lost(const struct tracker *t, uint64_t sent);

#endif
