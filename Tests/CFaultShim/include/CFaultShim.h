// Write and sync calls that can be made to fail.
//
// The executable that this is linked into defines the C library's write and sync calls itself, so that those of shared
// libraries reach these definitions too. Calls on files below one directory are counted, and the n-th can fail or end
// the process. Everything else goes to the kernel unchanged.
//
// The environment says what to do:
//   STEPKIT_FAULT_REPORT  a file of at least sizeof(struct fault_report) bytes, mapped and kept up to date
//   STEPKIT_FAULT_UNDER   the directory whose files count
//   STEPKIT_FAULT_AT      which call is struck, from 1; none when absent
//   STEPKIT_FAULT_ERRNO   what a struck call fails with
//   STEPKIT_FAULT_STICKY  whether every later call fails too
//   STEPKIT_FAULT_LATE    whether a struck call does its work before it reports failure
//   STEPKIT_FAULT_SHORT   a struck write stops half-way, as on a full disk; so many requests for room then fail
//   STEPKIT_FAULT_KILL    "before" or "after": SIGKILL in place of a failure
#ifndef CFAULTSHIM_H
#define CFAULTSHIM_H

#include <stdint.h>

enum fault_call { fault_call_write = 1, fault_call_pwrite, fault_call_writev, fault_call_fdatasync, fault_call_fsync };

enum fault_file {
    fault_file_none,
    // The database, the file that tells when it went back in time, the note of who has the store open.
    fault_file_data,
    fault_file_witness,
    fault_file_lock,
    // A store that is being made, and directories.
    fault_file_creation,
    fault_file_other,
    // The part of the database that makes a commit count.
    fault_file_meta,
    // The store's directory, and the one that it lies in.
    fault_file_directory,
    fault_file_parent
};

// Eight bytes each, so that whoever reads the file needs no layout.
struct fault_report {
    uint64_t calls;
    uint64_t struck;
    // What the first struck call was, and on which file.
    uint64_t struck_call;
    uint64_t struck_file;
    // Calls on the database after the first struck one.
    uint64_t data_calls_after;
    uint64_t data_syncs_after;
    // All on the database.
    uint64_t data_writes;
    uint64_t data_syncs;
    uint64_t witness_writes;
    // Calls that ask for room in the database after the first struck one.
    uint64_t reservations;
    // Syncs of the store's directory, of these after the witness was first written, and of the directory it lies in.
    uint64_t directory_syncs;
    uint64_t directory_syncs_after_witness;
    uint64_t parent_syncs;
};

// Lets one byte be written to a descriptor once so many calls were struck.
void fault_shim_tell(int descriptor, uint64_t struck);

#endif
