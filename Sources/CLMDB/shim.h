#include <lmdb.h>
// statfs is not part of Swift's Glibc module; the face asks it what kind of file system a store lies on.
#include <sys/statfs.h>
#include <sys/types.h>

// Nor does it show fallocate, which is a GNU extension.
extern int fallocate(int descriptor, int mode, off_t offset, off_t length);

/// Sets blocks aside for a file without making it longer.
static inline int stepkit_reserve(int descriptor, off_t offset, off_t length) {
    return fallocate(descriptor, 1 /* FALLOC_FL_KEEP_SIZE */, offset, length);
}
