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

#if defined(__x86_64__)
#include <nmmintrin.h>
#define CRC32C_TARGET __attribute__((target("sse4.2")))
#define CRC32C_8(crc, value) (uint32_t) _mm_crc32_u64(crc, value)
#define CRC32C_1(crc, value) _mm_crc32_u8(crc, value)

int clinux_has_crc32c(void) { return __builtin_cpu_supports("sse4.2") ? 1 : 0; }
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#define CRC32C_TARGET __attribute__((target("crc")))
#define CRC32C_8(crc, value) __crc32cd(crc, value)
#define CRC32C_1(crc, value) __crc32cb(crc, value)

int clinux_has_crc32c(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#else
int clinux_has_crc32c(void) { return 0; }

uint32_t clinux_crc32c(uint32_t previous, const uint8_t *bytes, size_t count) {
  (void)bytes, (void)count;
  return previous;
}
#endif

#ifdef CRC32C_TARGET
#include <string.h>

CRC32C_TARGET uint32_t clinux_crc32c(uint32_t previous, const uint8_t *bytes, size_t count) {
  uint32_t crc = ~previous;
  while (count >= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    crc = CRC32C_8(crc, word);
    bytes += 8;
    count -= 8;
  }
  while (count > 0) {
    crc = CRC32C_1(crc, *bytes);
    bytes++;
    count--;
  }
  return ~crc;
}
#endif
