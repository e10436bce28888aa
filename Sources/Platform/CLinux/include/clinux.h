// System calls whose types Swift imports ambiguously or not at all. No logic, no allocation.
#ifndef ORRERY_CLINUX_H
#define ORRERY_CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

/// Nanoseconds of CLOCK_MONOTONIC.
static inline uint64_t clinux_monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/// Nanoseconds since 1970 of CLOCK_REALTIME.
static inline int64_t clinux_wall_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// Processors that this process may run on, at least 1.
int clinux_usable_processors(void);

/// fallocate(2) with mode 0; 0 or -1 with errno.
int clinux_allocate(int file, int64_t offset, int64_t length);

/// malloc_trim(3) of everything, where the C library has it.
void clinux_return_free_memory(void);

#endif
