// Documents of about 4 KB for the benchmarks. Any thread.
#pragma once

#include <string>
#include <vector>

namespace wiremill {

// `count` serialised Documents with ids of their own, always the same ones. Each is a title and
// about 4,000 bytes of sentences drawn from the English plain texts in `articles_folder`, one word
// in three exchanged for another one of those texts and every digit for another, so that no two are
// near copies. Throws std::runtime_error where the folder has no such text.
std::vector<std::string> make_documents(const std::string& articles_folder, size_t count);

}  // namespace wiremill
