#include "daemon/base/memory.hpp"

#include <malloc.h>

namespace wiremill {

void keep_freed_memory() {
  // Each of these switches off glibc's own adapting, so all three are set (mallopt(3)).
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  ::mallopt(M_TOP_PAD, 1 << 20);
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
}

}  // namespace wiremill
