// Preloaded into a program under valgrind: libdispatch hands sigsuspend a mask in read-only
// memory, and valgrind 3.19 writes to what that call is given.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
  sigset_t copy = *mask;
  return (int)syscall(SYS_rt_sigsuspend, &copy, (size_t)8);
}
