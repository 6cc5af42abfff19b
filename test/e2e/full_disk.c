/* A disk that is full from the n-th write on, for one process: preloaded, it counts every call that
 * takes space below one folder and lets those fail with ENOSPC. What is counted: writes, their
 * vector and positioned forms, preallocation, growing by ftruncate, and whatever makes a name
 * (open with O_CREAT of a file that is not there, mkdir, rename).
 *
 * TARN_FULL_DISK names the control file, which test/e2e/write_points_test.py maps too: see struct Control. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct Control {
  int64_t count;   /* calls so far */
  int64_t fail_at; /* from this call on they fail; 0: never */
  int64_t failed;  /* calls that did */
  char folder[4096];
};

enum { kMostFiles = 65536 };
static unsigned char watched[kMostFiles];

static struct Control* control(void) {
  static struct Control* volatile mapped = NULL;
  static struct Control none;
  if (mapped != NULL) return mapped;
  struct Control* found = &none;
  const char* path = getenv("TARN_FULL_DISK");
  if (path != NULL) {
    static int (*real)(const char*, int, ...) = NULL;
    if (real == NULL) real = dlsym(RTLD_NEXT, "open64");
    const int fd = real(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
      void* memory = mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (memory != MAP_FAILED) found = memory;
      close(fd);
    }
  }
  mapped = found;
  return found;
}

static int below(const char* path) {
  const char* folder = control()->folder;
  const size_t length = strlen(folder);
  return length > 0 && strncmp(path, folder, length) == 0;
}

/* Whether the call that is about to be made fails. */
static int full(void) {
  struct Control* shared = control();
  const int64_t number = __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
  const int64_t fail_at = __atomic_load_n(&shared->fail_at, __ATOMIC_SEQ_CST);
  if (fail_at == 0 || number < fail_at) return 0;
  __atomic_add_fetch(&shared->failed, 1, __ATOMIC_SEQ_CST);
  errno = ENOSPC;
  return 1;
}

static int full_file(int fd) { return fd >= 0 && fd < kMostFiles && watched[fd] && full(); }

static int note(int fd, const char* path) {
  if (fd >= 0 && fd < kMostFiles) watched[fd] = (unsigned char)below(path);
  return fd;
}

static int makes_a_name(const char* path, int flags) {
  struct stat info;
  return (flags & O_CREAT) != 0 && below(path) && stat(path, &info) != 0;
}

#define REAL(name) \
  static __typeof__(&name) real = NULL; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define OPEN(name)                                            \
  int name(const char* path, int flags, ...) {                \
    REAL(name);                                               \
    va_list rest;                                             \
    va_start(rest, flags);                                    \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                             \
    if (makes_a_name(path, flags) && full()) return -1;       \
    return note(real(path, flags, mode), path);               \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  REAL(close);
  if (fd >= 0 && fd < kMostFiles) watched[fd] = 0;
  return real(fd);
}

#define ON_FILE(type, name, parameters, ...) \
  type name parameters {                     \
    REAL(name);                              \
    if (full_file(fd)) return -1;            \
    return real(__VA_ARGS__);                \
  }
ON_FILE(ssize_t, write, (int fd, const void* bytes, size_t size), fd, bytes, size)
ON_FILE(ssize_t, pwrite, (int fd, const void* bytes, size_t size, off_t at), fd, bytes, size, at)
ON_FILE(ssize_t, pwrite64, (int fd, const void* bytes, size_t size, off64_t at), fd, bytes, size, at)
ON_FILE(ssize_t, writev, (int fd, const struct iovec* parts, int count), fd, parts, count)
ON_FILE(ssize_t, pwritev, (int fd, const struct iovec* parts, int count, off_t at), fd, parts, count,
        at)
ON_FILE(int, fallocate, (int fd, int mode, off_t at, off_t size), fd, mode, at, size)
ON_FILE(int, fallocate64, (int fd, int mode, off64_t at, off64_t size), fd, mode, at, size)

#define ALLOCATE(name, offset)                   \
  int name(int fd, offset at, offset size) {     \
    REAL(name);                                  \
    return full_file(fd) ? ENOSPC : real(fd, at, size); \
  }
ALLOCATE(posix_fallocate, off_t)
ALLOCATE(posix_fallocate64, off64_t)

#define TRUNCATE(name, offset)                                           \
  int name(int fd, offset size) {                                        \
    REAL(name);                                                          \
    struct stat info;                                                    \
    const int grows = fstat(fd, &info) == 0 && size > info.st_size;      \
    return grows && full_file(fd) ? -1 : real(fd, size);                 \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int mkdir(const char* path, mode_t mode) {
  REAL(mkdir);
  struct stat info;
  return below(path) && stat(path, &info) != 0 && full() ? -1 : real(path, mode);
}

int rename(const char* from, const char* to) {
  REAL(rename);
  return below(to) && full() ? -1 : real(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned int flags) {
  REAL(renameat2);
  return below(to) && full() ? -1 : real(from_folder, from, to_folder, to, flags);
}
