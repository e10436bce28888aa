#define _GNU_SOURCE
#include "clinux.h"

#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int clinux_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

int clinux_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

// The system's headers may be older than its kernel.
struct ruleset {
  uint64_t file_rights;
  uint64_t net_rights;
  uint64_t scopes;
};
struct path_rule {
  uint64_t rights;
  int32_t file;
} __attribute__((packed));

int clinux_landlock_version(void) {
  // SYS_landlock_create_ruleset, with the flag that asks for the version.
  long version = syscall(444, NULL, 0, 1);
  return version > 0 ? (int)version : 0;
}

int clinux_landlock_create(uint64_t file_rights, uint64_t scopes) {
  struct ruleset rules = {file_rights, 0, scopes};
  int version = clinux_landlock_version();
  size_t size = version < 4 ? 8 : version < 6 ? 16 : 24;
  return (int)syscall(444, &rules, size, 0);
}

int clinux_landlock_allow(int rules, int file, uint64_t rights) {
  struct path_rule rule = {rights, file};
  return (int)syscall(445, rules, 1, &rule, 0);
}

int clinux_landlock_enter(int rules) { return (int)syscall(446, rules, 0); }

int clinux_keep_capabilities(uint64_t kept) {
  for (int number = 0; number < 64; number++) {
    if (kept >> number & 1) continue;
    // The first number that the kernel does not know ends it.
    if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) < 0) break;
    if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) return -1;
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  for (int word = 0; word < 2; word++) {
    uint32_t bits = (uint32_t)(kept >> (32 * word));
    data[word].effective &= bits;
    data[word].permitted &= bits;
    data[word].inheritable = 0;
  }
  return (int)syscall(SYS_capset, &header, data);
}

int clinux_rlimit_processes(void) { return RLIMIT_NPROC; }

int clinux_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int clinux_open_in_root(int directory, const char *path, int flags) {
  // struct open_how and RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT, which older headers do not have.
  const uint64_t how[3] = {(uint64_t)(unsigned)flags, 0, 0x02 | 0x10};
  return (int)syscall(437, directory, path, how, sizeof how);
}

int clinux_sync_file_system(int file) { return syncfs(file); }

int clinux_pipe(int files[2]) { return pipe2(files, O_CLOEXEC); }

int clinux_spawn_closes_from(void *actions, int first) {
  return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

static int become(const struct clinux_user *user) {
  prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (setgroups(user->group_count, user->groups) != 0) return -1;
  if (setresgid(user->group, user->group, user->group) != 0) return -1;
  if (setresuid(user->user, user->user, user->user) != 0) return -1;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0}};
  data[0].effective = data[0].permitted = data[0].inheritable = 1u << CAP_NET_BIND_SERVICE;
  // Without the right the program says which port it cannot have.
  if (syscall(SYS_capset, &header, data) == 0)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
  return 0;
}

int clinux_spawn(const char *path, char *const arguments[], char *const environment[],
                 const struct clinux_user *user, int output) {
  pid_t parent = getpid();
  pid_t child = fork();
  if (child != 0) return child;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGHUP, SIG_IGN);
  if (output >= 0 && (dup2(output, 1) < 0 || dup2(output, 2) < 0)) _exit(127);
  if (user != NULL && become(user) != 0) _exit(127);
  // Behind the change of user, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (getppid() != parent) _exit(127);
  execve(path, arguments, environment);
  _exit(127);
}

int clinux_open_signals(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) return -1;
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

int clinux_next_signal(int file) {
  struct signalfd_siginfo information;
  ssize_t count = read(file, &information, sizeof information);
  return count == sizeof information ? (int)information.ssi_signo : 0;
}

int64_t clinux_peer_user(int file) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(file, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
  return peer.uid;
}

int64_t clinux_peer_process(int file) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(file, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
  return peer.pid;
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
