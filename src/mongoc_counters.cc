// libmongoc's counters, kept out of /dev/shm.
//
// Its constructor runs in every process that it is linked to, before main() and whatever the store is, and puts its
// counters into a file /dev/shm/mongoc-PID, for a tool that shows them. A killed gateway leaves that file behind, and a
// later process of that number complains of it on stderr. MONGOC_DISABLE_SHM in the environment would prevent it, but
// the C library has no environment yet for us to set it in when that constructor runs. So libmongoc gets memory without
// a name: the linker takes this shm_open() for the C library's. Nothing else in this program calls it.
#include <sys/mman.h>

#ifdef __clang__
[[clang::disable_sanitizer_instrumentation]]  // they may not be ready before main()
#endif
[[gnu::used, gnu::visibility("default")]] int
shm_open(const char* /*name*/, int /*flags*/, mode_t /*mode*/) {
  return ::memfd_create("mongoc", MFD_CLOEXEC);
}
