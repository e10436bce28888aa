#define _GNU_SOURCE
#include "clinux.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

int clinux_usable_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

int clinux_allocate(int file, int64_t offset, int64_t length) {
  return fallocate(file, 0, offset, length);
}

void clinux_return_free_memory(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
