// See noise.hpp. The generator's sequence is laid down by the standard, no distribution is used (theirs
// is not), and texts are filled in from left to right, so that every machine makes the same rows.
#include "plugins/language/measure/noise.hpp"

#include <random>
#include <string_view>

namespace wiremill::language {
namespace {

using Patterns = std::vector<std::string_view>;

// In a pattern %d is a digit, %x a hexadecimal one, %a a small letter, %b a letter or digit of base64,
// %p a sign, %n a variable's name, %e an emoji, %r any byte, %% a per cent sign.
const Patterns kNumbers = {"%d%d%d%d%d",    "%d",
                           "%d%d.%d%d%%",   "20%d%d-0%d-1%d",
                           "1%d:%d%d:%d%d", "+%d%d %d%d%d %d%d%d%d",
                           "$%d%d,%d%d%d",  "€%d.%d%d"};
const Patterns kCode = {"for(int %n=0;%n<%d%d;%n++){",
                        "if(%n==nullptr) return -%d;",
                        "%n->%n(&%n,%d%d);",
                        "#define %n_%d (%n<<%d)",
                        "$('#%n').css({'top':%d%d});",
                        "def %n(self,%n=None): self.%n+=%d",
                        "mov eax, 0x%x%x%x%x; jmp 0x%x%x%x"};
const Patterns kEmoji = {"%e", "%e%e", "%e%e%e"};
const Patterns kBytes = {"%r%r%r%r%r%r%r%r"};
const Patterns kAddresses = {"%a%a%a%a.%a%a%d@%a%a%a%a%a.com", "www.%a%a%a%a%a%a.org/%a%d%a%d-%a%a",
                             "https://%a%a%a%a%a.net/p/%d%d%d%d?id=%d%d&v=%d"};
const Patterns kHashes = {"%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x"};
const Patterns kEncoded = {"%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b%b=="};
const Patterns kMarkup = {"<div class=\"%a-%d\" id=\"%n\"></div>", "{\"%n\":%d%d,\"%n\":[%d,%d]}",
                          ".%n{margin:%dpx;color:#%x%x%x%x%x%x}", "&#%d%d%d%d;&nbsp;"};
const Patterns kLogLines = {
    "2023-04-2%dT1%d:%d%d:%d%dZ [%d%d%d%d] 10.%d%d.%d.%d:%d%d%d%d 0x%x%x%x%x rc=%d t=%d%dms"};
const Patterns kSigns = {"%p%p%p%p%p%p%p%p", "%p%p%p"};
const Patterns kNames = {"i", "n", "buf", "ptr", "foo_bar", "tmpVal", "x1", "idx", "argv", "m_ctx"};

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

class Noise {
 public:
  std::vector<std::string> rows() {
    std::vector<std::string> rows;
    for (int i = 0; i < 50; ++i) {
      rows.push_back(many(kNumbers, 12, " "));
      rows.push_back(many(kCode, 5, " "));
      rows.push_back(many(kEmoji, 6, " "));
      rows.push_back(many(kBytes, 24, ""));
      rows.push_back(many(kAddresses, 4, " "));
      rows.push_back(many(kHashes, 4, "\n"));
      rows.push_back(many(kEncoded, 3, "\n"));
      rows.push_back(many(kMarkup, 6, ""));
      rows.push_back(many(kLogLines, 4, "\n"));
      rows.push_back(many(kSigns, 6, " "));
    }
    return rows;
  }

 private:
  size_t below(size_t end) { return random_() % end; }

  char one(std::string_view letters) { return letters[below(letters.size())]; }

  std::string many(const Patterns& patterns, size_t most, std::string_view between) {
    std::string out;
    for (size_t left = 1 + below(most); left > 0; --left) {
      fill(patterns[below(patterns.size())], out);
      if (left > 1) out += between;
    }
    return out;
  }

  void fill(std::string_view pattern, std::string& out) {
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != '%')
        out += pattern[i];
      else
        fill_in(pattern[++i], out);
    }
  }

  void fill_in(char what, std::string& out) {
    switch (what) {
      case 'd': out += one("0123456789"); return;
      case 'x': out += one("0123456789abcdef"); return;
      case 'a': out += one("abcdefghijklmnopqrstuvwxyz"); return;
      case 'b': out += one(kBase64); return;
      case 'p': out += one("!?.,;:-_=+*/\\|()[]{}<>#$%&@^~'\""); return;
      case 'n': out += kNames[below(kNames.size())]; return;
      case 'r': out += static_cast<char>(below(256)); return;
      case 'e':  // U+1F600 to U+1F63F
        out += "\xF0\x9F\x98";
        out += static_cast<char>(0x80 + below(0x40));
        return;
      default: out += what;
    }
  }

  std::mt19937 random_{20260101};
};

}  // namespace

std::vector<std::string> noise_rows() { return Noise().rows(); }

}  // namespace wiremill::language
