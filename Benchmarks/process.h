// What the kernel knows about a process: the run time of its threads and its resident memory.
#ifndef PROCESS_H
#define PROCESS_H

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t monotonic_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t own_cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Run time in nanoseconds of all threads that `pid` has now; 0 if it cannot be read. A thread
// that ended before takes its time with it, so brokers must keep their threads through a window.
static inline uint64_t process_cpu_ns(int pid) {
  char path[320];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  if (!tasks) return 0;
  uint64_t sum = 0;
  for (struct dirent *entry; (entry = readdir(tasks));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    uint64_t run = 0;
    if (fscanf(file, "%" SCNu64, &run) == 1) sum += run;
    fclose(file);
  }
  closedir(tasks);
  return sum;
}

static inline unsigned process_threads(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  if (!tasks) return 0;
  unsigned count = 0;
  for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

// Resident set in bytes. smaps_rollup counts pages; VmRSS of status may lag by some pages per
// core, and serves only where the former is not readable. 0 if neither is.
static inline uint64_t process_rss(int pid) {
  const char *const sources[2][2] = {{"smaps_rollup", "Rss:"}, {"status", "VmRSS:"}};
  for (int i = 0; i < 2; i++) {
    char line[256];
    snprintf(line, sizeof line, "/proc/%d/%s", pid, sources[i][0]);
    FILE *file = fopen(line, "r");
    if (!file) continue;
    size_t prefix = strlen(sources[i][1]);
    uint64_t kilobytes = 0;
    while (fgets(line, sizeof line, file))
      if (!strncmp(line, sources[i][1], prefix)) kilobytes = strtoull(line + prefix, NULL, 10);
    fclose(file);
    if (kilobytes) return kilobytes * 1024;
  }
  return 0;
}

#endif
