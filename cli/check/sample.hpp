// The documents that the checks hand to a stage. The same in every run; ASCII but for text_edges().
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace wiremill::check {

struct Sample {
  std::string id{}, source{}, uri{}, title{};
  std::string body{};  // any bytes; the text is made of it as the daemon does
  std::string content_type{};
  std::string language = "en";
  std::map<std::string, std::string> attributes{};
};

// Short articles of five sources; every tenth is a near copy of an earlier one, every fifth is HTML.
std::vector<Sample> articles(size_t count);
// Nothing at all, nothing but a title, white space; and so many bytes in several shapes.
std::vector<Sample> sizes(size_t bytes_max);
// Characters of two to four bytes at every offset, combining marks, right to left, NUL, bytes that are
// no UTF-8, names in several scripts.
std::vector<Sample> text_edges();
// What makes careless algorithms slow: 64 KiB each of one letter, of brackets, of the same word.
std::vector<Sample> patience_tests();

// One of them, changed at random in its bytes. `random` goes on.
Sample mutated(const std::vector<Sample>& seeds, uint64_t& random);

}  // namespace wiremill::check
