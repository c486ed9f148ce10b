// How the program's malloc keeps memory. Called once by main, before threads start.
#pragma once

namespace wiremill {

// Documents come in bursts, each allocated by one thread and freed by another. Left alone, glibc gives
// the top of a heap back to the system after every burst and takes it again, page by page, with the
// next one: a fifth of the io thread's time. With this a heap keeps up to 64 MiB of what was freed.
void keep_freed_memory();

}  // namespace wiremill
