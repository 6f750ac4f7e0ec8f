#include <lmdb.h>
// statfs is not part of Swift's Glibc module; the face asks it what kind of file system a store lies on.
#include <sys/statfs.h>
