#define _GNU_SOURCE
#include "CFaultShim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct fault_report unmapped;
static struct fault_report *report = &unmapped;
static char directory[PATH_MAX];
static size_t directory_length;
static uint64_t strike_at;
static int strike_errno;
static bool is_sticky, is_late, is_short, kills_before, kills_after;
static uint64_t full_for;
static int told_descriptor = -1;
static uint64_t told_at;

static uint64_t add(uint64_t *counter) { return __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST); }

__attribute__((constructor)) static void read_environment(void) {
    const char *under = getenv("STEPKIT_FAULT_UNDER");
    const char *path = getenv("STEPKIT_FAULT_REPORT");
    if (!under || !path || strlen(under) >= sizeof directory) return;
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *page = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (page == MAP_FAILED) return;
    report = page;
    const char *at = getenv("STEPKIT_FAULT_AT");
    const char *number = getenv("STEPKIT_FAULT_ERRNO");
    const char *kill = getenv("STEPKIT_FAULT_KILL");
    strike_at = at ? strtoull(at, NULL, 10) : 0;
    strike_errno = number ? atoi(number) : EIO;
    is_sticky = getenv("STEPKIT_FAULT_STICKY") != NULL;
    is_late = getenv("STEPKIT_FAULT_LATE") != NULL;
    const char *full = getenv("STEPKIT_FAULT_SHORT");
    is_short = full != NULL;
    full_for = full ? strtoull(full, NULL, 10) : 0;
    kills_before = kill && strcmp(kill, "before") == 0;
    kills_after = kill && strcmp(kill, "after") == 0;
    directory_length = strlen(under);
    memcpy(directory, under, directory_length);
}

void fault_shim_tell(int descriptor, uint64_t struck) {
    told_at = struck;
    told_descriptor = descriptor;
}

static bool ends_with(const char *path, const char *name) {
    size_t length = strlen(path), tail = strlen(name);
    return length >= tail && memcmp(path + length - tail, name, tail) == 0;
}

// Descriptors are given to other files again and again, so what one means is looked up at each call.
static enum fault_file file_of(int descriptor) {
    if (directory_length == 0) return fault_file_none;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < (ssize_t)directory_length || memcmp(path, directory, directory_length) != 0) return fault_file_none;
    path[length] = 0;
    if (path[directory_length] != 0 && path[directory_length] != '/') return fault_file_none;
    if (path[directory_length] == 0) return fault_file_parent;
    if (strcmp(path + directory_length, "/store") == 0) return fault_file_directory;
    if (strstr(path, "/.creating-")) return fault_file_creation;
    if (ends_with(path, "/data.mdb")) return fault_file_data;
    if (ends_with(path, "/witness")) return fault_file_witness;
    if (ends_with(path, "/engine.lock")) return fault_file_lock;
    return fault_file_other;
}

static void end_here(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

// The database's two first pages say which commit counts. One of them is written last, a part of a page at a time.
static bool is_meta(size_t count, off_t offset) { return offset < 2 * sysconf(_SC_PAGESIZE) && count < 512; }

// Whether the call is struck.
static bool is_struck(int descriptor, enum fault_call call, bool may_be_meta) {
    enum fault_file file = file_of(descriptor);
    if (file == fault_file_none) return false;
    bool is_data = file == fault_file_data;
    if (is_data && may_be_meta) file = fault_file_meta;
    bool is_sync = call == fault_call_fdatasync || call == fault_call_fsync;
    uint64_t number = add(&report->calls);
    if (is_data) {
        add(is_sync ? &report->data_syncs : &report->data_writes);
        if (__atomic_load_n(&report->struck, __ATOMIC_SEQ_CST) > 0) {
            add(is_sync ? &report->data_syncs_after : &report->data_calls_after);
        }
    }
    if (file == fault_file_directory && is_sync) {
        add(&report->directory_syncs);
        if (__atomic_load_n(&report->witness_writes, __ATOMIC_SEQ_CST) > 0) add(&report->directory_syncs_after_witness);
    }
    if (file == fault_file_parent && is_sync) add(&report->parent_syncs);
    if (file == fault_file_witness) add(&report->witness_writes);
    if (strike_at == 0 || number < strike_at || (number > strike_at && !is_sticky)) return false;
    if (number == strike_at) {
        report->struck_call = call;
        report->struck_file = file;
    }
    uint64_t struck = add(&report->struck);
    if (kills_before) end_here();
    if (struck == told_at && told_descriptor >= 0) syscall(SYS_write, told_descriptor, "!", 1);
    return true;
}

static bool goes_on(bool struck) { return !struck || is_late || is_short || kills_after; }

// What a struck write has room for.
static size_t room(bool struck, size_t count) { return struck && is_short ? count / 2 : count; }

static ssize_t ended(bool struck, ssize_t outcome) {
    if (!struck || is_short) return outcome;
    if (kills_after) end_here();
    errno = strike_errno;
    return -1;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    bool struck = is_struck(descriptor, fault_call_write, false);
    return ended(struck, goes_on(struck) ? syscall(SYS_write, descriptor, bytes, room(struck, count)) : -1);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    bool struck = is_struck(descriptor, fault_call_pwrite, is_meta(count, offset));
    return ended(struck, goes_on(struck) ? syscall(SYS_pwrite64, descriptor, bytes, room(struck, count), offset) : -1);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    return pwrite(descriptor, bytes, count, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    bool struck = is_struck(descriptor, fault_call_writev, false);
    if (struck && is_short) {
        struct iovec half = {parts[0].iov_base, parts[0].iov_len / 2};
        return syscall(SYS_writev, descriptor, count > 1 ? parts : &half, count > 1 ? count / 2 : 1);
    }
    return ended(struck, goes_on(struck) ? syscall(SYS_writev, descriptor, parts, count) : -1);
}

// After a write that stopped half-way there is no room to be set aside, for so many calls.
int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    if (is_short && __atomic_load_n(&report->struck, __ATOMIC_SEQ_CST) > 0 && file_of(descriptor) == fault_file_data
        && add(&report->reservations) <= full_for) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
}

int fdatasync(int descriptor) {
    bool struck = is_struck(descriptor, fault_call_fdatasync, false);
    return (int)ended(struck, goes_on(struck) ? syscall(SYS_fdatasync, descriptor) : -1);
}

int fsync(int descriptor) {
    bool struck = is_struck(descriptor, fault_call_fsync, false);
    return (int)ended(struck, goes_on(struck) ? syscall(SYS_fsync, descriptor) : -1);
}
