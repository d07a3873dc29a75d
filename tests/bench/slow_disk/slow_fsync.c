/* Makes fsync and fdatasync of a program take at least SLOW_FSYNC_US microseconds. Use it with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int slow(const char *name, int file) {
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  const char *wanted = getenv("SLOW_FSYNC_US");
  long long ns = end.tv_nsec + (wanted ? atoll(wanted) : 0) * 1000;
  end.tv_sec += ns / 1000000000;
  end.tv_nsec = ns % 1000000000;
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int result = real(file), error = errno;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
  }
  errno = error;
  return result;
}

int fsync(int file) { return slow("fsync", file); }
int fdatasync(int file) { return slow("fdatasync", file); }
