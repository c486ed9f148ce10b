/* A shared object that is no plugin, for tests. */
int wiremill_is_not_here(void) { return 0; }
