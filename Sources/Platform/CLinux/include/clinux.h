// System calls whose types Swift imports ambiguously or not at all. No logic, no allocation.
#ifndef ORRERY_CLINUX_H
#define ORRERY_CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
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

/// O_DIRECT, which the importer leaves out.
static const int clinux_o_direct = O_DIRECT;

/// fallocate(2) with mode 0; 0 or -1 with errno.
int clinux_allocate(int file, int64_t offset, int64_t length);

/// malloc_trim(3) of everything, where the C library has it.
void clinux_return_free_memory(void);

/// Whether the processor has an instruction for CRC-32C.
int clinux_has_crc32c(void);

/// CRC-32C of `count` bytes, continued from `previous` (0 to begin), by the processor's instruction.
///
/// Only where `clinux_has_crc32c` says yes.
uint32_t clinux_crc32c(uint32_t previous, const uint8_t *bytes, size_t count);

// From here on without the system's own types: its headers read with other feature macros than
// elsewhere would make the same types twice.

/// Has the kernel kill this process when its parent ends; execve(2) keeps that.
int clinux_die_with_parent(void);

/// Takes from this process, for good, what programs with the set-user-ID bit could give it.
int clinux_no_new_privileges(void);

/// Which version of Landlock the kernel has, 0 for none.
int clinux_landlock_version(void);

/// landlock_create_ruleset(2): a descriptor, or -1 with errno.
///
/// `scopes` counts from version 6 on.
int clinux_landlock_create(uint64_t file_rights, uint64_t scopes);

/// landlock_add_rule(2): allows `rights` below what `file` is; 0 or -1 with errno.
int clinux_landlock_allow(int rules, int file, uint64_t rights);

/// landlock_restrict_self(2); 0 or -1 with errno. Takes clinux_no_new_privileges before.
int clinux_landlock_enter(int rules);

/// Takes all capabilities but those of the bits in `kept` from this process and what it runs, for
/// good; 0 or -1 with errno.
int clinux_keep_capabilities(uint64_t kept);

/// RLIMIT_NPROC, which the importer leaves out.
int clinux_rlimit_processes(void);

/// pipe2(2) with O_CLOEXEC: the end to read from, and the one to write to.
int clinux_pipe(int files[2]);

/// Makes this process the parent of what its children leave behind; 0 or -1 with errno.
int clinux_adopt_orphans(void);

/// openat2(2): opens `path` as if `directory` were the root of the file system, links included; a
/// descriptor, or -1 with errno.
int clinux_open_in_root(int directory, const char *path, int flags);

/// syncfs(2) of the file system that `file` is on; 0 or -1 with errno.
int clinux_sync_file_system(int file);

/// Has the program that is started begin without the open files from `first` on; `actions` is a
/// posix_spawn_file_actions_t.
int clinux_spawn_closes_from(void *actions, int first);

/// A user that a program is started as.
struct clinux_user {
  uint32_t user;
  uint32_t group;
  const uint32_t *groups;
  size_t group_count;
};

/// Starts a program with no signal blocked and SIGHUP ignored, until it listens to that; ended by SIGTERM when the calling thread ends; as another
/// user unless `user` is NULL, who keeps the right to bind ports below 1024 where the caller has it.
///
/// What it writes goes to the open file `output`, and where that is negative to where the caller's goes.
/// The process ID, or -1 with errno. What fails in the child ends it with 127.
int clinux_spawn(const char *path, char *const arguments[], char *const environment[],
                 const struct clinux_user *user, int output);

/// Blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD, and opens what becomes readable when one of them is there
/// (signalfd(2)); -1 with errno.
int clinux_open_signals(void);

/// The next signal of `clinux_open_signals`, 0 for none.
int clinux_next_signal(int file);

/// The user at the other end of a unix socket, -1 where that cannot be told.
int64_t clinux_peer_user(int file);

/// The process that made the connection of a unix socket, -1 where that cannot be told.
int64_t clinux_peer_process(int file);

#endif
