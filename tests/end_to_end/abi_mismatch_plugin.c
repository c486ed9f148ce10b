/* A plugin as an ABI that is not ours would have it. Loaded by refused_start_test.py. */
#include <wiremill/plugin.h>

WM_EXPORT const wm_entry wiremill_plugin = {
    .magic = WM_ENTRY_MAGIC,
    .struct_size = sizeof(wm_entry),
    .abi_major = WM_ABI_MAJOR + 1,
    .abi_minor = 0,
};
