/* A plugin as an ABI that is not ours would have it. Loaded by refused_start_test.py. */
#include <wiremill/plugin.h>

#undef WM_ABI_MAJOR
#define WM_ABI_MAJOR 2

WM_NOTE("test.abi_mismatch", "1.0.0");

WM_EXPORT const wm_entry wiremill_plugin = {
    .magic = WM_ENTRY_MAGIC,
    .struct_size = sizeof(wm_entry),
    .abi_major = WM_ABI_MAJOR,
    .abi_minor = 0,
};
