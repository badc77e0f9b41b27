/* Faults of a disk, to be preloaded into a node: LD_PRELOAD=disk_fault.so DISK_FAULT=FILE. As long as FILE is
 * not there, nothing happens. It holds three words: what fails (write, sync, fsync), how (EIO, ENOSPC, EINTR,
 * short, slow), and at which call from then on. A sync is an fdatasync, or a write that is durable by itself.
 * Only files of a log or of snapshots are meant. EINTR and short come at every other call, the rest at all
 * from the first one on; FILE.hit is made when one has come about. With NO_DIRECT in the environment, no file
 * can be written past the system's cache. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOW_MS 300
#define PAGE 4096

static atomic_long calls;

/* Whether a descriptor is of a file that the store keeps. */
static bool is_kept(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0) {
        return false;
    }
    path[len] = 0;
    return strstr(path, "/wal/") != NULL || strstr(path, "/snap/") != NULL ||
           strcmp(path + len - 4, "/wal") == 0;
}

/* How this call fails: a word, or NULL. */
static const char *fault(const char *operation, int fd) {
    static _Thread_local char how[16];
    const char *name = getenv("DISK_FAULT");
    FILE *file = name == NULL ? NULL : fopen(name, "r");
    if (file == NULL) {
        atomic_store(&calls, 0);
        return NULL;
    }
    char what[16];
    long first = 0;
    bool is_meant = fscanf(file, "%15s %15s %ld", what, how, &first) == 3 && strcmp(what, operation) == 0;
    fclose(file);
    if (!is_meant || !is_kept(fd)) {
        return NULL;
    }
    long call = atomic_fetch_add(&calls, 1) + 1;
    bool is_in_turns = strcmp(how, "EINTR") == 0 || strcmp(how, "short") == 0;
    if (call < first || (is_in_turns && call % 2 != 0)) {
        return NULL;
    }
    return how;
}

/* Has those who told the fault know that it came about. */
static void tell(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s.hit", getenv("DISK_FAULT"));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
}

/* What is written of so much when it comes short. Past the cache that is whole blocks, of 4096 bytes on some
 * disks. */
static size_t short_of(int fd, size_t len) {
    bool is_direct = (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
    size_t part = is_direct ? len / 2 / PAGE * PAGE : len / 2;
    return part > 0 ? part : len;
}

static int error_number(const char *how) {
    return strcmp(how, "EIO") == 0      ? EIO
           : strcmp(how, "ENOSPC") == 0 ? ENOSPC
           : strcmp(how, "EINTR") == 0  ? EINTR
                                        : 0;
}

typedef int open_file(const char *, int, ...);
typedef ssize_t write_at(int, const void *, size_t, off64_t);
typedef int sync_file(int);

int open64(const char *path, int flags, ...) {
    if ((flags & O_DIRECT) != 0 && getenv("NO_DIRECT") != NULL) {
        errno = EINVAL;
        return -1;
    }
    va_list rest;
    va_start(rest, flags);
    bool has_mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    mode_t mode = has_mode ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return ((open_file *)dlsym(RTLD_NEXT, "open64"))(path, flags, mode);
}

/* The error of this sync, or 0, perhaps after a while. */
static int sync_error(const char *operation, int fd) {
    const char *how = fault(operation, fd);
    int number = how == NULL ? 0 : error_number(how);
    if (how != NULL) {
        tell();
    }
    if (how != NULL && number == 0) {
        nanosleep(&(struct timespec){.tv_nsec = SLOW_MS * 1000000L}, NULL);
    }
    return number;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) {
    write_at *real = (write_at *)dlsym(RTLD_NEXT, "pwrite64");
    bool is_durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
    int number = is_durable ? sync_error("sync", fd) : 0;
    if (number != 0) {
        errno = number;
        return -1;
    }
    const char *how = fault("write", fd);
    if (how == NULL) {
        return real(fd, bytes, len, offset);
    }
    number = error_number(how);
    if (number == 0) {
        size_t part = short_of(fd, len);
        if (part < len) {
            tell();
        }
        return real(fd, bytes, part, offset);
    }
    tell();
    /* A disk that fills up takes whole pages, and says no when the rest comes. */
    size_t fits = PAGE - (size_t)offset % PAGE;
    if (number == ENOSPC && fits < len) {
        return real(fd, bytes, fits, offset);
    }
    errno = number;
    return -1;
}

static int sync_with(const char *name, const char *operation, int fd) {
    int number = sync_error(operation, fd);
    if (number != 0) {
        errno = number;
        return -1;
    }
    return ((sync_file *)dlsym(RTLD_NEXT, name))(fd);
}

int fdatasync(int fd) {
    return sync_with("fdatasync", "sync", fd);
}

int fsync(int fd) {
    return sync_with("fsync", "fsync", fd);
}
